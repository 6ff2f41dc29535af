"""The Synthesize tab with all that belongs to it in Slicer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer.util

from ..background import BackgroundJobs
from ..dialogs import Dialogs
from ..installer import Installer
from ..settings import Settings
from ..status_line import StatusLine
from .context import DRRContext
from .dice_section import DRRDiceSection
from .install_box import DRRInstallBox, SynthesizeRequirements
from .jobs import DRRJobs
from .panel import DRRPanel
from .patient_section import DRRPatientSection
from .set_section import DRRSetSection
from .view_section import DRRViewSection


def synthesize_panel(
    resources: Path, logic, dialogs: Dialogs, onOpen: Callable, installer: Installer | None = None
) -> DRRPanel:
    """The tab over ``logic``, a DRRLogic. ``resources`` is the module's folder of that name; ``onOpen(volume)`` shows
    an image in the Segment tab."""
    root = slicer.util.loadUI(str(resources / "UI" / "FluoroSAMSynthesize.ui"))
    ui = slicer.util.childWidgetVariables(root)
    ui.root = root
    settings = Settings()
    status = StatusLine(ui, lambda: context.jobs.cancel())
    context = DRRContext(logic, status, dialogs)

    installer = installer or Installer(SynthesizeRequirements(resources / "requirements-synthesize.txt"))

    def parts(panel: DRRPanel) -> None:
        panel.install = DRRInstallBox(ui, installer, dialogs, panel.onInstalled)
        receivers = {
            "preview": panel.onPreview,
            "render": panel.onRendered,
            "samples": panel.onSamples,
            "check": panel.onChecked,
        }
        panel.jobs = DRRJobs(context, BackgroundJobs(logic.compute), receivers, panel.refresh)
        panel.set = DRRSetSection(
            ui, context, settings, BackgroundJobs(logic.compute), panel.jobs.submit, panel.rememberSoon
        )
        panel.dice = DRRDiceSection(ui, context, onOpen, panel.check)
        panel.view = DRRViewSection(ui, context, panel.onView, panel.centre, panel.render, panel.onShown)
        panel.patient = DRRPatientSection(ui, context, panel.onPatient, panel.onLabels)

    return DRRPanel(ui, context, parts)

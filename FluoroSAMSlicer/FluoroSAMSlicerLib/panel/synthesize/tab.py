"""The Synthesize tab with all that belongs to it in Slicer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from ..background import BackgroundJobs
from ..dialogs import Dialogs
from ..form import load_form
from ..installer import Installer
from ..late_tab import made_at_once
from ..settings import Settings
from ..status_line import StatusLine
from .big_views import BigViews
from .context import Context
from .dice_section import DiceSection
from .install_box import InstallBox, SynthesizeRequirements
from .jobs import Jobs
from .names_section import NamesSection
from .panel import Panel
from .patient_section import PatientSection
from .set_section import SetSection
from .view_section import ViewSection


def synthesize_panel(
    resources: Path,
    logic,
    dialogs: Dialogs,
    onOpen: Callable,
    views: BigViews,
    installer: Installer | None = None,
) -> Panel:
    """The tab over ``logic``, a Logic. ``resources`` is the module's folder of that name; ``onOpen(volume)`` shows
    an image in the Segment tab, ``views`` in Slicer's own."""
    return made_at_once(synthesize_steps(resources, logic, dialogs, onOpen, views, installer))


def synthesize_steps(
    resources: Path,
    logic,
    dialogs: Dialogs,
    onOpen: Callable,
    views: BigViews,
    installer: Installer | None = None,
) -> Generator[None, None, Panel]:
    """`synthesize_panel` in the steps of a `LateTab`: its form, the packages, its parts."""
    ui = load_form(resources / "UI" / "FluoroSAMSynthesize.ui")
    yield
    settings = Settings()
    status = StatusLine(ui, lambda: context.jobs.cancel())
    context = Context(logic, status, dialogs)

    installer = installer or Installer(SynthesizeRequirements(resources / "requirements-synthesize.txt"))
    install = InstallBox(ui, installer, dialogs, lambda: panel.onInstalled())
    context.ready = install.check()
    yield

    def parts(panel: Panel) -> None:
        panel.install = install
        receivers = {
            "preview": panel.onPreview,
            "render": panel.onRendered,
            "samples": panel.onSamples,
            "check": panel.onChecked,
        }
        panel.jobs = Jobs(context, BackgroundJobs(logic.compute), receivers, panel.refresh)
        panel.set = SetSection(
            ui, context, settings, BackgroundJobs(logic.compute), panel.jobs.submit, panel.rememberSoon
        )
        panel.dice = DiceSection(ui, context, onOpen, panel.check)
        panel.view = ViewSection(ui, context, panel.onView, panel.centre, panel.render, panel.onShown)
        panel.names = NamesSection(
            ui, context, settings, BackgroundJobs(logic.compute), panel.onLabelled, panel.rememberSoon
        )
        panel.patient = PatientSection(ui, context, panel.onPatient, panel.onLabels)

    panel = Panel(ui, context, views, parts)
    return panel

"""The Segment tab with all that belongs to it in Slicer."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import slicer

from ...anatomy import complete
from ...anatomy.presets import PRESETS
from ..background import BackgroundJobs
from ..dialogs import Dialogs
from ..form import load_form
from ..installer import Installer
from ..late_tab import made_at_once
from ..requirements import Requirements
from ..settings import Settings
from ..status_line import StatusLine
from .box_outline import BoxOutline
from .checkpoint_request import work
from .click_section import ClickSection
from .context import Context
from .details import SegmentDetails
from .export_section import ExportSection
from .file_job import do
from .image_section import ImageSection
from .install_box import InstallBox
from .jobs import Jobs
from .model_section import ModelSection
from .panel import Panel
from .prompting import Prompting
from .run_section import RunSection
from .slice_tool import SliceTool
from .slice_views import SliceViews
from .table import SegmentTable
from .text_section import TextSection


def segment_panel(
    resources: Path, logic, dialogs: Dialogs, views: SliceViews, window, installer: Installer | None = None
) -> Panel:
    """The tab over ``logic``, a Logic. ``resources`` is the module's folder of that name."""
    return made_at_once(segment_steps(resources, logic, dialogs, views, window, installer))


def segment_steps(
    resources: Path, logic, dialogs: Dialogs, views: SliceViews, window, installer: Installer | None = None
) -> Generator[None, None, Panel]:
    """`segment_panel` in the steps of a `LateTab`: its form, the packages, its parts."""
    ui = load_form(resources / "UI" / "FluoroSAMSegment.ui")
    yield
    settings = Settings()
    status = StatusLine(ui, lambda: context.jobs.cancel())
    context = Context(logic, status, dialogs)
    installer = installer or Installer(Requirements(resources / "requirements.txt"))
    install = InstallBox(ui, installer, dialogs, lambda: panel.onInstalled())
    context.ready = install.check()
    yield
    background, files = BackgroundJobs(work(logic.compute)), BackgroundJobs(do)

    def parts(panel: Panel) -> None:
        panel.views = views
        panel.jobs = Jobs(
            context,
            background,
            files,
            panel.onSegment,
            lambda: panel.image.describe(),
            lambda model: panel.model.installed(model),
            lambda request: panel.run.arrived(request),
            lambda request, result: panel.run.done(request, result),
            panel.later,
        )
        panel.prompting = Prompting(context, BoxOutline(logic.scene), panel.later, panel.onChosen)
        panel.install = install
        sample = resources / "SampleData" / "chest_drr.dcm"
        panel.image = ImageSection(ui, context, views, settings, sample, panel.onImage)
        panel.text = TextSection(
            ui,
            # The vocabulary is searched with one of the packages that may be missing.
            lambda prefix, limit: complete(prefix, limit) if context.ready else [],
            lambda text: logic.alternatives(text) if context.ready else [],
            PRESETS,
            settings,
            panel.onAsk,
            dialogs.confirm,
        )
        panel.table = SegmentTable(ui, panel.onChosen, panel.onShown, panel.onRenamed)
        panel.details = SegmentDetails(
            ui, panel.prompting.candidate, panel.prompting.threshold, panel.onColor, panel.onFill
        )
        panel.run = RunSection(ui, context)
        panel.export = ExportSection(ui, context, settings, _dicom_file)
        panel.model = ModelSection(ui, context, settings, panel.onModel)
        panel.tool = SliceTool(
            views,
            logic.scene.GetFirstNodeByClass("vtkMRMLInteractionNode"),
            lambda volume, ras: logic.isInside(volume, *logic.pixelFromRas(volume, ras)),
            panel.prompting.points.positions,
            panel.prompting.click,
            panel.prompting.drawBox,
            panel.prompting.box,
        )
        actions = {
            "newSegment": panel.prompting.newSegment,
            "startFromMask": panel.prompting.startFromMask,
            "clearClicks": panel.prompting.clearClicks,
            "undo": panel.prompting.undo,
            "redo": panel.prompting.redo,
            "removeSegment": panel.prompting.remove,
            "candidate": lambda: panel.prompting.candidate(1),
            "nextDoubt": panel.run.nextDoubt,
            "previous": lambda: panel.table.step(-1),
            "next": lambda: panel.table.step(1),
        }
        panel.clicks = ClickSection(ui, panel.onTool, actions, window, resources / "Icons")

    panel = Panel(ui, context, parts)
    return panel


def _dicom_file(uid: str) -> str:
    """The file of an instance in Slicer's DICOM database; "" where there is none."""
    database = getattr(slicer, "dicomDatabase", None)
    return database.fileForInstance(uid) if database is not None else ""

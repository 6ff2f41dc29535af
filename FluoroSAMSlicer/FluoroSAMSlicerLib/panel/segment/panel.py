"""The Segment tab: its parts put together, and in step with the scene."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
from slicer.i18n import tr as _

from ...mrml.segment import appearance
from ..binding import Held, connect
from ..observations import Observations
from .click_section import ClickSection
from .context import Context
from .details import SegmentDetails
from .export_section import ExportSection
from .file_job import FileJob, warm_up
from .image_section import ImageSection
from .install_box import InstallBox
from .jobs import Jobs
from .model_section import ModelSection
from .prompting import Prompting
from .run_section import RunSection
from .slice_tool import OFF, SliceTool
from .slice_views import SliceViews
from .table import SegmentTable
from .text_section import TextSection

REFRESH_MS = 30


class Panel:
    """What the user sees of one image and its segments.

    ``parts(panel)`` makes the sections; everything that they need from outside comes with them, so that
    a test gives them stand-ins. The scene is the state: the panel reads it anew after every change.
    """

    image: ImageSection
    text: TextSection
    clicks: ClickSection
    table: SegmentTable
    details: SegmentDetails
    export: ExportSection
    run: RunSection
    model: ModelSection
    install: InstallBox
    prompting: Prompting
    jobs: Jobs
    tool: SliceTool
    views: SliceViews

    def __init__(self, ui, context: Context, parts: Callable[[Panel], None]) -> None:
        self.ui, self.context = ui, context
        self._parameters = None
        self._entered = self._warm = False
        self._restoring = Held()
        self._sceneObservations, self._segmentObservations = Observations(), Observations()
        self._refresh = qt.QTimer()
        self._refresh.setSingleShot(True)
        self._refresh.setInterval(REFRESH_MS)
        connect(self._refresh, "timeout()", self.refresh)
        parts(self)
        context.jobs = self.jobs
        scene, kind = context.logic.scene, slicer.vtkMRMLScene
        self._sceneObservations.add(scene, [kind.NodeRemovedEvent], self._onNodeRemoved)
        connect(ui.partsCheckBox, "toggled(bool)", lambda _on: self.remember())
        connect(ui.textEdit, "editingFinished()", self.remember)
        self.views.onLayoutChanged(self.tool.refresh)
        self.refresh()

    def enter(self) -> None:
        """The module was opened."""
        self._entered = True
        self.clicks.enableKeys(True)
        self.image.suggest()
        self.refresh()
        if self.context.ready and not self._warm:
            self._warm = True
            self.jobs.submitFile(FileJob("", warm_up, lambda _nothing: None), quiet=True)

    def exit(self) -> None:
        """The user went to another module: the mouse and the keys are theirs again."""
        self._entered = False
        self.clicks.use(OFF)
        self.clicks.enableKeys(False)

    def cleanup(self) -> None:
        """The widget goes away."""
        self.exit()
        self._refresh.stop()
        self.jobs.close()
        self._sceneObservations.clear()
        self._segmentObservations.clear()
        self.prompting.stop()
        self.tool.stop()
        self.views.stop()
        self.text.close()
        self.clicks.close()
        self.image.close()

    def setParameters(self, parameters) -> None:
        """Keep the panel's state in this parameter node, and take over what it says; None: the scene closes."""
        self._parameters = parameters
        if parameters is None:
            self.jobs.abandon()
            self.context.segment = None
            self.clicks.use(OFF)
            self.image.choose(None, show=False)
            self.context.status.clear()
            return
        with self._restoring:
            self.context.segment = parameters.segment or None
            self.ui.partsCheckBox.setChecked(parameters.groupParts)
            self.text.setText(parameters.text)
            if parameters.image is not None or self.context.volume is not None:
                self.image.choose(parameters.image, show=False)
        self.refresh()
        self.prompting.follow()

    def remember(self) -> None:
        """Write the panel's state into the scene."""
        if self._parameters is None or self._restoring:
            return
        with slicer.util.NodeModify(self._parameters.parameterNode):
            self._parameters.image = self.context.volume
            self._parameters.text = self.text.text
            self._parameters.segment = self.context.segment or ""
            self._parameters.groupParts = self.ui.partsCheckBox.checked

    def onImage(self) -> None:
        """Another image, or another frame of it."""
        self.clicks.use(OFF)
        self.refresh()
        self.prompting.follow()
        self.remember()

    def onInstalled(self) -> None:
        self.context.ready = self.install.check()
        self.image.prepare()
        self.refresh()

    def onModel(self) -> None:
        self.jobs.cancel()
        self.image.prepare()

    def onTool(self, tool: str) -> None:
        if tool != OFF and self.context.volume is not None:
            self.image.bringIntoView()
        self.tool.use(tool if self._entered or tool == OFF else OFF, self.context.volume)

    def onAsk(self, text: str) -> None:
        self.prompting.ask(text, self.ui.partsCheckBox.checked)
        self.remember()

    def onChosen(self, segmentId: str | None) -> None:
        """The user, or a click into the void, chose another segment."""
        self.context.segment = segmentId
        self.prompting.follow()
        self.refresh()
        self.remember()

    def onSegment(self, segmentId: str) -> None:
        """A mask has arrived."""
        if self.context.segment is None:
            self.onChosen(segmentId)
        self.later()

    def onShown(self, segmentId: str, shown: bool) -> None:
        display = self._segmentation().GetDisplayNode()
        display.SetSegmentVisibility(segmentId, shown)

    def onRenamed(self, segmentId: str, name: str) -> None:
        segment = self._segmentation().GetSegmentation().GetSegment(segmentId)
        if name and segment is not None:
            segment.SetName(name)
        self.later()

    def onColor(self, color: tuple[float, float, float]) -> None:
        segment = self._segmentation().GetSegmentation().GetSegment(self.context.segment)
        if segment is not None:
            segment.SetColor(*color)
        self.later()

    def onFill(self, opacity: float) -> None:
        segmentation = self._segmentation()
        if segmentation is not None:
            appearance.set_fill(segmentation.GetDisplayNode(), opacity)

    def later(self, *_) -> None:
        """Refresh soon, once for many changes."""
        self._refresh.start()

    def refresh(self) -> None:
        """Show what the scene holds now."""
        self._refresh.stop()
        context = self.context
        volume, states = context.volume, []
        if volume is not None:
            states = context.attempt(context.logic.segments, volume) or []
        ids = [state.id for state in states]
        if context.segment is not None and context.segment not in ids:
            context.segment = None
            self.prompting.follow()
        segmentation = self._segmentation() if states else None
        self._observe(segmentation)
        display = segmentation.GetDisplayNode() if segmentation is not None else None
        shown = [display is not None and bool(display.GetSegmentVisibility(one)) for one in ids]
        self.table.fill(states, shown, context.segment)
        self.details.show(next((state for state in states if state.id == context.segment), None))
        self.details.showFill(appearance.fill_of(display) if display is not None else None)
        if display is not None:
            appearance.emphasize(display, states, context.segment)
        context.status.hint(self._whatNext(states))
        usable = volume is not None and context.ready
        self.text.setEnabled(usable)
        self.clicks.refresh(
            usable,
            usable and context.segment is not None,
            usable and context.logic.canUndo(volume),
            usable and context.logic.canRedo(volume),
        )
        self.export.refresh()
        self.run.refresh(bool(states))

    def _whatNext(self, states: list) -> str:
        if not self.context.ready:
            return _("First install what is missing, by the button at the top.")
        if self.context.volume is None:
            return _("Load a radiograph, or try the sample.")
        if not states:
            return _("Type names above and press Enter.")
        return _("Mend with Inside and Outside, then export.")

    def _segmentation(self):
        return self.context.logic.segmentationFor(self.context.volume, create=False)

    def _observe(self, segmentation) -> None:
        self._segmentObservations.clear()
        if segmentation is None:
            return
        kind = slicer.vtkSegmentation
        events = [kind.SegmentAdded, kind.SegmentRemoved, kind.SegmentModified, kind.RepresentationModified]
        self._segmentObservations.add(segmentation, events, self.later)
        display = segmentation.GetDisplayNode()
        if display is not None:
            self._segmentObservations.add(display, ["ModifiedEvent"], self.later)

    def _onNodeRemoved(self, *_) -> None:
        volume = self.context.volume
        if volume is not None and volume.GetScene() is None:
            self.context.segment = None
            self.image.choose(None, show=False)
        elif volume is not None and not self.context.logic.scene.IsBatchProcessing():
            self.later()

"""The Synthesize tab: its parts put together, and in step with the scene."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import qt
import slicer
import slicer.util
from slicer.i18n import tr as _

from ...mrml.synthesize.c_arm import CArm
from ...mrml.synthesize.labels import OF_CT, told
from ...mrml.synthesize.view import ViewSettings
from ..binding import Held, connect
from ..observations import Observations
from .big_views import BigViews
from .context import Context, explained
from .dice_section import DiceSection
from .install_box import InstallBox
from .jobs import Jobs
from .names_section import NamesSection
from .patient_section import PatientSection
from .picture import show_picture
from .set_section import SetSection
from .view_section import ViewSection

PREVIEW_PX, PREVIEW_SLOT, REMEMBER_MS = 256, "preview", 300
DRAW_MS, DRAW_S = 50, 0.03


class Panel:
    """``parts(panel)`` makes the sections; everything that they need from outside comes with them, so that a test
    gives them stand-ins."""

    patient: PatientSection
    names: NamesSection
    view: ViewSection
    dice: DiceSection
    set: SetSection
    jobs: Jobs
    install: InstallBox

    def __init__(self, ui, context: Context, views: BigViews, parts: Callable[[Panel], None]) -> None:
        self.ui, self.context, self.views = ui, context, views
        self.cArm = CArm(context.logic.scene)
        self._parameters = None
        self._entered = False
        self._restoring, self._moving = Held(), Held()
        self._sceneObservations, self._handleObservations = Observations(), Observations()
        self._watched = None
        self._remember = qt.QTimer()
        self._remember.setSingleShot(True)
        self._remember.setInterval(REMEMBER_MS)
        connect(self._remember, "timeout()", self.remember)
        self._answers: list = []
        self._drawing = qt.QTimer()
        self._drawing.setInterval(DRAW_MS)
        connect(self._drawing, "timeout()", self._drawAnswers)
        context.view = ViewSettings()
        connect(ui.setButton, "clicked()", self.showSet)
        parts(self)
        context.jobs = self.jobs
        self.view.show(context.view)
        self._sceneObservations.add(
            context.logic.scene, [slicer.vtkMRMLScene.NodeRemovedEvent], self._onNodeRemoved
        )
        self.refresh()

    @property
    def busy(self) -> bool:
        """Whether something is under way, other than the writing of a set."""
        return self.jobs.busy or self.names.busy or bool(self._answers)

    def enter(self) -> None:
        """The tab is looked at."""
        self._entered = True
        self.patient.suggest()
        self.names.listModels()
        self._draw()
        self.refresh()

    def exit(self) -> None:
        """The user is elsewhere."""
        self._entered = False
        self.cArm.hide()

    def cleanup(self) -> None:
        """The widget goes away."""
        self._entered = False
        self._remember.stop()
        self._forgetAnswers()
        self.jobs.close()
        self.names.close()
        self.set.close()
        self.patient.close()
        self._sceneObservations.clear()
        self._handleObservations.clear()
        self.cArm.remove()

    def setParameters(self, parameters) -> None:
        """Keep the tab's state in this parameter node, and take over what it says; None: the scene closes."""
        self._parameters = parameters
        self._remember.stop()
        if parameters is None:
            self.jobs.abandon()
            self.names.stop()
            self._forgetAnswers()
            self.set.stop()
            self._handleObservations.clear()
            self._watched = None
            self.views.forget()
            with self._restoring:
                self.context.image = None
                self.patient.choose(None, None)
                self.names.chooseRegion(None)
                self.dice.fill(())
                self.context.status.clear()
            self.refresh()
            return
        with self._restoring:
            kept = _loaded(parameters.drrView)
            self.context.view = ViewSettings.from_json(kept) if kept else ViewSettings()
            self.view.show(self.context.view)
            self.set.form.show(_loaded(parameters.drrSet))
            self.context.image = parameters.drrImage
            self.names.chooseRegion(parameters.drrRegion)
            self.patient.choose(parameters.drrCT, parameters.drrLabels, _loaded(parameters.drrLeftOut) or ())
        self._draw()
        self.refresh()

    def remember(self) -> None:
        """Write the state into the scene."""
        self._remember.stop()
        parameters, context = self._parameters, self.context
        if parameters is None or self._restoring:
            return
        with slicer.util.NodeModify(parameters.parameterNode):
            parameters.drrCT = context.ct
            parameters.drrLabels = context.labels
            parameters.drrImage = context.image
            parameters.drrRegion = self.names.region
            parameters.drrView = json.dumps(context.view.to_json())
            parameters.drrSet = json.dumps(self.set.form.content())
            parameters.drrLeftOut = json.dumps(self.patient.leftOut)

    def rememberSoon(self) -> None:
        if not self._restoring:
            self._remember.start()

    def onPatient(self, new: bool) -> None:
        """Another CT (``new``), or the same holds something else."""
        if new and self.context.ct is not None and not self._restoring:
            self.centre()
        else:
            self.preview()
        self._draw()
        self.names.changed()
        self.onLabels()

    def onLabels(self) -> None:
        """Other structures, or others of them are ticked."""
        self.refresh()
        self.rememberSoon()

    def onView(self, view: ViewSettings, settled: bool = True) -> None:
        """The C-arm stands elsewhere; not ``settled`` while something is dragged."""
        self.context.view = view
        self.views.leaveImage()
        self._draw(moving=not settled)
        self.preview()
        if settled:
            self.rememberSoon()

    def centre(self) -> None:
        """Put the isocentre into the middle of the structures, or of the CT."""
        context = self.context
        view = context.attempt(context.logic.centred, context.view, context.ct, context.labels)
        if view is not None:
            self.view.show(view)
            self.onView(view)

    def preview(self) -> None:
        """Show the view, small, as soon as can be."""
        context = self.context
        if context.ct is None or not context.ready:
            self.jobs.drop(PREVIEW_SLOT)
            self._showPreview(None, "")
            return
        try:
            self.jobs.submit(context.logic.previewRequest(context.ct, context.view))
        except Exception as error:
            self.jobs.drop(PREVIEW_SLOT)
            context.warnOfView(explained(error))

    def render(self) -> None:
        context = self.context
        context.status.clear()
        request = context.attempt(
            context.logic.renderRequest, context.ct, context.labels, context.view, context.segments
        )
        if request is not None:
            self.jobs.submit(request)

    def check(self) -> None:
        """Have the model find every structure of the image."""
        context = self.context
        context.status.clear()
        request = context.attempt(context.logic.checkRequest, context.image)
        if request is not None:
            self.jobs.submit(request)

    def onPreview(self, preview, _node) -> None:
        if self.context.ct is not None:
            self._showPreview(preview.grey, preview.note)

    def onRendered(self, rendered, volume) -> None:
        """An image is in the scene."""
        if volume is None:
            return
        self.context.image = volume
        show_picture(self.ui.previewLabel, (255 * rendered.pixels).astype("uint8"), PREVIEW_PX)
        self.dice.fill(())
        told = _("{name}: {count} masks, {seconds:.1f} s.").format(
            name=volume.GetName(), count=len(rendered.masks), seconds=rendered.seconds
        )
        self.context.status.say(" ".join((told, *rendered.notes)))
        if self._entered:
            self.views.showImage(volume)
        self.refresh()
        self.remember()

    def onLabelled(self, result, node) -> None:
        """Structures of the CT were found, and are in the scene."""
        if node is None:
            return
        if self.context.ct is node.GetNodeReference(OF_CT):
            self.patient.choose(self.context.ct, node, self.patient.leftOut)
        self.context.status.say(told(result))
        self.remember()

    def onChecked(self, result, _node) -> None:
        """The model has answered; its masks come into the scene a few at a time, so that nobody waits for them."""
        self.dice.fill(result.rows)
        self._answers = list(result.answers)
        self._drawing.start()

    def _drawAnswers(self) -> None:
        end = time.monotonic() + DRAW_S
        with slicer.util.RenderBlocker(), self.context.logic.together(self._answers):
            while self._answers and time.monotonic() < end:
                self.context.attempt(self.context.logic.applyAnswer, self._answers.pop(0))
        if not self._answers:
            self._drawing.stop()

    def _forgetAnswers(self) -> None:
        self._answers = []
        self._drawing.stop()

    def onSamples(self, samples, _node) -> None:
        self.set.showSamples(samples)

    def onInstalled(self) -> None:
        """What was missing is there now."""
        self.context.ready = True
        self.preview()
        self.refresh()

    def onShown(self, _visible: bool) -> None:
        self._draw()

    def showSet(self) -> None:
        """Open the form of a training set, and bring it into view."""
        ui = self.ui
        ui.setSectionButton.setProperty("collapsed", False)
        # It has its height when the layout was done anew.
        qt.QTimer.singleShot(0, lambda: ui.scrollArea.ensureWidgetVisible(ui.generateButton))

    def _whatNext(self) -> str:
        if not self.context.ready:
            return _("First install what is missing, by the button at the top.")
        if self.context.ct is None:
            return _("Choose a CT and its structures.")
        if self.context.image is None:
            return _("Turn the C-arm, then press Render.")
        if self.ui.diceTable.rowCount:
            return _("Open the image to see its masks, or turn the C-arm.")
        return _("Press Dice, or open the image.")

    def refresh(self) -> None:
        """Enable what can be done now."""
        self.context.status.hint(self._whatNext())
        there = self.context.ct is not None and self.context.ready
        self.ui.renderButton.setEnabled(there)
        self.ui.centreButton.setEnabled(there)
        self.dice.refresh()
        self.set.refresh()
        self.names.refresh()

    def _showPreview(self, grey, note: str) -> None:
        show_picture(self.ui.previewLabel, grey, PREVIEW_PX)
        self.ui.previewLabel.setToolTip(note)
        if note:
            self.context.warnOfView(note)
        else:
            self.context.viewIsFine()

    def _draw(self, moving: bool = False) -> None:
        """Let the C-arm in the 3-D views follow."""
        wanted = self._entered and self.context.ct is not None and self.ui.cArmCheckBox.checked
        with self._moving:
            if not wanted:
                self.cArm.hide()
                return
            self.context.attempt(self.cArm.show, self.context.view, moving)
        handles = self.cArm.handles
        if handles is not None:
            self.views.bringCArmIntoView()
        if handles is not None and handles is not self._watched:
            self._handleObservations.clear()
            self._watched = handles
            events = slicer.vtkMRMLMarkupsNode
            self._handleObservations.add(handles, [events.PointModifiedEvent], self._onHandle)
            self._handleObservations.add(handles, [events.PointEndInteractionEvent], self._onHandleLeft)

    def _onHandle(self, *_) -> None:
        if self._moving:
            return
        view = self.context.attempt(self.cArm.dragged, self.context.view)
        if view is not None and view != self.context.view:
            self.view.show(view)
            self.onView(view, settled=False)

    def _onHandleLeft(self, *_) -> None:
        self._draw()
        self.rememberSoon()

    def _onNodeRemoved(self, *_) -> None:
        context = self.context
        if context.image is not None and context.image.GetScene() is None:
            context.image = None
            self.dice.fill(())
            self.refresh()


def _loaded(text: str):
    """What a JSON parameter holds; {} where it holds nothing that can be read."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return {}

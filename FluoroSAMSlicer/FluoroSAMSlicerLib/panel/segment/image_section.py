"""The image that is worked on: choosing it, loading it, preparing it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..binding import Held, connect
from ..observations import Observations
from ..settings import Settings
from .context import Context
from .file_drop import FileDrop
from .file_job import FileJob
from .slice_views import SliceViews

SETTLE_MS = 250
FILES = "*.dcm *.dicom *.png *.jpg *.jpeg *.tif *.tiff *.nrrd *.nhdr *.mha *.mhd *.nii *.nii.gz"


class ImageSection:
    """``onImage()`` is called when another image, or another frame of it, is worked on."""

    def __init__(
        self,
        ui,
        context: Context,
        views: SliceViews,
        settings: Settings,
        sample: Path,
        onImage: Callable[[], None],
    ) -> None:
        self._ui, self._context, self._views, self._settings = ui, context, views, settings
        self._sample, self._onImage = sample, onImage
        self._held, self._observations = Held(), Observations()
        self._frame: int | None = None
        self._settle = qt.QTimer()
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        connect(self._settle, "timeout()", self._onPixels)
        ui.takeSliceButton.setVisible(False)
        ui.imageInfoLabel.setVisible(False)
        ui.imageSelector.setMRMLScene(context.logic.scene)
        ui.oneViewCheckBox.setChecked(settings.flag("oneView", True))
        connect(ui.imageSelector, "currentNodeChanged(vtkMRMLNode*)", self._onSelected)
        connect(ui.loadImageButton, "clicked()", self._onLoad)
        connect(ui.sampleButton, "clicked()", lambda: self.load(self._sample))
        connect(ui.takeSliceButton, "clicked()", self._onTakeSlice)
        connect(ui.oneViewCheckBox, "toggled(bool)", self._onOneView)
        self._drop = FileDrop(ui.root, self.load)

    def close(self) -> None:
        self._settle.stop()
        self._observations.clear()
        self._drop.close()

    def load(self, path: Path) -> None:
        """Read a file in the background, and then work on it."""
        context = self._context
        context.status.clear()
        title = _("Loading {name}").format(name=Path(path).name)
        read = partial(context.logic.readImage, path)
        context.jobs.submitFile(FileJob(title, read, partial(self._onRead, path)))

    def _onRead(self, path: Path, radiograph) -> None:
        node = self._context.attempt(self._context.logic.addImage, radiograph, path)
        if node is not None:
            self._settings.set("imageFolder", str(Path(path).parent))
            self._ui.imageSelector.setCurrentNode(node)

    def choose(self, node, show: bool = True) -> None:
        """Work on this image; ``show`` False leaves the views as they are (a scene was loaded)."""
        if self._ui.imageSelector.currentNode() is not node:
            with self._held:
                self._ui.imageSelector.setCurrentNode(node)
        context = self._context
        self._observations.clear()
        context.volume = None
        self._ui.takeSliceButton.setVisible(False)
        usable = node is not None and self._usable(node)
        if usable:
            context.volume = node
            self._frame = context.logic.frameOf(node)
            self._observations.add(node, [slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent], self._onModified)
            context.logic.showFrame(node)
            context.status.clear()
        if node is not None and show:
            self._views.show(node, usable and self._ui.oneViewCheckBox.checked)
        self.prepare()
        self._onImage()

    def bringIntoView(self) -> None:
        """Show the image if no view does."""
        volume = self._context.volume
        if not any(True for _widget in self._views.showing(volume)):
            self._views.show(volume, self._ui.oneViewCheckBox.checked)

    def suggest(self) -> None:
        """Work on the only image of the scene, if none is chosen."""
        scene = self._context.logic.scene
        kind = "vtkMRMLScalarVolumeNode"
        if self._ui.imageSelector.currentNode() is None and scene.GetNumberOfNodesByClass(kind) == 1:
            node = scene.GetFirstNodeByClass(kind)
            if node.GetImageData() is not None and node.GetImageData().GetDimensions()[2] == 1:
                self.choose(node, show=False)

    def prepare(self) -> None:
        """Start the slow part of segmenting, so that the first name is answered sooner."""
        context = self._context
        if context.volume is not None and context.ready and not context.logic.isEncoded(context.volume):
            context.submit(context.attempt(context.logic.encodeRequest, context.volume))
        self.describe()

    def describe(self) -> None:
        """Say of the image what a user has to know about its pixels."""
        volume = self._context.volume
        self._ui.imageInfoLabel.setVisible(volume is not None)
        if volume is None:
            return
        width, height, _slices = volume.GetImageData().GetDimensions()
        text = _("{width} \N{MULTIPLICATION SIGN} {height}").format(width=width, height=height)
        across, down = volume.GetSpacing()[:2]
        source = volume.GetAttribute("FluoroSAM.spacingSource")
        if source == "unknown" or (source is None and across == down == 1.0):
            text += _(", pixel size unknown")
        elif abs(across - down) < 1e-6 * across:
            text += _(", {size:.3g} mm").format(size=across)
        else:
            text += _(", {across:.3g} \N{MULTIPLICATION SIGN} {down:.3g} mm").format(across=across, down=down)
        if source == "ImagerPixelSpacing":
            text += _(" at the detector")
        text += _(" \N{EN DASH} ready") if self._context.logic.isEncoded(volume) else ""
        self._ui.imageInfoLabel.setText(text)
        self._ui.imageInfoLabel.setToolTip(text)

    def _usable(self, node) -> bool:
        from ...mrml.errors import SceneError

        try:
            self._context.logic.checkVolume(node)
        except SceneError as error:
            self._context.status.warn(str(error))
            self._ui.takeSliceButton.setVisible(hasattr(error, "slices"))
            return False
        return True

    def _onSelected(self, node) -> None:
        if not self._held:
            self.choose(node)

    def _onLoad(self) -> None:
        path = self._context.dialogs.openFile(
            _("Load a radiograph"),
            _("X-ray images") + f" ({FILES});;" + _("All files") + " (*)",
            self._settings.text("imageFolder"),
        )
        if path is not None:
            self.load(path)

    def _onTakeSlice(self) -> None:
        stack = self._ui.imageSelector.currentNode()
        if stack is None:
            return
        node = self._context.attempt(self._context.logic.sliceVolume, stack, self._views.sliceShown(stack))
        if node is not None:
            self._ui.imageSelector.setCurrentNode(node)

    def _onOneView(self, alone: bool) -> None:
        self._settings.set("oneView", alone)
        if alone and self._context.volume is not None:
            self._views.show(self._context.volume, True)

    def _onModified(self, *_) -> None:
        # Window and level, a filter's steps, and a playing sequence come in bursts.
        self._settle.start()

    def _onPixels(self) -> None:
        """The image has other pixels: another frame, or the output of a filter."""
        context = self._context
        if context.volume is None or context.volume.GetScene() is None:
            return
        frame = context.attempt(context.logic.frameOf, context.volume)
        moved, self._frame = frame != self._frame, frame
        if moved:
            context.attempt(context.logic.showFrame, context.volume)
        self.prepare()
        if moved:
            self._onImage()

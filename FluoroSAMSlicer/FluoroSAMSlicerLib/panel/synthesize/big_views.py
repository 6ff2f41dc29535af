"""Slicer's views as the Synthesize tab uses them: the C-arm in 3-D, a rendered image large in a slice view."""

from __future__ import annotations


class BigViews:
    """``slices`` shows and restores what the slice views hold, as the Segment tab's SliceViews; ``layoutManager`` is
    None where Slicer runs without a main window."""

    def __init__(self, layoutManager, slices) -> None:
        self._layoutManager, self._slices = layoutManager, slices
        self._seen = False

    def bringCArmIntoView(self) -> None:
        """Move the cameras of the 3-D views so that all is seen that is drawn; once, until `forget`.

        Slicer's camera looks at a few centimetres, a C-arm is more than a metre long.
        """
        if self._seen or self._layoutManager is None:
            return
        for number in range(self._layoutManager.threeDViewCount):
            view = self._layoutManager.threeDWidget(number).threeDView()
            view.resetFocalPoint()
            view.resetCamera()
            self._seen = True

    def forget(self) -> None:
        """Another scene: its cameras are others."""
        self._seen = False

    def showImage(self, volume) -> None:
        """Show a rendered image in one large view, until `leaveImage`."""
        if self._slices is not None:
            self._slices.show(volume, True)

    def leaveImage(self) -> None:
        """Show again what the views held before."""
        if self._slices is not None:
            self._slices.restore()

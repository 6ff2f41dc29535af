"""What is known of the images that were asked about last: their pixels' key, their embedding."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..nodes.image_state import ImageState, frame_of
from ..nodes.references import weak

IMAGES_KEPT = 8


class Images:
    """The states of the last images, and of the frames of a sequence apart."""

    def __init__(self) -> None:
        self._states: OrderedDict[tuple, tuple[Any, ImageState]] = OrderedDict()

    def release(self) -> None:
        """Forget all images with their embeddings."""
        self._states.clear()

    def held(self, volume) -> ImageState | None:
        """What is known of the image, if it is still the same."""
        kept = self._states.get((volume.GetID(), frame_of(volume)))
        if kept is None or kept[0].Get() is not volume or not kept[1].unchanged(volume):
            return None
        return kept[1]

    def of(self, volume) -> ImageState:
        """What is known of the image, or nothing yet of the image as it is now."""
        place = (volume.GetID(), frame_of(volume))
        state = self.held(volume) or ImageState.of(volume)
        self._states[place] = weak(volume), state
        self._states.move_to_end(place)
        while len(self._states) > IMAGES_KEPT:
            self._states.popitem(last=False)
        return state

"""What is known of the images that were asked about last: their pixels' key, their embedding."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from ..nodes.image_state import ImageState, frame_of, signature
from ..nodes.references import weak
from ..nodes.volumes import take_pixels

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

    def loaded(self, volume, pixels: np.ndarray) -> None:
        """``volume`` was made of these pixels, (H, W) float32, just now: nobody has to copy them out of it again."""
        self._keep(volume, ImageState(signature(volume), take_pixels(volume, plane=pixels)))

    def of(self, volume) -> ImageState:
        """What is known of the image, or nothing yet of the image as it is now."""
        state = self.held(volume) or ImageState.of(volume)
        self._keep(volume, state)
        return state

    def _keep(self, volume, state: ImageState) -> None:
        place = (volume.GetID(), frame_of(volume))
        self._states[place] = weak(volume), state
        self._states.move_to_end(place)
        while len(self._states) > IMAGES_KEPT:
            self._states.popitem(last=False)

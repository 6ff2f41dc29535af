"""What the model sees in one image, made once and asked many times."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from torch import Tensor

from ..model import InputFrame, PyramidFeatures


@dataclass(frozen=True, eq=False)
class ImageEmbedding:
    """An encoded image; give it back to the predictor that made it.

    ``key`` is the SHA-256 of the image's size and pixels, ``frame`` says where the image lies in the
    network's input, ``features`` (1, C, E, E) float32 are the network's, with the fine maps of one that has them.
    ``model`` and ``model_version`` name the weights. ``pixels`` (H, W) are there for a model that looks closer, else
    None.
    """

    key: str
    frame: InputFrame
    features: Tensor | PyramidFeatures
    model: str
    model_version: str
    pixels: np.ndarray | None = None

    @property
    def cells(self) -> int:
        """The embedding's side E: low-resolution logits are 8 E wide."""
        coarse = self.features.coarse if isinstance(self.features, PyramidFeatures) else self.features
        return coarse.shape[-1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in its own pixels."""
        return self.frame.height, self.frame.width


def one_by_one(features: Tensor | PyramidFeatures) -> list[Tensor | PyramidFeatures]:
    """The features of B images, each with a batch axis of one."""
    if isinstance(features, PyramidFeatures):
        return [features.image(number) for number in range(len(features.coarse))]
    return list(features.split(1))


def image_key(pixels: np.ndarray) -> str:
    """The same for equal images of equal size, whatever object holds them."""
    digest = hashlib.sha256(repr((pixels.shape, pixels.dtype.str)).encode())
    digest.update(np.ascontiguousarray(pixels))
    return digest.hexdigest()


class Keyed(Protocol):
    """What an image's key finds again."""

    @property
    def key(self) -> str: ...


Held = TypeVar("Held", bound=Keyed)


class ImageCache(Generic[Held]):
    """What was made of images: the most recently used ``capacity`` of it."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._held: OrderedDict[str, Held] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: str) -> Held | None:
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, made: Held) -> None:
        self._held[made.key] = made
        while len(self._held) > self.capacity:
            self._held.popitem(last=False)

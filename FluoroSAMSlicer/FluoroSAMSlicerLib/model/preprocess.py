"""From a radiograph's pixels to the network's input frame, and from its logits back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .config import FluoroSAMConfig
from .errors import ModelError
from .windowing import window


@dataclass(frozen=True)
class InputFrame:
    """Where an image of ``height`` x ``width`` pixels lies in the square input of ``size`` pixels.

    The image fills the upper left ``input_height`` x ``input_width`` pixels, the rest is padding; ``scale``
    is input pixels per image pixel.
    """

    scale: float
    height: int
    width: int
    input_height: int
    input_width: int
    size: int

    @classmethod
    def of(cls, height: int, width: int, size: int) -> InputFrame:
        """The longest side becomes ``size``; the other keeps the aspect, rounded half to even."""
        if height < 1 or width < 1:
            raise ModelError(f"an image of {height} x {width} pixels is empty")
        scale = size / max(height, width)
        return cls(scale, height, width, max(1, round(height * scale)), max(1, round(width * scale)), size)

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """Image coordinates (..., 2) as (x, y), or boxes (..., 4), in pixels of the input frame, float32."""
        return (np.asarray(points, dtype=np.float64) * self.scale).astype(np.float32)

    def restore(self, low_res: Tensor) -> Tensor:
        """Decoder logits (B, M, h, h) as logits (B, M, H, W) of the image's own pixels, padding removed.

        Two bilinear steps, to the input frame and from there to the image, as the published model does.
        """
        whole = F.interpolate(low_res.float(), (self.size, self.size), mode="bilinear", align_corners=False)
        image = whole[..., : self.input_height, : self.input_width]
        if image.shape[-2:] == (self.height, self.width):
            return image
        return F.interpolate(image, (self.height, self.width), mode="bilinear", align_corners=False)


def pixel_values(image: np.ndarray, config: FluoroSAMConfig) -> tuple[Tensor, InputFrame]:
    """A radiograph (H, W) in [0, 1], bone bright, as network input (1, 3, S, S) float32.

    The network sees bone dark, as a detector does, so the image is inverted here. Raises
    :class:`ModelError` for an image that is empty, not two-dimensional or not finite.
    """
    return network_input(np.float32(1.0) - np.asarray(image, dtype=np.float32), config)


def network_input(image: np.ndarray, config: FluoroSAMConfig) -> tuple[Tensor, InputFrame]:
    """An image (H, W) of any scale, bone dark, as network input (1, 3, S, S); see :func:`pixel_values`.

    With ``config.resize_antialias`` the image is shrunk with antialiasing and then windowed, otherwise
    windowed at its own resolution and then shrunk by plain bilinear sampling.
    """
    image = np.asarray(image, dtype=np.float32)
    if image.ndim != 2:
        raise ModelError(f"an image of shape {image.shape} cannot be used: a (height, width) image is needed")
    height, width = image.shape
    frame = InputFrame.of(height, width, config.image_size)
    if config.resize_antialias:
        image = resize(torch.from_numpy(image)[None], frame, antialias=True)[0].numpy()
        channels = torch.from_numpy(window(image))
    else:
        channels = resize(torch.from_numpy(window(image)), frame, antialias=False)
    padding = (0, frame.size - frame.input_width, 0, frame.size - frame.input_height)
    return F.pad((channels - 0.5) / 0.5, padding)[None], frame


def resize(channels: Tensor, frame: InputFrame, antialias: bool) -> Tensor:
    """Channels (C, H, W) at the frame's input size (C, h, w), bilinear, pixel centres aligned."""
    size = (frame.input_height, frame.input_width)
    if tuple(channels.shape[-2:]) == size:
        return channels
    return F.interpolate(channels[None], size, mode="bilinear", align_corners=False, antialias=antialias)[0]

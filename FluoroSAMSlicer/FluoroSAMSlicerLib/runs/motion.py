"""Where what one frame shows lies in the next: a shift of the whole, and how each part strays from it.

Both are scikit-image's, on small copies of the frames: phase correlation (Guizar-Sicairos et al. 2008) and the
iterative Lucas-Kanade flow (Le Besnerais and Champagnat 2005).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .errors import RunError

SIDE = 96
"""Longer side of the copies. Motion is smooth; finer copies cost time and find noise."""

UPSAMPLED = 4
"""The shift is found to a fourth of a small pixel."""

RADIUS, WARPS = 5, 2
"""Window (small pixels) and steps of the flow. More of either changed the flow of shifted noise by less than 0.01."""

GAIN = 0.98
"""A shift or flow has to bring the frames nearer than this share of the difference without it, or is not believed."""


@dataclass(frozen=True, eq=False)
class Motion:
    """From a frame of ``size`` (H, W) to another: ``flow`` (2, h, w) are the (x, y) pixels of the image that what
    lies in a pixel of the second frame's small copy came from, less its own place. ``likeness`` is the correlation
    of the frames once the shift of the whole is taken back, 1 for equal ones; a flow would bend any picture into
    another."""

    size: tuple[int, int]
    flow: np.ndarray
    likeness: float
    _grids: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def none(cls, size: tuple[int, int]) -> Motion:
        """From a frame of ``size`` (H, W) to itself."""
        return cls(size, np.zeros((2, 1, 1), np.float32), 1.0)

    @property
    def is_still(self) -> bool:
        return not self.flow.any()

    def points(self, points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        """Places (x, y) of the first frame where they are in the second; some may lie outside."""
        moved = []
        for x, y in points:
            ahead = np.array([x, y], float)
            for _ in range(
                4
            ):  # the flow tells where a place of the second frame came from: its inverse, by steps
                ahead = np.array([x, y]) - self._at(*ahead)
            moved.append((float(ahead[0]), float(ahead[1])))
        return tuple(moved)

    def values(self, values: Tensor) -> Tensor:
        """What belongs to the pixels of the first frame, float32 (H, W) or a coarser grid over the same frame, where
        it is in the second; 0 comes in from outside."""
        if self.is_still:
            return values
        grid = self._grid(values.shape[0], values.shape[1])
        return F.grid_sample(values[None, None], grid, "bilinear", "zeros", align_corners=False)[0, 0]

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """A mask, bool of (H, W) or coarser, of the first frame where it is in the second; False comes in."""
        return (self.values(torch.from_numpy(mask.astype(np.float32))) > 0.5).numpy()

    def then(self, following: Motion) -> Motion:
        """From this motion's first frame to the second of the ``following`` one, which begins where this one ends."""
        from scipy.ndimage import map_coordinates

        if self.is_still or following.is_still:
            flow = following.flow if self.is_still else self.flow
        else:
            height, width = self.flow.shape[1:]
            rows, columns = np.mgrid[:height, :width].astype(np.float32)
            across, down = (
                following.flow[0] * (width / self.size[1]),
                following.flow[1] * (height / self.size[0]),
            )
            places = [rows + down, columns + across]
            earlier = [map_coordinates(part, places, order=1, mode="nearest") for part in self.flow]
            flow = following.flow + np.stack(earlier)
        return Motion(self.size, flow, min(self.likeness, following.likeness))

    def _grid(self, height: int, width: int) -> Tensor:
        """Where the pixels of the second frame came from, (1, height, width, 2), -1 to 1 from edge to edge."""
        if (height, width) not in self._grids:
            extent = torch.tensor([self.size[1], self.size[0]], dtype=torch.float32)
            away = F.interpolate(
                torch.from_numpy(self.flow)[None], (height, width), mode="bilinear", align_corners=False
            )[0].permute(1, 2, 0)
            steps = [(torch.arange(side) + 0.5) * (2 / side) - 1 for side in (width, height)]
            own = torch.stack(torch.meshgrid(*steps, indexing="xy"), -1)
            self._grids[height, width] = (own + away * (2 / extent))[None]
        return self._grids[height, width]

    def _at(self, x: float, y: float) -> np.ndarray:
        height, width = self.flow.shape[1:]
        column = (x + 0.5) / self.size[1] * width - 0.5
        row = (y + 0.5) / self.size[0] * height - 0.5
        return self.flow[:, round(min(max(row, 0), height - 1)), round(min(max(column, 0), width - 1))]


def small(pixels: np.ndarray) -> np.ndarray:
    """A copy of an image (H, W) whose longer side is `SIDE`, each pixel the mean of what it covers."""
    height, width = pixels.shape
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(
        Image.fromarray(np.asarray(pixels, np.float32)).resize(size, Image.Resampling.BOX), np.float32
    )


def motion(before: np.ndarray, after: np.ndarray, size: tuple[int, int]) -> Motion:
    """The motion between two `small` copies of frames of ``size`` (H, W)."""
    flow = np.zeros((2, *before.shape), np.float32)
    if min(before.shape) < 2 * RADIUS or np.ptp(before) == 0 or np.ptp(after) == 0:
        return Motion(size, flow, likeness(before, after))
    registration = _registration()
    shift = registration.phase_cross_correlation(
        _windowed(after), _windowed(before), upsample_factor=UPSAMPLED, normalization=None
    )[0]
    if np.abs(shift).max() > max(before.shape) / 4:
        shift = np.zeros(2)
    candidates = [flow, flow - shift[::-1, None, None].astype(np.float32)]
    best = min(candidates, key=lambda one: _difference(_moved(before, one), after))
    start = _moved(before, best)
    rows, columns = registration.optical_flow_ilk(after, start, radius=RADIUS, num_warp=WARPS)
    finer = best + np.stack([columns, rows]).astype(np.float32)
    still = _difference(before, after)
    finest = min([best, finer], key=lambda one: _difference(_moved(before, one), after))
    if not np.isfinite(finest).all() or _difference(_moved(before, finest), after) > GAIN * still:
        finest = flow
    scale = np.array([size[1] / before.shape[1], size[0] / before.shape[0]], np.float32)
    return Motion(size, finest * scale[:, None, None], likeness(_moved(before, best), after))


def likeness(before: np.ndarray, after: np.ndarray) -> float:
    """The correlation of two images of the same shape; 0 where exactly one of them is uniform."""
    if np.ptp(before) == 0 or np.ptp(after) == 0:
        return float(np.ptp(before) == np.ptp(after))
    return float(np.corrcoef(before.ravel(), after.ravel())[0, 1])


def _registration():
    try:
        from skimage import registration
    except ImportError as error:
        raise RunError(
            "Following a run needs the Python package scikit-image. Install it with pip install scikit-image "
            "(in Slicer's Python console: slicer.util.pip_install('scikit-image'))."
        ) from error
    return registration


def _windowed(image: np.ndarray) -> np.ndarray:
    """The image without its mean, faded at its edges, so that the frame itself is no pattern."""
    rows, columns = (np.hanning(side + 2)[1:-1] for side in image.shape)
    return (image - image.mean()) * rows[:, None] * columns


def _moved(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``image`` (h, w) sampled where ``flow`` (2, h, w), in its own pixels, says that each pixel came from."""
    from scipy.ndimage import map_coordinates

    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return map_coordinates(image, [rows + flow[1], columns + flow[0]], order=1, mode="nearest")


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())

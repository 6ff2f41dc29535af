"""What was asked for one structure and what the model answered, as plain data that a scene can keep."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ...segmentation import Prompt, PromptError

FORMAT = 1

START_SIDE = 512
"""Longest side (pixels) at which a mask to start from is kept; the network reads it at 256 or less."""

DECIMALS = 2
"""Pixel coordinates are kept to a hundredth, beyond which scene files and transforms only add noise."""


@dataclass(frozen=True)
class StartMask:
    """A mask prompt: ``bits`` is the zlib-compressed, base64-coded bit image of ``height`` x ``width``,
    which covers the radiograph."""

    height: int
    width: int
    bits: str

    @classmethod
    def of(cls, mask: np.ndarray) -> StartMask:
        """From a bool mask (H, W), shrunk to `START_SIDE` by picking pixels."""
        step = max(1.0, max(mask.shape) / START_SIDE)
        rows, columns = (
            ((np.arange(max(1, round(side / step))) + 0.5) * side / max(1, round(side / step))).astype(int)
            for side in mask.shape
        )
        small = mask[np.ix_(rows, columns)]
        packed = zlib.compress(np.packbits(small).tobytes(), 9)
        return cls(*small.shape, base64.b64encode(packed).decode("ascii"))

    def mask(self) -> np.ndarray:
        """Bool (height, width)."""
        try:
            packed = np.frombuffer(zlib.decompress(base64.b64decode(self.bits)), np.uint8)
            return np.unpackbits(packed, count=self.height * self.width).reshape(self.height, self.width) != 0
        except (ValueError, zlib.error) as error:
            raise PromptError(
                "the mask to start from is damaged in this scene: start from the segment again"
            ) from error


@dataclass(frozen=True)
class SegmentPrompt:
    """Everything that a structure's mask depends on, next to the image and the model.

    ``prompt`` is the text, the clicks and the box in pixels. ``start`` is the mask to start from.
    ``threshold`` is the probability above which a pixel belongs to the mask. ``choices`` says which of the
    three candidates the user chose, as (number of clicks at that time, candidate).
    """

    prompt: Prompt = field(default_factory=Prompt)
    start: StartMask | None = None
    threshold: float = 0.5
    choices: tuple[tuple[int, int], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask; a mask to start from alone is no question."""
        return self.prompt.is_empty

    @property
    def choice(self) -> int | None:
        """The candidate chosen for the prompts as they are; None leaves it to the model."""
        return dict(self.choices).get(len(self.prompt.points))

    def with_choice(self, candidate: int) -> SegmentPrompt:
        """Choices made after later clicks, which are gone by now, are forgotten."""
        clicks = len(self.prompt.points)
        kept = tuple(item for item in self.choices if item[0] < clicks)
        return replace(self, choices=(*kept, (clicks, candidate)))

    def with_clicks(self, points, labels) -> SegmentPrompt:
        """With these clicks (x, y). A choice among candidates outlives only clicks added after it."""
        rounded = [(round(float(x), DECIMALS), round(float(y), DECIMALS)) for x, y in points]
        prompt = self.prompt.with_clicks(rounded, labels)
        before = list(zip(self.prompt.points, self.prompt.labels, strict=True))
        now = list(zip(prompt.points, prompt.labels, strict=True))
        common = min(len(before), len(now))
        same = next((count for count in range(common) if before[count] != now[count]), common)
        return replace(self, prompt=prompt, choices=tuple(item for item in self.choices if item[0] <= same))

    def to_dict(self) -> dict[str, Any]:
        stored = asdict(self)
        return {"format": FORMAT, **stored}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SegmentPrompt:
        """Raises PromptError for what `to_dict` did not write."""
        try:
            if stored["format"] != FORMAT:
                raise PromptError(f"these prompts are of format {stored['format']}: update the program")
            asked, start = stored["prompt"], stored["start"]
            threshold = float(stored["threshold"])
            if not 0 < threshold < 1:
                raise PromptError(f"the threshold {threshold} is no probability")
            prompt = Prompt.of(asked["text"], asked["points"], asked["labels"], asked["box"])
            return cls(
                prompt.with_beside(asked.get("beside", ())),
                StartMask(int(start["height"]), int(start["width"]), str(start["bits"])) if start else None,
                threshold,
                tuple((int(clicks), int(candidate)) for clicks, candidate in stored["choices"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PromptError("these are not the stored prompts of a segment") from error


@dataclass(frozen=True)
class Outcome:
    """What the model said with the mask that a segment shows.

    ``score`` is the IoU it predicts, ``scores`` those of the candidates, ``chosen`` the one shown. ``missed``
    are the clicks that the mask does not satisfy. ``known`` is False for a text outside the vocabulary.
    """

    score: float
    scores: tuple[float, ...]
    chosen: int
    missed: tuple[int, ...] = ()
    low_confidence: bool = False
    known: bool = True
    model: str = ""

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Outcome:
        try:
            return cls(
                float(stored["score"]),
                tuple(float(score) for score in stored["scores"]),
                int(stored["chosen"]),
                tuple(int(index) for index in stored["missed"]),
                bool(stored["low_confidence"]),
                bool(stored["known"]),
                str(stored["model"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PromptError("this is not the stored answer of a model") from error

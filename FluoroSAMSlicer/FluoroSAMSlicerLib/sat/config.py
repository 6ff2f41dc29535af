"""The sizes of a SAT network; all but the tile and the heads follow from the shapes of its weights."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .errors import CheckpointError

STAGES = 6
SHRINK = 2 ** (STAGES - 1)
"""How much smaller the deepest features are than the window, along each axis."""
HEADS = 8
"""Of the query decoder (arXiv 2312.17183, published configuration); weights do not show it."""
TILE = (288, 288, 96)
"""Voxels of a window, right, anterior, superior; the published inference uses this for both sizes."""

FIRST = "backbone.encoder.stages.0.0.convs.0.conv.weight"


@dataclass(frozen=True)
class SatConfig:
    """Sizes of the network and of its text encoder.

    features: channels of the U-Net's stages, from full resolution down. convolutions: in each of them.
    width: of queries and image tokens. projection: hidden width on the way to the tokens. layers, heads,
    feed_forward: of the query decoder. mask_hidden: hidden width on the way to the mask weights.
    tile: window in voxels. words, positions, text_*: of the text encoder. modalities: rows of its table.
    """

    features: tuple[int, ...]
    convolutions: int
    width: int
    projection: int
    layers: int
    feed_forward: int
    mask_hidden: int
    words: int
    positions: int
    text_layers: int
    text_heads: int
    text_feed_forward: int
    modalities: int
    heads: int = HEADS
    tile: tuple[int, int, int] = TILE

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "tile", tuple(self.tile))
        sizes = [
            size
            for f in fields(self)
            for size in (getattr(self, f.name) if f.name in ("features", "tile") else [getattr(self, f.name)])
        ]
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            raise CheckpointError("the sizes of a SAT model must be whole numbers above zero")
        if len(self.features) != STAGES or len(self.tile) != 3 or any(size % SHRINK for size in self.tile):
            raise CheckpointError(f"a SAT model has {STAGES} stages and a window of multiples of {SHRINK}")
        if self.width % self.heads or self.width % self.text_heads:
            raise CheckpointError("the width of a SAT model must be divided by its heads")

    @property
    def name(self) -> str:
        """``sat-nano`` and ``sat-pro`` are published; anything else is ``sat``."""
        return {PUBLISHED_NANO: "sat-nano", PUBLISHED_PRO: "sat-pro"}.get(
            (self.features, self.convolutions), "sat"
        )

    @property
    def cells(self) -> tuple[int, int, int]:
        """The grid of image tokens."""
        return tuple(size // SHRINK for size in self.tile)

    @property
    def work(self) -> float:
        """Multiply-adds of the U-Net on one window."""
        voxels, total = math.prod(self.tile), 0.0
        for stage, width in enumerate(self.features):
            below = self.features[stage - 1] if stage else 1
            here = voxels / 8**stage
            total += here * 27 * width * (below + (self.convolutions - 1) * width)
            if stage < STAGES - 1:
                total += here * 27 * width * (2 * width + (self.convolutions - 1) * width)
                total += here * width * self.features[stage + 1]
        return total

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SatConfig:
        """Raises :class:`CheckpointError` for anything but what :meth:`to_json` wrote."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as problem:
            raise CheckpointError(f"this is no description of a SAT model ({problem})") from problem

    @classmethod
    def of(
        cls,
        network: Mapping[str, Any],
        text: Mapping[str, Any],
        tile: tuple[int, int, int] = TILE,
        heads: int = HEADS,
    ) -> SatConfig:
        """The sizes that tensors of these shapes have. Raises :class:`CheckpointError` where one is absent."""
        shapes = {key: tuple(tensor.shape) for key, tensor in network.items()}
        texts = {key: tuple(tensor.shape) for key, tensor in text.items()}
        try:
            return cls(
                features=tuple(
                    shapes[f"backbone.encoder.stages.{stage}.0.convs.0.conv.weight"][0]
                    for stage in range(STAGES)
                ),
                convolutions=_count(shapes, r"backbone\.encoder\.stages\.0\.0\.convs\.(\d+)\.conv\.weight"),
                width=shapes["projection_layer.2.weight"][0],
                projection=shapes["projection_layer.0.weight"][0],
                layers=_count(shapes, r"transformer_decoder\.layers\.(\d+)\.linear1\.weight"),
                feed_forward=shapes["transformer_decoder.layers.0.linear1.weight"][0],
                mask_hidden=shapes["mask_embed_proj.0.weight"][0],
                words=texts[f"{TOWER}.embeddings.word_embeddings.weight"][0],
                positions=texts[f"{TOWER}.embeddings.position_embeddings.weight"][0],
                text_layers=_count(
                    texts, re.escape(TOWER) + r"\.encoder\.layer\.(\d+)\.output\.dense\.weight"
                ),
                text_heads=texts[f"{TOWER}.encoder.relative_attention_bias.weight"][1],
                text_feed_forward=texts[f"{TOWER}.encoder.layer.0.intermediate.dense.weight"][0],
                modalities=texts["modality_embed.weight"][0],
                heads=heads,
                tile=tile,
            )
        except (KeyError, IndexError) as problem:
            raise CheckpointError(f"no SAT network of a known kind: {problem} is absent") from problem


TOWER = "text_tower.biolord"
PUBLISHED_NANO = ((64, 64, 128, 256, 512, 768), 2)
PUBLISHED_PRO = ((128, 128, 256, 512, 1024, 1536), 3)


def _count(shapes: Mapping[str, tuple], pattern: str) -> int:
    return len({match[1] for key in shapes if (match := re.fullmatch(pattern, key))})

"""Sizes of the network as data: one class of network, several configurations."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ModelError

PUBLISHED_SWIN = {
    "swin-s": (96, (3, 6, 12, 24)),
    "swin-b": (128, (4, 8, 16, 32)),
    "swin-l": (192, (6, 12, 24, 48)),
}


@dataclass(frozen=True)
class SwinSettings:
    """Swin Transformer V1, four stages (Liu et al. 2021, arXiv:2103.14030)."""

    embed_dim: int = 192
    depths: tuple[int, int, int, int] = (2, 2, 18, 2)
    heads: tuple[int, int, int, int] = (6, 12, 24, 48)
    window: int = 7
    patch: int = 4
    mlp_ratio: float = 4.0
    drop_path: float = 0.0
    absolute_positions: bool = False


@dataclass(frozen=True)
class NeckSettings:
    """Fusion of the four Swin maps: channel width and number of residual blocks."""

    width: int = 128
    depth: int = 3


@dataclass(frozen=True)
class TextSettings:
    """CLIP text transformer, the two-layer MLP after it, and the codebook."""

    width: int = 512
    layers: int = 12
    heads: int = 8
    context: int = 77
    vocabulary: int = 49408
    end_of_text: int = 49407
    projection: int = 512
    mlp_width: int = 512
    codebook: int = 8192


@dataclass(frozen=True)
class DecoderSettings:
    """Two-way transformer and IoU head of the mask decoder."""

    depth: int = 2
    heads: int = 8
    mlp_width: int = 2048
    iou_depth: int = 3
    iou_width: int = 256


@dataclass(frozen=True)
class PyramidSettings:
    """Of a convolutional encoder: channels at an eighth and a quarter of the input's side, layers of attention over
    the whole picture, and layers of the name decoder."""

    eighth: int = 64
    quarter: int = 48
    context: int = 2
    names: int = 2


SMALL_TEXT = TextSettings(
    width=96, layers=2, heads=4, context=32, vocabulary=2048, end_of_text=3, projection=96, mlp_width=96,
    codebook=1536,
)  # fmt: skip
"""The text tower of the small models."""


BACKBONES = ("swin", "efficientnet-lite0")
"""``"swin"`` is the published design; the other one has fine maps beside the embedding, and a decoder for names."""


@dataclass(frozen=True)
class FluoroSAMConfig:
    """Everything that distinguishes one FluoroSAM network from another.

    ``image_size`` S is the side of the square input in pixels, ``embedding_size`` E the side of the image
    embedding, ``width`` C its channels. Low-resolution logits are 8E wide, mask prompts 4E.
    ``resize_antialias`` selects how preprocessing brings an image to the input size: True shrinks it with
    antialiasing and then windows the intensities, False (the published weights) windows at the image's own
    resolution and then samples without antialiasing. ``close_ups`` says whether the model, having found a
    structure, is shown its surroundings enlarged as well. ``backbone`` is one of `BACKBONES`; ``swin`` and ``neck``
    describe the first, ``pyramid`` the second, whose embedding is a sixteenth of the input.

    Raises :class:`ModelError` when the sizes do not fit each other.
    """

    name: str = "swin-l"
    image_size: int = 448
    embedding_size: int = 64
    width: int = 256
    mask_channels: int = 16
    resize_antialias: bool = False
    close_ups: bool = False
    backbone: str = "swin"
    swin: SwinSettings = field(default_factory=SwinSettings)
    neck: NeckSettings = field(default_factory=NeckSettings)
    pyramid: PyramidSettings = field(default_factory=PyramidSettings)
    text: TextSettings = field(default_factory=TextSettings)
    decoder: DecoderSettings = field(default_factory=DecoderSettings)

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ModelError(f"no backbone is called {self.backbone!r}; choose one of {', '.join(BACKBONES)}")
        if self.names_in_one_pass and self.image_size != 16 * self.embedding_size:
            raise ModelError(
                f"an embedding of {self.embedding_size} needs an input of {16 * self.embedding_size}"
            )
        for stage, heads in enumerate(self.swin.heads):
            if (self.swin.embed_dim << stage) % heads:
                raise ModelError(f"stage {stage + 1} of the image encoder cannot be split into {heads} heads")
        if len(self.swin.depths) != 4 or len(self.swin.heads) != 4:
            raise ModelError("the image encoder needs exactly four stages")
        if self.width % 8 or (self.width // 2) % self.decoder.heads:
            raise ModelError(f"decoder width {self.width} does not fit {self.decoder.heads} heads")
        if self.text.width % self.text.heads:
            raise ModelError(f"text width {self.text.width} does not fit {self.text.heads} heads")
        if not 0 <= self.text.end_of_text < self.text.vocabulary:
            raise ModelError(f"end-of-text id {self.text.end_of_text} is outside the vocabulary")

    @property
    def names_in_one_pass(self) -> bool:
        """Whether the network has a decoder for any number of names at once."""
        return self.backbone != "swin"

    @classmethod
    def published(cls, name: str = "swin-l") -> FluoroSAMConfig:
        """The configuration of the published weights: ``"swin-l"``, ``"swin-b"`` or ``"swin-s"``."""
        if name not in PUBLISHED_SWIN:
            raise ModelError(
                f"no published model is called {name!r}; choose one of {', '.join(PUBLISHED_SWIN)}"
            )
        embed_dim, heads = PUBLISHED_SWIN[name]
        return cls(name=name, swin=SwinSettings(embed_dim=embed_dim, heads=heads))

    @classmethod
    def compact(cls) -> FluoroSAMConfig:
        """The configuration that the bundled model is trained in: convolutions, names in one pass, fine maps."""
        return cls(
            name="compact",
            image_size=256,
            embedding_size=16,
            width=128,
            resize_antialias=True,
            close_ups=True,
            backbone="efficientnet-lite0",
            text=SMALL_TEXT,
            decoder=DecoderSettings(heads=4, mlp_width=256, iou_width=128),
        )  # fmt: skip

    @classmethod
    def from_fixture(cls, description: dict[str, Any]) -> FluoroSAMConfig:
        """From the ``config.json`` of a parity fixture (its whole content or the ``config`` part)."""
        d = description.get("config", description)
        try:
            swin, neck, text, decoder = d["swin"], d["neck"], d["clip_text"], d["mask_decoder"]
            return cls(
                name="fixture",
                image_size=d["img_size"],
                embedding_size=d["image_embedding_size"],
                width=d["prompt_embed_dim"],
                mask_channels=d["mask_in_chans"],
                swin=SwinSettings(
                    swin["embed_dims"], tuple(swin["depths"]), tuple(swin["num_heads"]), swin["window_size"],
                    swin["patch_size"], swin["mlp_ratio"],
                ),
                neck=NeckSettings(neck["head_width"], neck["head_depth"]),
                text=TextSettings(
                    text["width"], text["layers"], text["heads"], text["context_length"], text["vocab_size"],
                    text["vocab_size"] - 1, text["projection_dim"], d["clip_mlp"]["hidden_dim"],
                    d["codebook_size"],
                ),
                decoder=DecoderSettings(
                    decoder["depth"], decoder["num_heads"], decoder["mlp_dim"], decoder["iou_head_depth"],
                    decoder["iou_head_hidden_dim"],
                ),
            )  # fmt: skip
        except (KeyError, TypeError) as problem:
            raise ModelError(f"the fixture's configuration lacks {problem}") from problem

    def to_json(self) -> str:
        """This configuration as indented JSON text; :meth:`from_json` reads it back to an equal object."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, source: str | Path) -> FluoroSAMConfig:
        """From JSON text or from a file that holds it.

        Raises :class:`ModelError` for text that is no configuration, naming the field at fault.
        """
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        try:
            values = json.loads(text)
        except json.JSONDecodeError as problem:
            raise ModelError(f"the model configuration is not valid JSON: {problem}") from problem
        return _build(cls, values, "configuration")


_PARTS = {
    "swin": SwinSettings,
    "neck": NeckSettings,
    "pyramid": PyramidSettings,
    "text": TextSettings,
    "decoder": DecoderSettings,
}
_LATER = {"close_ups", "backbone", "pyramid"}
"""Fields that model folders of earlier versions lack; they have the default then."""

_KINDS: dict[str, Any] = {"int": int, "float": (int, float), "bool": bool, "str": str}


def _build(cls: type, values: Any, where: str) -> Any:
    """A settings dataclass from parsed JSON; every field but `_LATER` must be there, of its type, and no other."""
    if not isinstance(values, dict):
        raise ModelError(f"the model {where} is not a JSON object")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    absent, unknown = fields.keys() - values.keys() - _LATER, values.keys() - fields.keys()
    if absent or unknown:
        parts = [
            f"{label} {', '.join(sorted(names))}"
            for label, names in (("lacks", absent), ("has unknown", unknown))
            if names
        ]
        raise ModelError(f"the model {where} {' and '.join(parts)}")
    built = {}
    for name, value in values.items():
        kind = str(fields[name].type)
        if name in _PARTS and cls is FluoroSAMConfig:
            value = _build(_PARTS[name], value, f"{where}.{name}")
        elif kind.startswith("tuple"):
            if not isinstance(value, list) or not all(type(v) is int and v > 0 for v in value):
                raise ModelError(f"the model {where}.{name} must be a list of positive whole numbers")
            value = tuple(value)
        elif not isinstance(value, _KINDS[kind]) or (kind != "bool" and isinstance(value, bool)):
            raise ModelError(f"the model {where}.{name} must be of type {kind}, not {value!r}")
        elif kind == "int" and value < (0 if name == "end_of_text" else 1):
            raise ModelError(f"the model {where}.{name} must be positive, not {value}")
        built[name] = value
    return cls(**built)

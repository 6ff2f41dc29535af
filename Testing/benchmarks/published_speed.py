"""The published network's speed: ours against a plain float32 run of the same weights.

    python Testing/benchmarks/published_speed.py [--model swin-l] [--threads 2] [--runs 5] [--quick]

The weights are random, which costs the same as the published ones. Plain means the network as its
publication describes it, on transformers' own parts: float32, the text read anew for every prompt, positions
computed anew, transposed convolutions, all three masks enlarged. Both take turns, so that they meet the same
machine; what counts is the ratio of processor times, which other programs disturb less than the clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))
from full_size import published_state

IMAGE = (1024, 1024)
GOALS = {"encode": 0.35, "further prompt": 0.6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=["swin-l", "swin-b", "swin-s"], default="swin-l")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    wanted = parser.parse_args()
    from FluoroSAMSlicerLib.segmentation import Predictor
    from FluoroSAMSlicerLib.segmentation.device import cpu_has_bfloat16

    torch.set_num_threads(wanted.threads)
    network, tokenizer = random_network(wanted.model), Phrases()
    predictor = own_predictor(Predictor, network, tokenizer, wanted.threads)
    plain = Plain(network, tokenizer)
    bfloat = "with" if cpu_has_bfloat16() else "without"
    print(f"{wanted.model}, {wanted.threads} threads, {wanted.runs} runs, processor {bfloat} bfloat16")
    print(f"images are encoded in {predictor.half or torch.float32}")

    image = np.random.default_rng(0).random(IMAGE, dtype=np.float32)
    embedding = predictor.encode(Picture(image))
    features = plain.encode(image)
    first = predictor.predict(embedding, text="left femur")
    click = {"points": [(500.0, 400.0)], "labels": [1]}
    turn = iter(range(10**6))

    def encode() -> None:
        # Another image each time, since equal ones are encoded once.
        predictor.encode(Picture(image + np.float32(next(turn) * 1e-6)))

    def further() -> None:
        _ = predictor.predict(embedding, text="left femur", previous=first, **click).mask

    pairs = {
        "encode": (encode, lambda: plain.encode(image)),
        "further prompt": (further, lambda: plain.prompt(features, "left femur", first.low_res, **click)),
        "further prompt, plain without text": (
            further,
            lambda: plain.prompt(features, None, first.low_res, **click),
        ),
        "new text": (
            lambda: new_text(predictor, embedding),
            lambda: plain.prompt(features, "left femur", None),
        ),
    }
    for what, (ours, theirs) in pairs.items():
        report(what, *compare(ours, theirs, wanted.runs))


class Picture:
    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels


class Phrases:
    """Stands for CLIP's tokenizer, whose vocabulary is not bundled: four tokens for every phrase."""

    def encode(self, phrases: list[str]) -> torch.Tensor:
        return torch.tensor([[49406, 1823, 12312, 49407, *[0] * 73]] * len(phrases))


def random_network(name: str):
    from FluoroSAMSlicerLib.model import FluoroSAMConfig
    from FluoroSAMSlicerLib.model.construction import empty_network, fill
    from FluoroSAMSlicerLib.model.reference import _translate

    config = FluoroSAMConfig.published(name)
    network = empty_network(config)
    state = {
        key.removeprefix("sam."): t for key, t in published_state(name).items() if key.startswith("sam.")
    }
    fill(network, _translate(state, network, config, Path(name)))
    return network.eval()


def own_predictor(kind, network, tokenizer, threads: int):
    """As `Predictor.load` makes it, without a file in between."""
    from FluoroSAMSlicerLib.model import Provenance
    from FluoroSAMSlicerLib.segmentation.precision import HalfMatrices

    predictor = kind(network, tokenizer, Provenance("random", "", ""), device="cpu", threads=threads)
    predictor.inference.halved = HalfMatrices(network.image)
    return predictor


class Plain:
    """The same weights, run plainly."""

    def __init__(self, network, tokenizer) -> None:
        self.network, self.tokenizer = network, tokenizer
        self.device = network.masks.iou_token.weight.device
        masks = network.masks
        self.convolutions = []
        for step in masks.upscaling.steps:
            inputs, outputs = step.weight.shape[1], step.weight.shape[0] // 4
            convolution = torch.nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
            weight = step.weight.detach().view(2, 2, outputs, inputs).permute(3, 2, 0, 1).contiguous()
            convolution.weight, convolution.bias = torch.nn.Parameter(weight), step.bias
            self.convolutions.append(convolution)

    @torch.inference_mode()
    def encode(self, image: np.ndarray) -> torch.Tensor:
        from FluoroSAMSlicerLib.model import pixel_values

        values, self.frame = pixel_values(image, self.network.config)
        image = self.network.image
        return image.norm(image.neck(image.backbone(values.to(self.device)).feature_maps))

    @torch.inference_mode()
    def prompt(self, features, text, low_res, points=None, labels=None) -> np.ndarray:
        network, masks = self.network, self.network.masks
        given = {}
        if text is not None:
            given["text"] = network.encode_text(self.tokenizer.encode([text]).to(self.device)).code
        else:
            given["text"] = torch.zeros(1, features.shape[1], device=self.device)
        if points is not None:
            given["points"] = torch.tensor(points)[None].float() * self.frame.scale
            given["labels"] = torch.tensor(labels)[None]
        if low_res is not None:
            given["masks"] = F.avg_pool2d(low_res[None, None], 2)
        given = {name: tensor.to(self.device) for name, tensor in given.items()}
        sparse, dense = network.encode_prompts(**given)
        own = torch.cat([masks.iou_token.weight, masks.mask_tokens.weight])
        queries, keys = masks.transformer(
            point_embeddings=torch.cat([own[None], sparse], dim=1)[:, None],
            image_embeddings=features + dense,
            image_positional_embeddings=network.prompts._encoded_grid(
                network.prompts.sam.shared_embedding.positional_embedding
            ),
            attention_similarity=None,
        )
        side = features.shape[-1]
        maps = keys[:, 0].transpose(1, 2).reshape(1, -1, side, side)
        for convolution, norm in zip(self.convolutions, [*masks.upscaling.norms, None], strict=True):
            maps = convolution(maps)
            if norm is not None:
                maps = norm(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            maps = F.gelu(maps)
        weights = torch.stack([h(queries[:, 0, 1 + k]) for k, h in enumerate(masks.mask_heads)], dim=1)
        logits = (weights @ maps.flatten(2)).unflatten(2, maps.shape[-2:])[:, 1:]
        scores = masks.iou_head(queries[:, 0, 0])[0, 1:]
        return (self.frame.restore(logits.cpu())[0, int(scores.argmax())] > 0).numpy()


def new_text(predictor, embedding) -> None:
    predictor.inference.codes.clear()
    _ = predictor.predict(embedding, text="left femur").mask


def compare(ours: Callable, theirs: Callable, runs: int) -> tuple[list[float], list[float]]:
    """Processor seconds of each run, in turns, after one run each to warm up."""
    ours(), theirs()
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for work, list_ in zip((ours, theirs), taken, strict=True):
            begin = time.process_time()
            work()
            list_.append(time.process_time() - begin)
    return taken


def report(what: str, ours: list[float], plain: list[float]) -> None:
    ratios = [a / b for a, b in zip(ours, plain, strict=True)]
    goal = f", goal {GOALS[what]}" if what in GOALS else ""
    print(
        f"  {what:36} {median(ours):6.3f} s, plain {median(plain):6.3f} s, "
        f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}){goal}",
        flush=True,
    )


if __name__ == "__main__":
    main()

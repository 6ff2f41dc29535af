"""The published network's fixture and the compact model on the GPU, against the reference and the CPU."""

from __future__ import annotations

import warnings

import numpy as np
import torch

NAMES = ("left lung", "right lung", "heart", "spine", "left clavicle", "right humerus")


def measure(record, wanted) -> None:
    device = "cpu" if wanted.dry_run else "cuda"
    warnings.filterwarnings("ignore", message="the published model needs CLIP")
    compact(record, device)
    fixture = wanted.data / "fixture" if wanted.data else None
    if fixture is None or not fixture.is_dir():
        record.note("--data holds no fixture: the published network is not compared.")
        return
    published(record, fixture, device)


def compact(record, device: str) -> None:
    from pathlib import Path

    from FluoroSAMSlicerLib.radiograph import read_radiograph
    from FluoroSAMSlicerLib.segmentation import Predictor

    sample = Path(__file__).parents[2] / "FluoroSAMSlicer/Resources/SampleData/chest_drr.png"
    image = read_radiograph(sample)
    reference = masks(Predictor.load("compact", device="cpu", half=False), image)
    for half, words in ((False, "float32"), (None, "half precision")):
        predictor = Predictor.load("compact", device=device, half=half)
        made = masks(predictor, image)
        worst = max(float((a != b).mean()) for a, b in zip(made, reference, strict=True))
        record.add(
            f"compact, {words}: masks of {len(NAMES)} names against the CPU's", 100 * worst, "% of pixels at most",
            "0.5 %", worst <= 0.005,
        )  # fmt: skip


def masks(predictor, image) -> list[np.ndarray]:
    return [p.mask for p in predictor.predict_names(predictor.encode(image), NAMES)]


class RecordedTokens:
    """CLIP's vocabulary is not bundled, so the recorded ids of the reference stand for a phrase."""

    def __init__(self, ids) -> None:
        self.ids = ids

    def encode(self, phrases):
        return self.ids


class Picture:
    def __init__(self, pixels) -> None:
        self.pixels = pixels


def published(record, folder, device: str) -> None:
    from FluoroSAMSlicerLib.segmentation import Predictor
    from safetensors.torch import load_file

    reference = load_file(folder / "e2e.safetensors")
    raw = reference["raw"].numpy().astype(np.float64)
    image = Picture((1 - (raw - raw.min()) / np.ptp(raw)).astype(np.float32))
    allowed = torch.backends.cudnn.allow_tf32
    for words, half, tf32, limit in (
        ("float32", False, False, 3e-4),
        ("float32 as torch sets it", False, allowed, None),
        ("half precision", None, allowed, None),
    ):
        torch.backends.cudnn.allow_tf32 = tf32
        predictor = Predictor.load(folder / "weights.safetensors", device=device, half=half)
        for row, name in enumerate(("text", "text_point")):
            predictor.tokenizer = RecordedTokens(reference["token_ids"].long()[row : row + 1])
            predictor.inference.codes.clear()
            embedding = predictor.encode(image)
            prompts = {"text": "left femur"}
            if f"{name}.points" in reference:
                points = reference[f"{name}.points"][0].double().numpy()
                prompts["points"] = points / embedding.frame.scale
                prompts["labels"] = reference[f"{name}.labels"][0].numpy()
            result = predictor.predict(embedding, **prompts)
            expected = reference[f"{name}.mask_logits_padding_removed"].squeeze().numpy()
            logits = result.candidates.logits(int(np.argmax(result.candidates.scores)))
            off = float(np.abs(logits - expected).max())
            record.add(
                f"published, {words}, {name}: logits against the reference's", off, "at most",
                f"{limit:g}" if limit else "", None if limit is None else off <= limit,
            )  # fmt: skip
            flipped = float(((logits > 0) != (expected > 0)).mean())
            record.add(f"published, {words}, {name}: pixels of another answer", 100 * flipped, "%")
    record.note(
        "The fixture's weights are random: in half precision its masks say little, its logits are near 0."
    )
    torch.backends.cudnn.allow_tf32 = allowed

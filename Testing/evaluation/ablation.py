"""What each kind of random variation is worth: a model goes on learning without it, and is measured.

    python Testing/evaluation/ablation.py IMAGES WORK MANIFEST [--from compact] [--steps 100]

IMAGES are shards as `FluoroSAMSlicerLib.dataset.generate` makes them, MANIFEST what the models are measured on, best
real radiographs. Prints mean Dice after 0, 1 and 3 clicks, first of what learned from everything. Each training
resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest.mock import patch

import numpy as np
from FluoroSAMSlicerLib.dataset import open_training_images
from FluoroSAMSlicerLib.model import FluoroSAM, load_model
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.training import augment
from FluoroSAMSlicerLib.training.course import Course, Training
from FluoroSAMSlicerLib.training.evaluation import evaluate
from FluoroSAMSlicerLib.training.implants import Drawing
from FluoroSAMSlicerLib.training.samples import SampleStream

CLICKS = (0, 1, 3)
KEV = 60
PHOTONS = 1e4


def same_place(size: int, _rng) -> np.ndarray:
    """The sample as it was rendered, on a square of ``size``."""
    steps = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    return np.stack(np.meshgrid(steps, steps), -1)


def one_beam(soft: np.ndarray, bone: np.ndarray, metal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same energy for every exposure, little noise, no scatter; tissue as it is."""
    soft = soft + augment.patches(soft.shape, rng) * (soft > 1)
    weakened = sum(
        k * density for k, density in zip(augment.ATTENUATION[KEV], (soft, bone, metal), strict=True)
    )
    intensity = np.exp(-weakened)
    patient = augment.behind_patient(soft + bone)
    level = np.median(intensity[patient]) if patient.any() else intensity.max()
    intensity = np.minimum(intensity / max(float(level), 1e-6), 10)
    noise = rng.standard_normal(soft.shape, np.float32) * np.sqrt(intensity / PHOTONS)
    return -np.log(np.maximum(intensity + noise, 0) + 1e-2)


def one_window(pixels: np.ndarray, _patient, _rng) -> np.ndarray:
    """All but the darkest and brightest per cent, linear, in 256 steps."""
    low, high = np.percentile(pixels, [1, 99.5])
    shown = np.clip((pixels - low) / max(high - low, 1e-6), 0, 1)
    return (np.round(shown * 255) / 255).astype(np.float32)


WITHOUT = {
    "nothing": {},
    "deformation": {"deformation": same_place},
    "disease and metal": {
        "patches": lambda shape, _rng: np.zeros(shape, np.float32),
        "draw_implants": lambda shape, _rng: Drawing(np.zeros(shape, np.float32), {}),
    },
    "beam, scatter and noise": {"expose": one_beam},
    "window and contrast": {"develop": one_window},
    "collimation and letters": {
        "shutter": lambda pixels, _rng: (pixels, np.ones(pixels.shape, bool)),
        "burn_in": lambda pixels, _rng: pixels,
    },
}
"""What is left out, with the functions of `augment` that take the place of its own."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--from", dest="start", default="compact")
    parser.add_argument("--steps", type=int, default=100)
    wanted = parser.parse_args()
    images = open_training_images(wanted.images)
    for name, instead in WITHOUT.items():
        network, tokenizer, provenance = load_model(wanted.start)
        folder = wanted.work / name.replace(" ", "_")
        course = Course(
            wanted.steps, network.config.image_size, fall=wanted.steps, average=0.98, names_first=0, seed=11,
            codes=False, language=0,
        )  # fmt: skip
        with patch.dict(vars(augment), instead):
            stream = SampleStream(images, course.size, 8, course.seed)
            training = Training(stream, folder, course, start=network, tokenizer=tokenizer)
            # In this process, where the functions have been replaced.
            training.run(workers=0)
        learned = FluoroSAM(network.config)
        learned.load_state_dict(training.average)
        result = evaluate(wanted.manifest, Predictor(learned.eval(), tokenizer, provenance), CLICKS)
        print(f"without {name}: " + ", ".join(f"{result.mean(count):.3f}" for count in CLICKS), flush=True)


if __name__ == "__main__":
    main()

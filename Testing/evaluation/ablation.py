"""What each kind of random variation is worth: a model goes on learning without it, and is measured.

    python Testing/evaluation/ablation.py IMAGES WORK MANIFEST [--from compact] [--steps 100]

IMAGES are shards as `FluoroSAMSlicerLib.dataset.generate` makes them, MANIFEST what the models are measured on, best
real radiographs. Prints mean Dice after 0, 1 and 3 clicks, first of what learned from everything. Each training
resumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from FluoroSAMSlicerLib.dataset import open_training_images
from FluoroSAMSlicerLib.model import FluoroSAM, load_model
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.training import augment, plates, technique
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


def technique_of(**fields) -> Callable:
    """A technique drawn as ever, but for these fields."""

    def draw(shape: tuple[int, int], size: int, rng: np.random.Generator) -> technique.Technique:
        drawn = technique.draw_technique(shape, size, rng)
        same = {
            name: torch.as_tensor(value, dtype=torch.float32).expand_as(getattr(drawn, name))
            for name, value in fields.items()
        }
        return replace(drawn, **same)

    return draw


def whole_picture(shape: tuple[int, int], _rng) -> tuple[np.ndarray, np.ndarray]:
    """Nothing over the picture."""
    return np.stack([np.full(shape, 255, np.uint8), np.zeros(shape, np.uint8)]), np.ones(shape, bool)


PER_SOFT, _, PER_METAL = technique.ATTENUATION[KEV]

WITHOUT = {
    "nothing": {},
    "deformation": {(augment, "deformation"): same_place},
    "disease and metal": {
        (plates, "draw_technique"): technique_of(clouds=[0, 0, 1, 1, 0, 0, 0]),
        (augment, "draw_implants"): lambda shape, _rng: Drawing(np.zeros(shape, np.float32), {}),
    },
    "beam, scatter and noise": {
        (plates, "draw_technique"): technique_of(
            beams=technique.ATTENUATION[KEV], tissue=1, bone=1, cortex=1, rows=0, scatter=0, saturation=10,
            photons=PHOTONS, floor=1e-2, coarse=0, again=[PER_SOFT, PER_METAL], grain=0,
        ),
    },
    "window and contrast": {
        (plates, "draw_technique"): technique_of(
            limits=[0.01, 0.995], of_patient=0, gamma=1, equalised=[0, 1, 1, 1], sharp=0, tilt=0, inverted=0
        ),
    },
    "collimation and letters": {(plates, "draw_overlay"): whole_picture},
}  # fmt: skip
"""What is left out, with what takes the place of which function of which module."""


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
        with ExitStack() as replaced:
            for (module, function), other in instead.items():
                replaced.enter_context(patch.object(module, function, other))
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

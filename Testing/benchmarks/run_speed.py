"""Frames a second of following a run, beside asking every frame by name and clicks anew.

    python Testing/benchmarks/run_speed.py [--frames 20] [--rounds 3] [--model compact]

The run is the sample radiograph on a table that moves, 512 x 512. The two are done in turns, so that what else the
machine does slows both; the ratio is what to compare between machines. Seconds of CPU a frame, all threads together,
are told beside: other work hardly changes them. Each is timed for a name alone and for a name with two clicks.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from FluoroSAMSlicerLib.radiograph import Radiograph, read_radiograph
from FluoroSAMSlicerLib.runs import Followed, Run, propagate
from FluoroSAMSlicerLib.segmentation import Predictor
from PIL import Image

SAMPLE = Path(__file__).parents[2] / "FluoroSAMSlicer" / "Resources" / "SampleData" / "chest_drr.dcm"
SIDE, STEP = 512, 2
CLICKS = ((330.0, 240.0), (256.0, 300.0)), (1, 0)


def table_run(count: int) -> Run:
    side = SIDE + STEP * count
    whole = np.asarray(Image.fromarray(read_radiograph(SAMPLE).pixels).resize((side, side)))
    noise = np.random.default_rng(0)

    def read(number: int) -> Radiograph:
        left = side - SIDE - STEP * number
        frame = whole[:SIDE, left : left + SIDE]
        grain = noise.normal(0, 0.01, frame.shape).astype(np.float32)
        return Radiograph((frame + grain).clip(0, 1))

    return Run("table", count, read)


def anew(predictor: Predictor, run: Run, points, labels) -> None:
    """Every frame by its name, then click by click."""
    for number in range(run.count):
        embedding = predictor.encode(run.radiograph(number))
        found = predictor.predict(embedding, "left lung")
        for clicks in range(1, len(points) + 1):
            found = predictor.predict(embedding, "left lung", points[:clicks], labels[:clicks], None, found)
        _ = found.mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="compact")
    asked = parser.parse_args()
    predictor = Predictor.load(asked.model, device="cpu")
    run = table_run(asked.frames)
    propagate(table_run(2), predictor, 0, [Followed("left lung", "left lung")])
    for title, (points, labels) in (("name", ((), ())), ("name and two clicks", CLICKS)):
        known = Followed("left lung", "left lung", points, labels)
        ways = {
            "followed": lambda known=known: propagate(run, predictor, 0, [known]),
            "anew": lambda points=points, labels=labels: anew(predictor, run, points, labels),
        }
        wall, cpu = ({way: [] for way in ways} for _ in range(2))
        for _ in range(asked.rounds):
            for way, do in ways.items():
                begin, spent = time.perf_counter(), time.process_time()
                do()
                wall[way].append(run.count / (time.perf_counter() - begin))
                cpu[way].append((time.process_time() - spent) / run.count)
        ratio = statistics.median(a / b for a, b in zip(*wall.values(), strict=True))
        told = (
            f"{way} {statistics.median(wall[way]):.1f} frames/s (best {max(wall[way]):.1f}), "
            f"{statistics.median(cpu[way]):.3f} s of CPU a frame (least {min(cpu[way]):.3f})"
            for way in ways
        )
        print(f"{title:20} {'; '.join(told)}; ratio {ratio:.2f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    print(f"peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()

"""How long a user waits: process start to first mask, encoding an image, answering a prompt.

    python Testing/benchmarks/segment_speed.py IMAGE [--model compact] [--threads 2] [--runs 7]

Medians in seconds, on as many processors as threads. Encoding is measured in the number format that the
program chooses and in float32, in turn, so that both meet the same machine. Let nothing else run beside it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median

FIRST_MASK = """
import sys
from FluoroSAMSlicerLib.radiograph import read_radiograph
from FluoroSAMSlicerLib.segmentation import Predictor
image, model, threads, text = sys.argv[1:]
predictor = Predictor.load(model, device="cpu", threads=int(threads))
mask = predictor.predict(predictor.encode(read_radiograph(image)), text=text).mask
print("mask", mask.sum(), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("image")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--text", default="left lung")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=7)
    wanted = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: wanted.threads])

    print(f"{wanted.model}, {wanted.threads} threads, medians of {wanted.runs} runs")
    report("process start to first mask", [first_mask(wanted) for _ in range(wanted.runs)])
    measure_predictor(wanted)


def first_mask(wanted: argparse.Namespace) -> float:
    """Seconds from starting Python until the mask is there, reading the image and loading included."""
    command = [sys.executable, "-c", FIRST_MASK, wanted.image, wanted.model, str(wanted.threads), wanted.text]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        taken = time.perf_counter() - begin
    if not line.startswith("mask"):
        sys.exit(f"the program failed with exit code {process.returncode}")
    return taken


def measure_predictor(wanted: argparse.Namespace) -> None:
    from FluoroSAMSlicerLib.radiograph import read_radiograph
    from FluoroSAMSlicerLib.segmentation import Predictor

    radiograph = read_radiograph(wanted.image)
    chosen = Predictor.load(wanted.model, device="cpu", threads=wanted.threads)
    plain = Predictor.load(wanted.model, device="cpu", threads=wanted.threads, half=False)
    # Another image each time, since equal ones are encoded once.
    images = [
        replace(radiograph, pixels=radiograph.pixels * (1 - run / 1000)) for run in range(wanted.runs + 1)
    ]
    figures: dict[str, list[float]] = {}
    for image in images:
        for name, predictor in ((str(chosen.half or "float32"), chosen), ("float32, for comparison", plain)):
            taken = seconds(partial(predictor.encode, image))
            figures.setdefault(f"encode, {name}", []).append(taken)
    embedding = chosen.encode(radiograph)
    first = chosen.predict(embedding, text=wanted.text)
    height, width = embedding.size
    click = {"points": [(width / 2, height / 2)], "labels": [1], "previous": first}
    for _ in images:
        chosen.inference.codes.clear()
        figures.setdefault("prompt: text, new", []).append(
            seconds(lambda: chosen.predict(embedding, text=wanted.text).mask)
        )
        figures.setdefault("prompt: text, click and previous mask", []).append(
            seconds(lambda: chosen.predict(embedding, text=wanted.text, **click).mask)
        )
    for what, taken in figures.items():
        report(what, taken[1:])


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def report(what: str, taken: list[float]) -> None:
    print(f"  {what:44} {median(taken):7.3f}   ({min(taken):.3f} to {max(taken):.3f})", flush=True)


if __name__ == "__main__":
    main()

"""The real training command, for some minutes, on from a training that --data holds."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import time


def measure(record, wanted) -> None:
    bodies = wanted.data / "bodies" if wanted.data else None
    if bodies is None or not bodies.is_dir():
        record.note("--data holds no bodies: nothing to train on.")
        return
    work = wanted.output / "work"
    if (wanted.data / "work").is_dir() and not work.exists():
        shutil.copytree(wanted.data / "work", work)
    before = lines(work)
    device, minutes = ("cpu", 0.05) if wanted.dry_run else ("cuda", wanted.minutes)
    command = [
        sys.executable, "-m", "FluoroSAMSlicerLib", "train", "--recipe", "compact", "--device", device,
        "--bodies", str(bodies), "--output", str(work), "--minutes", str(minutes),
    ]  # fmt: skip
    begin = time.perf_counter()
    done = subprocess.run(command)
    taken = time.perf_counter() - begin
    steps = len(lines(work)) - len(before)
    record.add("steps of training", steps, f"in {taken:.0f} s with the start")
    record.add("steps a second", steps / taken, "the start included")
    record.note(f"It went on from step {len(before)}; its state is in work. `{' '.join(command[1:])}`")
    if done.returncode:
        sys.exit(f"the training command ended with {done.returncode}")


def lines(work) -> list[dict]:
    """Of the training's log, one a step."""
    if not (work / "log.csv").exists():
        return []
    with open(work / "log.csv", newline="") as file:
        return list(csv.DictReader(file))

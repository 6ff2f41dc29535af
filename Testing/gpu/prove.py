"""All that is claimed of a GPU, measured by one command.

    python Testing/gpu/prove.py --output FOLDER [--data FOLDER] [--seconds N] [--dry-run] [PART ...]

Parts, in the order in which they run where none is named:

    projector   correct against the exact march on the CPU; times by size, labels and materials; nanodrr beside it
    parity      the published network's fixture in float32 and half precision; the compact model's masks
    published   swin-l with random weights: times and memory, against the plain float32 network; memory full
    sets        previews a second, images of a training set a second, against the processors
    training    the real training command, going on from a folder that --data holds

Each part is a process of its own with a time limit; one that fails or is stopped leaves what it measured. FOLDER
gets results.json, results.md, and a log of each part.

--data may hold ``fixture`` (the published network's parity fixture), ``bodies`` (packed labelled CTs, .npz) and
``work`` (a training to go on with); what is absent is left out or made up, and the results say so.
--dry-run needs no GPU: small sizes, the CPU, and numba's simulator.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIMITS = {"projector": 150, "parity": 180, "published": 150, "sets": 120, "training": 1000}
"""Seconds until a part is stopped."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(LIMITS))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="fixture, bodies, work")
    parser.add_argument("--seconds", type=float, help="limit of every part in place of its own")
    parser.add_argument("--minutes", type=float, default=15, help="of training")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if unknown := [part for part in wanted.parts if part not in LIMITS]:
        parser.error(f"no part {unknown[0]!r}; choose from {', '.join(LIMITS)}")
    wanted.output.mkdir(parents=True, exist_ok=True)
    if wanted.inside:
        return inside(wanted)
    results = {}
    for part in wanted.parts or LIMITS:
        print(f"== {part}", flush=True)
        results[part] = run(part, wanted)
        (wanted.output / "results.json").write_text(json.dumps(results, indent=1))
        (wanted.output / "results.md").write_text(_record().page(results))
    print(f"\n{(wanted.output / 'results.md').read_text()}")
    return int(any(result["ended"] != "finished" for result in results.values()))


def run(part: str, wanted) -> dict:
    """One part in a process of its own; what it measured and how it ended."""
    figures = wanted.output / f"{part}.json"
    figures.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--inside", part, "--output", str(wanted.output)]
    command += ["--minutes", str(wanted.minutes)]
    command += ["--data", str(wanted.data)] if wanted.data else []
    command += ["--dry-run"] if wanted.dry_run else []
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    folders = [str(ROOT / "FluoroSAMSlicer"), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    if wanted.dry_run:
        environment["NUMBA_ENABLE_CUDASIM"] = "1"
    begin = time.monotonic()
    log = wanted.output / f"{part}.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment, start_new_session=True)
        try:
            code = process.wait(wanted.seconds or LIMITS[part])
            ended = "finished" if code == 0 else f"failed (exit code {code})"
        except subprocess.TimeoutExpired:
            ended = "stopped at its time limit"
            _stop(process)
    print(log.read_text(errors="replace")[-3000:], flush=True)
    content = {"device": "nothing measured", "figures": {}, "notes": []}
    if figures.exists():
        content = json.loads(figures.read_text())
    if ended.startswith("failed"):
        content["notes"] += ["```", *log.read_text(errors="replace").strip().splitlines()[-8:], "```"]
    return {"ended": ended, "seconds": time.monotonic() - begin, **content}


def inside(wanted) -> int:
    sys.path[:0] = [str(HERE), str(ROOT / "FluoroSAMSlicer"), str(ROOT / "Testing" / "benchmarks")]
    sys.path[:0] = [str(ROOT / "Testing" / "model")]
    record = _record().Record(wanted.output / f"{wanted.inside}.json", device_name(wanted.dry_run))
    importlib.import_module(f"part_{wanted.inside}").measure(record, wanted)
    return 0


def device_name(dry_run: bool) -> str:
    if dry_run:
        return "dry run on the CPU"
    import torch

    if not torch.cuda.is_available():
        sys.exit("no CUDA device that torch can use; --dry-run needs none")
    return torch.cuda.get_device_name()


def _stop(process) -> None:
    """The part and whatever it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _record():
    sys.path.insert(0, str(HERE))
    return importlib.import_module("record")


if __name__ == "__main__":
    sys.exit(main())

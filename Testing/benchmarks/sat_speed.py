"""SAT's cost at its published sizes: ours against a plain float32 run of the same random weights.

    python Testing/benchmarks/sat_speed.py [--model sat-nano] [--threads 2] [--kinds lean plain half] [--rounds 1]
                                           [--tile 288 288 96]

One window each, in turns, every run in a process of its own, so that its peak memory is its own. Plain is the
network as its publication describes it (whole volumes, concatenations, nothing in place); lean is ours in float32;
half is ours in bfloat16, for processors that have it. What counts is the ratio of processor times, which other
programs disturb less than the clock. Loading is measured before the window: the peak against the bytes of the
weights.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "FluoroSAMSlicer", ROOT / "Testing" / "sat"):
    sys.path.insert(0, str(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=["sat-nano", "sat-pro"], default="sat-nano")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=["lean", "plain", "half"], default=["lean", "plain"])
    parser.add_argument("--tile", type=int, nargs=3, default=[288, 288, 96])
    parser.add_argument("--run", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.run:
        print(json.dumps(run(wanted.run, wanted.kinds[0], tuple(wanted.tile), wanted.threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLUOROSAM_MODELS"] = folder
        installed = in_own_process(["--model", wanted.model], install=True)
        print(json.dumps({"install": installed}), flush=True)
        for _ in range(wanted.rounds):
            for kind in wanted.kinds:
                arguments = ["--run", wanted.model, "--kinds", kind, "--threads", str(wanted.threads)]
                told = in_own_process([*arguments, "--tile", *map(str, wanted.tile)])
                print(json.dumps({"kind": kind, **told}), flush=True)


def in_own_process(arguments: list[str], install: bool = False) -> dict:
    code = [str(Path(__file__).resolve())]
    if install:
        code = [
            "-c",
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import sat_speed, json; "
            f"print(json.dumps(sat_speed.install({arguments[1]!r})))",
        ]
        arguments = []
    done = subprocess.run([sys.executable, "-W", "ignore", *code, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def peak() -> int:
    """Most bytes of this process that were in memory, files that it maps included."""
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def install(model: str) -> dict:
    import full_size
    from FluoroSAMSlicerLib.sat import install_sat_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        pid = os.fork()
        if not pid:
            full_size.write_published(Path(folder), full_size.PUBLISHED[model])
            os._exit(0)
        os.waitpid(pid, 0)
        before, begin = peak(), time.perf_counter()
        network, text = Path(folder) / "model.pth", Path(folder) / "text_encoder.pth"
        installed = install_sat_checkpoint(network, text)
        size = (installed.folder / "model.safetensors").stat().st_size
        return {
            "name": installed.name,
            "bytes": size,
            "grown_by_weights": round((peak() - before) / size, 3),
            "seconds": round(time.perf_counter() - begin, 1),
        }


def run(model: str, kind: str, tile: tuple[int, ...], threads: int) -> dict:
    import torch
    from FluoroSAMSlicerLib.sat import load_sat_model
    from FluoroSAMSlicerLib.sat.text import TextEncoder
    from plain import plain_features

    assert TextEncoder
    torch.set_num_threads(threads)
    before = peak()
    network = load_sat_model(model).network
    weights = list(network.parameters())
    # Every value is looked at, so that what is mapped from the file counts in full.
    assert all(bool(weight.sum().isfinite()) for weight in weights)
    size = sum(4 * weight.numel() for weight in weights)
    loaded = peak() - before
    object.__setattr__(network.config, "tile", tile)
    if kind == "half":
        network.backbone.compute_in(torch.bfloat16)
    window = torch.randn(tile, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        queries = network.text_encoder([(105, 11294, 106)], 0)
        cpu, clock = time.process_time(), time.perf_counter()
        features = plain_features(network, window) if kind == "plain" else network.encode(window)
        logits = network.logits(network.mask_weights(queries, features.tokens), features.volume[:, ::8])
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    return {
        "load_by_weights": round(loaded / size, 3),
        "cpu_s": round(cpu, 1),
        "wall_s": round(clock, 1),
        "peak_gb": round(peak() / 1e9, 2),
        "finite": bool(logits.isfinite().all()),
        "check": [round(float(v), 4) for v in logits[0, ::13, ::89, ::31].flatten()[:4]],
    }


if __name__ == "__main__":
    main()

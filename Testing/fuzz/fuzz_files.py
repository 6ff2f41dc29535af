"""Damage files of every kind that is read, and see that nothing but an answer or one line comes of it.

    python Testing/fuzz/fuzz_files.py [--count 10000] [--seed 1] [--kind dicom ...]

A case is right when it is read, or refused by one of the rooms' own errors, within 10 seconds and 2 GB, without a
word of a library on stderr, and without output left behind when it fails. The same seed makes the same files.
Prints a table of counts and what went wrong, case by case; exit code 1 if anything did.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "FluoroSAMSlicer"), str(HERE)]

LONGEST_S = 10.0
MOST_BYTES = 2 * 2**30
SHARES = {
    "dicom": 26, "dicom series": 8, "dicom frames": 8, "png": 8, "jpeg": 8, "tiff": 8, "nrrd": 8, "nifti": 10,
    "seg.nrrd": 5, "table": 8, "render": 2, "weights": 1,
}  # fmt: skip
WEIGHTS = ROOT / "FluoroSAMSlicer" / "Resources" / "Models" / "compact"
RIGHT = ("read", "refused")


def damaged(content: bytes, chance: random.Random) -> bytes:
    """``content`` with one to four faults of those that disks, networks and programs make."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        if not data:
            break
        at = chance.randrange(min(len(data), 1024) if chance.random() < 0.7 else len(data))
        length = chance.choice((1, 1, 2, 4, 8, 64))
        kind = chance.randrange(8)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = chance.randbytes(length)
        elif kind == 3:
            data[at : at + length] = bytes(len(data[at : at + length]))
        elif kind == 4:
            data[at : at + length] = b"\xff" * len(data[at : at + length])
        elif kind == 5:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 6:
            other = chance.randrange(len(data))
            data[at : at + length] = data[other : other + length]
        else:
            digits = [place for place, byte in enumerate(data[:2048]) if 48 <= byte <= 57]
            if digits:
                data[chance.choice(digits)] = 48 + chance.randrange(10)
    return bytes(data)


def prepared(case: int, seed: int, kinds: list[str], seeds: dict, folder: Path) -> tuple[str, str, Path]:
    """Write case number ``case``; returns its kind, its reader and its path."""
    chance = random.Random(f"{seed}:{case}")
    kind = chance.choices(kinds, [SHARES[one] for one in kinds])[0]
    reader, source = chance.choice(seeds[kind])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    target = folder / source.name
    if source.is_dir():
        shutil.copytree(source, target)
        files = sorted(file for file in target.iterdir() if file.is_file() and file.name != "README.md")
        hit = chance.choice(files)
        hit.write_bytes(damaged(hit.read_bytes(), chance))
    else:
        target.write_bytes(damaged(source.read_bytes(), chance))
        if reader == "labels":
            shutil.copy(source.with_name("labels.json"), folder / "labels.json")
    return kind, reader, target


def read(reader: str, path: Path) -> None:
    if reader == "radiograph":
        from FluoroSAMSlicerLib.radiograph import read_radiograph

        read_radiograph(path)
    elif reader == "ct":
        from FluoroSAMSlicerLib.drr import CTVolume

        CTVolume.read(path)
    elif reader == "labels":
        from FluoroSAMSlicerLib.dataset.layers import read_layers

        list(read_layers(path))
    elif reader == "names":
        from FluoroSAMSlicerLib.dataset.label_names import read_pairs

        read_pairs(path)
    elif reader == "weights":
        from FluoroSAMSlicerLib.model import load_model

        load_model(path)
    else:
        _rendered(path)


def _rendered(path: Path) -> None:
    from click.testing import CliRunner
    from FluoroSAMSlicerLib.cli import main

    output = path.parent / "out"
    made = CliRunner().invoke(
        main, ["render", str(path), "--view", "PA", "--size", "16", "--output", str(output)]
    )
    if made.exit_code:
        if output.exists():
            raise AssertionError(f"output left behind: {[file.name for file in output.iterdir()]}")
        if "Traceback" in made.output or "unexpected fault" in made.output:
            raise AssertionError(made.output.strip())
        raise Refused


class Refused(Exception):
    """The program ended with its own line."""


def outcome(reader: str, path: Path, stderr: Path) -> tuple[str, str]:
    """("read", "refused", or what is wrong; words about it)."""
    from FluoroSAMSlicerLib.dataset import DatasetError
    from FluoroSAMSlicerLib.drr import DRRError
    from FluoroSAMSlicerLib.model import ModelError
    from FluoroSAMSlicerLib.radiograph import RadiographError

    begin, before = time.perf_counter(), stderr.stat().st_size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read(reader, path)
            result = ("read", "")
        except Refused:
            result = ("refused", "")
        except (RadiographError, DRRError, DatasetError, ModelError) as error:
            words = str(error)
            result = (
                ("refused", words) if path.name in words or path.parent.name in words else ("no name", words)
            )
        except BaseException as error:
            result = ("traceback", f"{type(error).__name__}: {error}")
    sys.stderr.flush()
    if stderr.stat().st_size > before and result[0] in RIGHT:
        with stderr.open("rb") as file:
            file.seek(before)
            result = ("library text", file.read(300).decode("utf-8", "replace"))
    if time.perf_counter() - begin > LONGEST_S:
        result = ("slow", f"{time.perf_counter() - begin:.1f} s")
    if _peak() > MOST_BYTES:
        result = ("memory", f"{_peak() / 2**30:.1f} GB")
    return result


def _peak() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _work(pipe, seed: int, kinds: list[str], seeds: dict, folder: Path) -> None:
    """Take case numbers and send (case, kind, outcome, words); library text goes to a file."""
    stderr = folder / "stderr"
    stderr.touch()
    descriptor = os.open(stderr, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 2)
    if "weights" in kinds:
        import FluoroSAMSlicerLib.model  # its import is no part of a case

        FluoroSAMSlicerLib.model.load_model(WEIGHTS)
    for reader, source in seeds.get("render", [])[:1]:
        (folder / "warm").mkdir(exist_ok=True)
        read(reader, Path(shutil.copy(source, folder / "warm")))  # compiles the projector
    while (case := pipe.recv()) is not None:
        kind, reader, path = prepared(case, seed, kinds, seeds, folder / "case")
        pipe.send((case, kind, *outcome(reader, path, stderr)))


class Worker:
    """A process that reads damaged files; ends when one makes it hang or die, and is then replaced."""

    def __init__(self, number: int, seed: int, kinds: list[str], seeds: dict, root: Path):
        self.arguments = (seed, kinds, seeds, root / f"worker{number}")
        self.arguments[-1].mkdir()
        self.process = None

    def run(self, case: int) -> tuple[int, str, str, str]:
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, other = context.Pipe()
            self.process = context.Process(target=_work, args=(other, *self.arguments), daemon=True)
            self.process.start()
            other.close()
            limit = 120.0  # the first case imports everything
        else:
            limit = 3 * LONGEST_S
        self.pipe.send(case)
        if not self.pipe.poll(limit):
            return self._ended(case, "hang", f"more than {limit:.0f} s")
        try:
            return self.pipe.recv()
        except EOFError:
            return self._ended(case, "crash", "")

    def _ended(self, case: int, what: str, words: str) -> tuple[int, str, str, str]:
        self.process.kill()
        self.process.join()
        words = words or f"exit code {self.process.exitcode}"
        self.process = None
        return case, "?", what, words

    def close(self) -> None:
        if self.process is not None:
            self.pipe.send(None)
            self.process.join()


def fuzz(count: int, seed: int, kinds: list[str] | None = None, first: int = 0, on_case=None) -> list[tuple]:
    """(case, kind, outcome, words) of ``count`` cases from number ``first`` on."""
    from seeds import make

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "seeds").mkdir()
        chosen = [kind for kind in SHARES if not kinds or kind in kinds]
        made = make(root / "seeds", WEIGHTS if "weights" in chosen and WEIGHTS.is_dir() else None)
        chosen = [kind for kind in chosen if kind in made]
        worker = Worker(0, seed, chosen, made, root)
        results = []
        with contextlib.closing(worker):
            for case in range(first, first + count):
                results.append(worker.run(case))
                if on_case:
                    on_case(results[-1])
        return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--kind", action="append", choices=list(SHARES))
    asked = parser.parse_args()

    def tell(result) -> None:
        if result[2] not in RIGHT:
            print(
                f"case {result[0]} ({result[1]}): {result[2]}: {' '.join(result[3].split())[:300]}",
                flush=True,
            )

    begin = time.perf_counter()
    results = fuzz(asked.count, asked.seed, asked.kind, asked.first, tell)
    counts = Counter((kind, what) for _, kind, what, _ in results)
    for (kind, what), number in sorted(counts.items()):
        print(f"{kind:14} {what:14} {number:6}")
    wrong = sum(number for (_, what), number in counts.items() if what not in RIGHT)
    print(f"{len(results)} cases, seed {asked.seed}, {time.perf_counter() - begin:.0f} s: {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

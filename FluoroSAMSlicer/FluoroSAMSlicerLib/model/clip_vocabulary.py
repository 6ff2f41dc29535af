"""CLIP's byte-pair vocabulary from the files that people have of it."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from pathlib import Path

from .errors import TokenError

START, END = "<|startoftext|>", "<|endoftext|>"
SIMPLE = "bpe_simple_vocab_16e6.txt.gz"
MERGES = 49152 - 256 - 2
"""Merges that CLIP takes from its file, which holds many more: its entries less the single bytes."""

FOLDER_VARIABLE = "FLUOROSAM_CLIP_VOCABULARY"
MODEL_ON_HUB = "openai/clip-vit-base-patch32"

Merges = list[tuple[str, str]]


def find_clip_vocabulary(*folders: Path) -> Path | None:
    """The first folder that holds a file of CLIP's vocabulary: ``folders``, then what the machine has of it.

    That is the folder named by ``FLUOROSAM_CLIP_VOCABULARY``, an installed ``open_clip`` or ``clip``, and
    Hugging Face's local cache. Nothing is downloaded or imported, and the files are not read.
    """
    for folder in (*folders, *_elsewhere()):
        if any((folder / name).is_file() for name in _READERS):
            return folder
    return None


def vocabulary_advice(folder: Path) -> str:
    """What a user who lacks CLIP's vocabulary can do; ``folder`` is where it is looked for."""
    return (
        f"the published model needs CLIP's vocabulary to read text; get vocab.json and merges.txt from "
        f"https://huggingface.co/{MODEL_ON_HUB} (2 MB), or {SIMPLE} from https://github.com/openai/CLIP, "
        f"and put them into {folder}; clicks and boxes work without"
    )


def read_clip_vocabulary(folder: Path) -> tuple[dict[str, int], Merges]:
    """Entries with their ids, and merges in order of rank.

    Raises :class:`TokenError` if the folder holds none of the known files, or a damaged one.
    """
    for name, read in _READERS.items():
        if not (folder / name).is_file():
            continue
        try:
            vocabulary, merges = read(folder / name)
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise TokenError(f"{folder / name}: CLIP's vocabulary cannot be read ({problem})") from problem
        if START not in vocabulary or END not in vocabulary:
            raise TokenError(f"{folder / name}: is not CLIP's vocabulary")
        return vocabulary, merges
    raise TokenError(f"{folder}: no vocabulary is here; {vocabulary_advice(folder)}")


def write_clip_vocabulary(folder: Path, vocabulary: dict[str, int], merges: Merges) -> tuple[Path, Path]:
    """Write ``vocab.json`` and ``merges.txt``, on disk when this returns, whatever form they were read from."""
    entries, rules = folder / "vocab.json", folder / "merges.txt"
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    contents = {entries: json.dumps(vocabulary, ensure_ascii=False), rules: "\n".join(lines) + "\n"}
    for path, content in contents.items():
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    return entries, rules


def _elsewhere() -> list[Path]:
    """Places outside the model's own folder that may hold CLIP's vocabulary."""
    places = [Path(os.environ[FOLDER_VARIABLE])] if os.environ.get(FOLDER_VARIABLE) else []
    for package in ("open_clip", "clip"):
        found = importlib.util.find_spec(package)
        places += map(Path, found.submodule_search_locations or ()) if found else ()
    from huggingface_hub import try_to_load_from_cache

    for name in ("vocab.json", "tokenizer.json"):
        cached = try_to_load_from_cache(MODEL_ON_HUB, name)
        places += [Path(cached).parent] if isinstance(cached, str) else []
    return places


def _tokenizer_json(path: Path) -> tuple[dict[str, int], Merges]:
    content = json.loads(path.read_text(encoding="utf-8"))
    merges = [m.split(" ") if isinstance(m, str) else m for m in content["model"]["merges"]]
    return content["model"]["vocab"], [(a, b) for a, b in merges]


def _vocabulary_json(path: Path) -> tuple[dict[str, int], Merges]:
    lines = (path.parent / "merges.txt").read_text(encoding="utf-8").splitlines()
    return json.loads(path.read_text(encoding="utf-8")), _pairs(lines)


def _simple(path: Path) -> tuple[dict[str, int], Merges]:
    """CLIP's own file lists merges only; the entries follow from them, single bytes first."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        merges = _pairs(file.read().splitlines())[:MERGES]
    letters = _byte_letters()
    entries = [*letters, *(letter + "</w>" for letter in letters), *(a + b for a, b in merges), START, END]
    return {entry: number for number, entry in enumerate(entries)}, merges


def _pairs(lines: list[str]) -> Merges:
    """Merge rules "a b"; the first line of the file is a version note."""
    return [(a, b) for a, b in (line.split() for line in lines[1:] if line.strip())]


def _byte_letters() -> list[str]:
    """The letter for each byte: printable bytes stand for themselves, the rest follow from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printable)
    return [chr(b) for b in printable] + [chr(0x100 + n) for n in range(others)]


_READERS = {"tokenizer.json": _tokenizer_json, "vocab.json": _vocabulary_json, SIMPLE: _simple}

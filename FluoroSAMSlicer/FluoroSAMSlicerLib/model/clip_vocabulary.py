"""CLIP's byte-pair vocabulary from the files that people have of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from .errors import TokenError

START, END = "<|startoftext|>", "<|endoftext|>"
SIMPLE = "bpe_simple_vocab_16e6.txt.gz"
MERGES = 49152 - 256 - 2
"""Merges that CLIP takes from its file, which holds many more: its entries less the single bytes."""

Merges = list[tuple[str, str]]


def read_clip_vocabulary(folder: Path) -> tuple[dict[str, int], Merges]:
    """Entries with their ids, and merges in order of rank.

    Raises :class:`TokenError` if the folder holds none of the known files, or a damaged one.
    """
    readers = {"tokenizer.json": _tokenizer_json, "vocab.json": _vocabulary_json, SIMPLE: _simple}
    for name, read in readers.items():
        if not (folder / name).is_file():
            continue
        try:
            vocabulary, merges = read(folder / name)
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise TokenError(f"{folder / name}: CLIP's vocabulary cannot be read ({problem})") from problem
        if START not in vocabulary or END not in vocabulary:
            raise TokenError(f"{folder / name}: is not CLIP's vocabulary")
        return vocabulary, merges
    raise TokenError(
        f"{folder}: the published model needs CLIP's vocabulary to read text; put vocab.json and merges.txt "
        f"(from openai/clip-vit-base-patch32), or {SIMPLE}, into this folder"
    )


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

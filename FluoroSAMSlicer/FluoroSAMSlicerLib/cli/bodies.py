"""CT and label map files as they are given on the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from .failures import Failure


def pairs(cts: Sequence[Path], labels: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each CT with its label map, in the order given; click.UsageError if their numbers differ."""
    if len(cts) != len(labels):
        raise click.UsageError(f"{len(cts)} CT and {len(labels)} --labels were given; every CT needs its own")
    return list(zip(cts, labels, strict=True))


def names_file(labels: Path, names: Path | None) -> Path:
    """Where the names of the label values stand: ``names``, or beside the label map with the ending .json."""
    return names or labels.with_name(labels.name.split(".")[0] + ".json")


def label_names(path: Path) -> dict[str, tuple[int, ...]]:
    """Label values by structure, from ``{"labels": [{"value": 1, "text": "liver"}, ...]}``.

    What the vocabulary does not know keeps the name it has there. Raises Failure.
    """
    from ..anatomy import label_structure

    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["labels"]
        pairs = [(int(entry["value"]), str(entry["text"])) for entry in entries]
    except OSError as error:
        raise Failure(
            f"{path}: the names of the labels cannot be read ({error.strerror or error}); give them by --names"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(
            f'{path}: is not of the form {{"labels": [{{"value": 1, "text": "liver"}}]}}'
        ) from error
    names: dict[str, list[int]] = {}
    for value, text in pairs:
        names.setdefault(label_structure(text) or text, []).append(value)
    return {name: tuple(values) for name, values in names.items()}

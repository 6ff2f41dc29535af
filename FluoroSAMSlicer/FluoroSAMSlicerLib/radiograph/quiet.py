"""Keeping what C libraries print away from the user, who gets one line of ours instead."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CAUSES = (
    ("it is of no kind that is read here", ("unable to determine imageio", "no image io", "create io")),
    ("its axes are not at right angles", ("orthonormal", "direction cosines", "determinant")),
    ("its data are compressed in a way, or by a library, that is not here", ("encoding not", "compression")),
    (
        "it is truncated, or its data are damaged",
        ("eof", "expected", "data read", "trunc", "short", "cannot be read"),
    ),
)
"""What errors of ITK come down to, by words that occur in them."""
_lock = threading.Lock()
_depth = 0
_kept: int | None = None


@contextmanager
def libraries_silent() -> Iterator[None]:
    """Send the process's stderr (file descriptor 2) nowhere while a decoder runs.

    libjpeg, libpng, libtiff, OpenJPEG, ITK and Rust's panics write there, past Python. May be nested and used by
    several threads; where there is no such descriptor, as in programs without a console, nothing is done.
    """
    global _depth, _kept
    with _lock:
        _depth += 1
        if _depth == 1:
            _kept = _redirected()
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0 and _kept is not None:
                _flush()
                os.dup2(_kept, 2)
                os.close(_kept)
                _kept = None


def itk_cause(error: RuntimeError) -> str:
    """The cause of an error of SimpleITK in words of ours; its own lines name source files and addresses."""
    text = re.sub(r'"[^"]*"|\S*[/\\]\S*', "", str(error)).lower()  # without paths
    for cause, words in CAUSES:
        if any(word in text for word in words):
            return cause
    return "its header or its data are damaged"


def _redirected() -> int | None:
    """A copy of descriptor 2, which goes nowhere from now on; None where that cannot be."""
    _flush()
    try:
        kept = os.dup(2)
    except OSError:
        return None
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    except OSError:
        os.close(kept)
        return None
    return kept


def _flush() -> None:
    with suppress(Exception):
        sys.stderr.flush()

"""Keeping what C libraries print away from the user, who gets one line of ours instead."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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

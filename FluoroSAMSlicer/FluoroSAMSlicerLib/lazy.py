"""Names of a room that need torch are imported when first used."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module


def lazy_name(package: str, home: Mapping[str, str], name: str) -> object:
    """``name`` of ``package`` from its module ``home[name]``. Raises AttributeError for a name not in ``home``."""
    if name not in home:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    with heavy_imports():
        return getattr(import_module(f".{home[name]}", package), name)


@contextmanager
def heavy_imports() -> Iterator[None]:
    """What torch and transformers are imported within."""
    # OpenMP reads this when torch loads. Threads that wait spinning make an image take 40 times as long on a
    # processor that has other work to do; threads that sleep cost nothing measurable on an idle one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The imports make hundreds of thousands of objects that stay: looking through them again and again for
    # garbage takes a quarter of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()

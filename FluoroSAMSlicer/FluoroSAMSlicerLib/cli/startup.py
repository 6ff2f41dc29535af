"""How a program that runs for seconds starts in few of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..lazy import heavy_imports


@contextmanager
def without_distribution() -> Iterator[None]:
    """Import transformers within, and it leaves out what it has for several machines.

    That is a tenth of the import; transformers does without where torch was built without it. Only for a
    process that is ours alone and computes alone.
    """
    with heavy_imports():
        import torch.distributed

        available = torch.distributed.is_available
        torch.distributed.is_available = lambda: False
        try:
            yield
        finally:
            torch.distributed.is_available = available

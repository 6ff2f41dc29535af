"""How a program that runs for seconds starts in few of them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from ..lazy import heavy_imports


@contextmanager
def quick_start() -> Iterator[None]:
    """What transformers is imported within, by a process that is ours alone and computes alone.

    It leaves out what it has for several machines, a tenth of the import, as it does where torch was built
    without that.
    """
    with heavy_imports():
        import torch.distributed

        available = torch.distributed.is_available
        torch.distributed.is_available = lambda: False
        try:
            yield
        finally:
            torch.distributed.is_available = available
            # What has been imported stays to the end: it need not be searched for garbage.
            gc.freeze()

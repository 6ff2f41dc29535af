"""Numba kernels that compile once a machine where a cache folder can be written, else once a process."""

from __future__ import annotations

from collections.abc import Callable

from .errors import DRRError


def compiled(function: Callable, check: Callable | None = None, **options) -> Callable:
    """``function`` compiled without the GIL; ``check`` runs it once, so that a bad cache shows at once.

    Raises DRRError where numba is not installed.
    """
    try:
        import numba
    except ModuleNotFoundError as error:
        raise DRRError("this needs numba: pip install numba") from error
    for cache in ({"cache": True}, {}):
        try:
            kernel = numba.njit(nogil=True, error_model="numpy", **options, **cache)(function)
            if check is not None:
                check(kernel)
            return kernel
        except Exception:  # a cache that is unwritable, full or damaged fails in many ways
            if not cache:
                raise
    raise AssertionError("unreachable")

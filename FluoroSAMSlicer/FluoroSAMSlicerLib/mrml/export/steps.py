"""Exports in two steps: what they need is taken from the scene, and files are written, on any thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper


class Export:
    """An export as one call, for scripts; ``prepare`` of the same arguments takes what is needed from the scene and
    returns what is left to do: a function without arguments that touches no node and returns what was written.

    Made of that ``prepare`` by decoration.
    """

    def __init__(self, prepare: Callable[..., Callable]) -> None:
        self.prepare = prepare
        update_wrapper(self, prepare)

    def __call__(self, *args, **named):
        return self.prepare(*args, **named)()

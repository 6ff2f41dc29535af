"""The command line: ``fluorosam``, one verb a file. Importing it loads click and nothing heavier."""

from __future__ import annotations

from .program import program as main

__all__ = ["main"]

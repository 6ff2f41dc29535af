"""What can go wrong with a run, in words for the user."""

from __future__ import annotations


class RunError(Exception):
    """A run cannot be read or followed; the message says why and what to do."""

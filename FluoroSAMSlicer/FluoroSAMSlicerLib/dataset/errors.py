"""What goes wrong with training sets and labels."""

from __future__ import annotations


class DatasetError(Exception):
    """A training set that cannot be made, written or read; the message says what to change."""

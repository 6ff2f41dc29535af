"""Training sets: labelled bodies, their random variation and views, and samples on disk."""

from __future__ import annotations

from .body import Body, DatasetError
from .generation import generate
from .sample import Sample
from .shards import ShardReader, ShardWriter
from .views import View, random_view
from .warp import Warp

__all__ = [
    "Body",
    "DatasetError",
    "Sample",
    "ShardReader",
    "ShardWriter",
    "View",
    "Warp",
    "generate",
    "random_view",
]

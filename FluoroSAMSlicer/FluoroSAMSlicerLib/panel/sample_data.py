"""The sample radiograph in Slicer's Sample Data module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

CATEGORY = "FluoroSAM"
NAME = "ChestRadiograph"


def register_sample(resources: Path, load: Callable[[Path], object]) -> None:
    """Offer the bundled radiograph; ``load(path)`` adds it to the scene. Nothing is downloaded."""
    import SampleData

    sample = resources / "SampleData" / "chest_drr.dcm"
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris=sample.as_uri(),
        fileNames=sample.name,
        nodeNames=_("chest radiograph"),
        thumbnailFileName=str(resources / "SampleData" / "chest_drr.png"),
        customDownloader=lambda _source: [load(sample)],
    )

"""Training sets from labelled CT, in two forms.

A *set* is for anyone: rendered images with masks, names, geometry and physics, which ``write_set`` makes and
``read_set`` opens.

    sources = [CTSource("ct.nii.gz", "segmentations.nii.gz")]
    settings = SetSettings(count=1000, seed=1)
    planned = plan(sources, settings)[0]                     # what image 0 will be
    image = render(sources[0].load(), planned, settings)     # the image itself, for a preview
    write_set(sources, settings, "set", engine=local_processes(4), workers=4)
    image = read_set("set")[0]

*Shards* are for the training of the bundled model: area densities of randomly deformed bodies, which get
their beam and detector only while training (``generate``, ``ShardReader``).

Either can be trained on: ``open_training_images``.
"""

from __future__ import annotations

from .body import Body
from .cluster import dask_cluster
from .engines import in_this_process, local_processes
from .errors import DatasetError
from .generation import generate
from .label_names import read_names
from .labelled_ct import CTSource, LabelledCT
from .plan import Plan, PlannedImage, plan
from .reading import SetImage, TrainingSet, read_set
from .rendering import RenderedImage, render
from .sample import Sample
from .set_reader import SetReader, open_training_images
from .settings import SetSettings
from .shards import ShardReader, ShardWriter
from .views import View, random_view
from .warp import Warp
from .writing import Progress, SetReport, write_set

__all__ = [
    "Body",
    "CTSource",
    "DatasetError",
    "LabelledCT",
    "Plan",
    "PlannedImage",
    "RenderedImage",
    "Progress",
    "Sample",
    "SetImage",
    "SetReader",
    "SetReport",
    "SetSettings",
    "ShardReader",
    "ShardWriter",
    "TrainingSet",
    "View",
    "Warp",
    "dask_cluster",
    "generate",
    "in_this_process",
    "local_processes",
    "open_training_images",
    "plan",
    "random_view",
    "read_names",
    "read_set",
    "render",
    "write_set",
]

"""Make a training set: bodies in, shards of samples out; resumable, deterministic by seed."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..anatomy import vocabulary
from ..drr import CTVolume, LabelVolume, ProjectionGeometry, project
from .body import Body
from .masks import MaskRule
from .sample import Sample
from .shards import ShardWriter
from .views import Region, random_view, regions_of
from .warp import Warp

SAMPLES_PER_SHARD = 24


def generate(
    bodies: Sequence[Body],
    folder: Path | str,
    shards_per_body: int | Sequence[int],
    seed: int,
    pixels: int = 256,
    on_shard: Callable[[Path], None] | None = None,
    first_shard: int = 0,
) -> None:
    """Render shards of random views of randomly varied bodies into ``folder``.

    A shard holds the views of one variation of one body and depends on ``seed``, the body's name and the
    shard's number only; shards that exist are kept. Raises :class:`DatasetError` on a disk that refuses.
    """
    writer = ShardWriter(folder)
    counts = [shards_per_body] * len(bodies) if isinstance(shards_per_body, int) else list(shards_per_body)
    regions = {body.name: regions_of(body) for body in bodies}
    for number in range(first_shard, max(counts, default=0)):
        for body, count in zip(bodies, counts, strict=True):
            name = f"{number:05d}-{body.name}"
            if number >= count or writer.path(name).exists():
                continue
            rng = np.random.default_rng([seed, number, zlib.crc32(body.name.encode())])
            path = writer.write(name, vary(body, regions[body.name], rng, pixels))
            if on_shard:
                on_shard(path)


def vary(
    body: Body, regions: list[tuple[Region, np.ndarray]], rng: np.random.Generator, pixels: int
) -> list[Sample]:
    """``SAMPLES_PER_SHARD`` views of one random variation of a body."""
    mirror = rng.random() < (0.5 if one_sided(body) else 0.2)
    warp = Warp.random(body, rng, mirror)
    gain, shift = random_tissue(body, rng)
    warped = warp.apply(body, max(1.0, 1.3 * float(body.spacing.min())), shift, gain)
    ct = CTVolume(warped.hu, origin=warped.origin, spacing=warped.spacing)
    labels = LabelVolume(warped.labels, origin=warped.origin, spacing=warped.spacing)
    samples = []
    for _ in range(SAMPLES_PER_SHARD):
        view = random_view(body, regions, warp, rng, pixels)
        projection = project(ct, view.geometry, labels=labels, materials=True)
        samples.append(
            Sample(
                density=np.stack([projection.area_density["soft"], projection.area_density["bone"]]),
                masks=structure_masks(warped, projection.label_values, projection.label_path_mm),
                body=body.name,
                view=view.name,
                geometry=described(view.geometry),
            )
        )
    return samples


def structure_masks(body: Body, values: np.ndarray, path_mm: np.ndarray) -> dict[str, np.ndarray]:
    """Bool (H, W) masks of every structure of ``body`` in view, from path lengths (L, H, W) in mm."""
    return {one.structure: one.mask for one in MaskRule().masks(body.structures, values, path_mm)}


def one_sided(body: Body) -> bool:
    """Whether the body shows paired structures of one side only (a limb): then either side is as likely."""
    sides = {name.partition(" ")[0] for name in body.structures}
    return not {"left", "right"} <= sides


def random_tissue(body: Body, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Gain and shift of HU for each label value: bone density, air in the lungs, every organ a little."""
    size = int(body.labels.max()) + 1
    gain, shift = np.ones(size), rng.normal(0, 12, size)
    bone = rng.uniform(0.6, 1.35)
    lung = {"left": rng.normal(0, 60), "right": rng.normal(0, 60)}
    for name, values in body.structures.items():
        category = vocabulary()[name].category
        if category == "bone":
            gain[list(values)] = bone * rng.normal(1, 0.06)
        elif "lung" in name:
            shift[list(values)] = lung[name.partition(" ")[0]] + rng.normal(0, 25)
    shift[0] = 0
    return gain, shift


def described(geometry: ProjectionGeometry) -> dict:
    """A view as plain numbers (LPS mm), ready for JSON."""
    return {
        field.name: np.asarray(getattr(geometry, field.name), float).tolist()
        for field in dataclasses.fields(geometry)
    }

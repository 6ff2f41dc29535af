"""Previews while dragging, and training sets, on the GPU and on the processors beside it."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

from bodies import labelled, synthetic
from FluoroSAMSlicerLib.dataset import LabelledCT, SetSettings, plan, render
from FluoroSAMSlicerLib.drr import ProjectionGeometry, project


def measure(record, wanted) -> None:
    previews(record, wanted.dry_run)
    subjects = [
        LabelledCT(name, ct, labels, structures)
        for name, (ct, labels, structures) in labelled(wanted.data, wanted.dry_run).items()
    ]
    training_set(record, subjects, wanted.dry_run)


def previews(record, dry_run: bool) -> None:
    ct, _ = synthetic(dry_run)
    pixels, count = (6, 2) if dry_run else (256, 50)
    for projector in ("gpu", "preview"):
        turned = [
            ProjectionGeometry.c_arm(ct.centre, -60 + 2 * n, size=pixels, pixel_mm=384 / pixels)
            for n in range(count)
        ]
        project(ct, turned[0], projector=projector)
        begin = time.perf_counter()
        for geometry in turned:
            project(ct, geometry, projector=projector)
        rate = count / (time.perf_counter() - begin)
        record.add(f"previews of {pixels} x {pixels} by {projector}", rate, "images a second")


def training_set(record, subjects, dry_run: bool) -> None:
    """As ``render`` makes them: projection, physics, masks; files are not written."""
    count, pixels = (2, 16) if dry_run else (2000, 512)
    settings = SetSettings(count, seed=1, size=pixels)
    planned = plan(subjects, settings)
    by_name = {subject.name: subject for subject in subjects}
    planned = sorted(planned, key=lambda one: one.name)
    limit = 10 if dry_run else 45
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    work = partial(one_image, by_name, settings, "gpu")
    work(planned[0])
    with ThreadPoolExecutor(1 if dry_run else min(processors, 8)) as pool:
        made, taken = counted(pool.map(work, planned), limit)
    record.add(
        f"training images of {pixels} x {pixels}, GPU and threads", made / taken, f"a second ({made} made)"
    )
    if dry_run:
        return
    chosen = planned[:: max(1, len(planned) // 400)]
    with ProcessPoolExecutor(processors, get_context("spawn"), _begin, (by_name, settings)) as pool:
        list(pool.map(_work, chosen[: 2 * processors]))
        made, taken = counted(pool.map(_work, chosen), limit)
    record.add(
        f"training images of {pixels} x {pixels}, {processors} processors",
        made / taken,
        f"a second ({made} made)",
    )


def counted(results, limit: float) -> tuple[int, float]:
    """How many came within ``limit`` seconds, and how long they took."""
    begin = time.perf_counter()
    made = 0
    for _ in results:
        made += 1
        if time.perf_counter() - begin > limit:
            break
    return made, time.perf_counter() - begin


def one_image(subjects, settings, projector, planned):
    return len(render(subjects[planned.name], planned, settings, 1, projector).masks)


def _begin(subjects, settings) -> None:
    global _work_of
    _work_of = partial(one_image, subjects, settings, "exact")


def _work(planned):
    return _work_of(planned)

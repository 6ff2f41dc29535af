"""The GPU's projector: right, fast, and beside nanodrr's Triton kernel."""

from __future__ import annotations

import importlib.util
import time
from statistics import median

import numpy as np
from bodies import crossings, labelled, synthetic
from FluoroSAMSlicerLib.drr import ProjectionGeometry, gpu, project, projectors


def measure(record, wanted) -> None:
    correctness(record, wanted)
    ct, labels = synthetic(wanted.dry_run)
    sizes = (8,) if wanted.dry_run else (768, 256, 512, 1024, 1536)
    for pixels in sizes:
        by_outputs(record, ct, labels, pixels, wanted.dry_run)
    if wanted.dry_run:
        return
    if importlib.util.find_spec("nanodrr"):
        for pixels in sizes:
            beside_nanodrr(record, ct, labels, pixels)
    else:
        record.note("nanodrr cannot be imported here: not compared.")


def view(ct, pixels: int, angle: float = 25.0) -> ProjectionGeometry:
    """A detector of 384 mm, as in the CPU benchmark."""
    return ProjectionGeometry.c_arm(
        ct.centre, angle, sdd_mm=1020.0, sid_mm=700.0, pixel_mm=384 / pixels, size=pixels
    )


def correctness(record, wanted) -> None:
    pixels = 6 if wanted.dry_run else 384
    cases = labelled(wanted.data, wanted.dry_run)
    if not wanted.dry_run and len(cases) < 3:
        record.note(f"Only {len(cases)} CTs to be compared on: --data holds no bodies.")
    for name, (ct, labels, _) in cases.items():
        worst = {"image": 0.0, "materials": 0.0, "labels": 0.0, "silhouettes": 0.0}
        for primary, secondary in ((0, 0), (90, 0), (-37, 24)):
            geometry = ProjectionGeometry.c_arm(
                ct.centre, primary, secondary, size=pixels, pixel_mm=384 / pixels
            )
            exact, made = (
                project(ct, geometry, labels, materials=True, projector=p) for p in ("exact", "gpu")
            )
            seen = exact.line_integral > 0.05
            off = np.abs(made.line_integral - exact.line_integral)[seen] / exact.line_integral[seen]
            worst["image"] = max(worst["image"], float(off.max(initial=0)))
            for material, amount in exact.area_density.items():
                error = np.abs(made.area_density[material] - amount).max() / max(amount.max(), 1)
                worst["materials"] = max(worst["materials"], float(error))
            error = float(np.abs(made.label_path_mm - exact.label_path_mm).max())
            worst["labels"] = max(worst["labels"], error)
            met = [p.label_path_mm > 0 for p in (exact, made)]
            longer = np.maximum(exact.label_path_mm, made.label_path_mm)
            differ = (met[0] != met[1]) & (longer > 5e-3)
            worst["silhouettes"] = max(worst["silhouettes"], float(differ.mean()))
        for what, limit, unit in (
            ("image", 1e-5, "of its value at most"), ("materials", 1e-5, "of the largest"),
            ("labels", 5e-3, "mm at most"), ("silhouettes", 1e-4, "of the pixels differ by a path of 0.005 mm"),
        ):  # fmt: skip
            record.add(
                f"{name}: {what} against the exact march",
                worst[what],
                unit,
                f"{limit:g}",
                worst[what] <= limit,
            )


def by_outputs(record, ct, labels, pixels: int, dry_run: bool) -> None:
    """Milliseconds a view on the device, launches included, and with the way back to the host."""
    cuda = gpu._cuda()
    views = [view(ct, pixels, angle) for angle in (0, 25, 50, 75, 100)]
    count, rounds = len(labels.values), 1 if dry_run else 5
    kept = projectors.Tracks(labels, labels.values, np.zeros((count, pixels, pixels), np.float32))
    bits = np.zeros((-(-count // 64), pixels, pixels), np.uint64)
    silhouettes = projectors.Tracks(labels, labels.values, None, bits)
    cases = {
        "image": (False, None),
        "image and materials": (True, None),
        f"image and {count} labels": (False, kept),
        f"image and {count} silhouettes": (False, silhouettes),
        f"image, materials and {count} labels": (True, kept),
    }
    for name, (materials, tracks) in cases.items():
        gpu.march_on_device(ct, views[0], materials, tracks)
        cuda.synchronize()
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            for geometry in views:
                gpu.march_on_device(ct, geometry, materials, tracks)
            cuda.synchronize()
            times.append((time.perf_counter() - begin) / len(views) * 1000)
        goal = {"image": 1.0, f"image and {count} labels": 1.5}.get(name) if pixels == 768 else None
        taken = median(times)
        record.add(
            f"{pixels} x {pixels}, {name}", taken, "ms a view on the device",
            f"{goal} ms" if goal else "", None if goal is None else taken <= goal,
        )  # fmt: skip
        if pixels in (8, 768):
            begin = time.perf_counter()
            for geometry in views[: 1 if dry_run else 3]:
                gpu.march(ct, geometry, materials, tracks)
            each = (time.perf_counter() - begin) / (1 if dry_run else 3) * 1000
            record.add(f"{pixels} x {pixels}, {name}, to the host", each, "ms a view")


def beside_nanodrr(record, ct, labels, pixels: int) -> None:
    """In turns, at as many samples a ray as the exact march meets voxels."""
    import torch

    geometry = view(ct, pixels)
    samples = round(crossings(ct, geometry))
    theirs, shown = nanodrr_renderer(ct, labels, geometry, samples)
    exact = project(ct, geometry, projector="gpu").line_integral
    alike = float(np.corrcoef(shown.ravel(), exact.ravel())[0, 1])
    tracks = projectors.Tracks(labels, labels.values, np.zeros((len(labels.values), 1, 1), np.float32))
    cuda = gpu._cuda()

    def ours():
        gpu.march_on_device(ct, geometry, False, tracks)

    ours()
    ratios, own, other = [], [], []
    for _ in range(7):
        taken = []
        for work in (ours, theirs):
            torch.cuda.synchronize()
            cuda.synchronize()
            begin = time.perf_counter()
            for _ in range(5):
                work()
            torch.cuda.synchronize()
            cuda.synchronize()
            taken.append((time.perf_counter() - begin) / 5 * 1000)
        own.append(taken[0])
        other.append(taken[1])
        ratios.append(taken[1] / taken[0])
    at = f"{pixels} x {pixels}, {len(labels.values)} labels, {samples} samples"
    record.add(f"{at}: own", median(own), "ms")
    record.add(f"{at}: nanodrr", median(other), f"ms (correlation of the images {alike:.5f})")
    record.add(f"{at}: nanodrr / own", median(ratios), "", "1.3", median(ratios) >= 1.3)


def nanodrr_renderer(ct, labels, geometry, samples: int):
    """What renders this view with nanodrr's Triton kernel, and the image (H, W) it gives."""
    import torch
    from nanodrr.data import Subject
    from nanodrr.drr import render

    mu = torch.from_numpy(2e-5 * np.maximum(ct.hu.astype(np.float32) + 1000, 0))[None, None].cuda()
    size = torch.tensor(mu.shape[:-4:-1], dtype=torch.float32)
    to_grid, to_world = torch.eye(4), torch.eye(4)
    to_grid[:3] = torch.cat([torch.diag(2 / size), (1 / size - 1)[:, None]], 1)
    to_world[:3, :3] = torch.diag(torch.from_numpy(ct.spacing.copy()).float())
    classes = torch.from_numpy(labels.labels.astype(np.float32))[None, None].cuda()
    subject = Subject(
        mu, classes, to_world.cuda(), to_world.inverse().cuda(), to_grid.cuda(), torch.zeros(3).cuda(),
        convert_to_mu=False,
    )  # fmt: skip
    width, height = geometry.size
    rows, columns = np.mgrid[:height, :width]
    ends = geometry.pixel_positions(np.stack([columns, rows], -1).reshape(-1, 2))
    source, target = (
        torch.from_numpy(np.atleast_2d(x)).float()[None].cuda() for x in (geometry.source, ends)
    )
    still = torch.eye(4)[None].cuda()

    def work():
        with torch.inference_mode():
            return render(
                subject, None, still, None, height, width, samples, src=source, tgt=target, backend="triton"
            )

    return work, work().sum(1)[0].cpu().numpy()

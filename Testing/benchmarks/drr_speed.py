"""What a projection costs: own projectors and, in the same rounds, plastimatch and RTK.

    python Testing/benchmarks/drr_speed.py [--rounds 3] [--views 0,25,50,75,100] [--rtk-python PYTHON]

CPU seconds an image by one thread, on a synthetic CT of 512 x 512 x 400 voxels with noise and 100 labels seen by
768 x 768 pixels. Peers: ``plastimatch`` where it is on the PATH, its loading taken out as the difference between
all views and one; RTK's Joseph projector where --rtk-python names a Python that has itk-rtk; nanodrr, on the CPU
with 500 samples a ray, where it can be imported (12 GB of memory; only the first view). Every round measures
everything once, so that all meet the same machine; ratios are taken within rounds and their median is printed.
CPU time still rises by half where another thread shares the core: trust the ratios.

Tried for the exact march on an AMD processor (Zen 4) and no faster, as shares of the time it took before: three
pieces a slab without branches (image 1.42), changes of label noted without branches (labels 1.02), rows of voxels
padded to no power of two (image 1.00, labels 1.02), marks on one side of a surface alone (labels 1.01), or by face
in the low bits (labels 1.01). With all voxels of one colour the march with labels still took 1.15 of the image,
with the colours 1.25: the rest is what a changing colour costs.

What helped there, all three together (image 0.95 of its time, with a hundred labels 0.78): label planes whose memory
is taken a page of 4 KB at a time instead of 2 MB, since most of a plane stays zero; where the colour changes, voxel
and place side by side in one array; and voxels read ahead of a tile whose rays run along rows. Image with a hundred
labels 1.50 to 1.23-1.26 of the image, exact march 4.0 to 4.05 times plastimatch. Not reached: 1.15, and 4.5. A
hundred silhouettes, which have hardly any planes, take 1.22: what is left is in the loop.

Where the image's time goes, with all voxels held in the nearest cache 0.73 of it, with one slice for all 0.78, and
for the ends of rays without the march between them 0.07. Of what labels add, 0.24 to 0.25 of the image once planes
are in memory and events side by side, half is what the loop does though no colour changes, 0.05 leaving it where one
does, 0.04 reading labels, and 0.04 adding lengths up. Tried then, as shares of the time before: the next
plane chosen without branches (image 1.12, labels 1.08), rare branches told to the compiler (image 0.99 to 1.05,
labels 1.01 to 1.02), the loop ended by the voxel's place and not by a count (image 0.98, labels 1.10 to 1.18), the
change of colour noted inside the loop (labels 1.19), the room for colours known when compiling (labels 1.19, as
compilers then move the loop's sums), marks in the sign of a voxel in place of colours, on both sides of a surface or
below it (labels 1.04), and lines read ahead for rays across rows too (those views, image 1.05 to 1.11).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume, ProjectionGeometry, project, projectors
from FluoroSAMSlicerLib.drr.colours import coloured

SPACING = np.array([0.8, 0.8, 1.0])
SDD_MM, SID_MM, PIXELS, PIXEL_MM = 1020.0, 700.0, 768, 0.5

RTK = """
import sys, time, itk, numpy as np
from itk import RTK as rtk
path, pixels, pixel, sid, sdd, *angles = sys.argv[1:]
hu = itk.imread(path)
mu = np.maximum(itk.array_view_from_image(hu).astype(np.float32) + 1000, 0) * np.float32(2e-5)
volume = itk.image_from_array(np.ascontiguousarray(mu.transpose(1, 0, 2)))  # RTK turns about its second axis
spacing = [hu.GetSpacing()[axis] for axis in (0, 2, 1)]
volume.SetSpacing(spacing)
volume.SetOrigin([-(n - 1) / 2 * s for n, s in zip(itk.size(volume), spacing)])
kind = itk.Image[itk.F, 3]
for angle in angles:
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    geometry.AddProjection(float(sid), float(sdd), float(angle))
    half = (int(pixels) - 1) / 2 * float(pixel)
    empty = rtk.ConstantImageSource[kind].New(
        Size=[int(pixels), int(pixels), 1], Spacing=[float(pixel), float(pixel), 1.0], Origin=[-half, -half, 0.0])
    empty.Update()
    joseph = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
    joseph.SetGeometry(geometry)
    joseph.SetInput(0, empty.GetOutput())
    joseph.SetInput(1, volume)
    begin = time.process_time()
    joseph.Update()
    print("cpu", time.process_time() - begin, flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--views", default="0,25,50,75,100", help="gantry angles in degrees, comma-separated")
    parser.add_argument("--rtk-python", help="a Python interpreter with itk-rtk")
    parser.add_argument("--no-plastimatch", action="store_true")
    parser.add_argument("--only", help="the measures to take, as printed, divided by semicolons")
    wanted = parser.parse_args()
    angles = [float(angle) for angle in wanted.views.split(",")]
    os.environ.update(OMP_NUM_THREADS="1", ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS="1")

    hu, labels = phantom()
    ct, label_map = CTVolume(hu, spacing=SPACING), LabelVolume(labels, spacing=SPACING)
    views = [view(ct, angle) for angle in angles]
    check_accuracy(ct, views)
    begin = time.process_time()
    ct.sideways  # noqa: B018
    print(f"once a CT, before its first fast lateral view: {time.process_time() - begin:.2f} CPU-s")
    begin = time.process_time()
    coloured(label_map, ct)
    print(f"once a CT and label map, before its first exact view: {time.process_time() - begin:.2f} CPU-s")
    measures = own_measures(ct, label_map, views)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ct.mha"
        image = sitk.GetImageFromArray(hu)
        image.SetSpacing(SPACING.tolist())
        image.SetOrigin((-(np.array(hu.shape[::-1]) - 1) / 2 * SPACING).tolist())
        sitk.WriteImage(image, str(path))
        if not wanted.no_plastimatch and shutil.which("plastimatch"):
            measures["plastimatch, exact"] = lambda: plastimatch(path, angles)
        if wanted.rtk_python:
            measures["RTK, Joseph"] = lambda: rtk(wanted.rtk_python, path, angles)
        if importlib.util.find_spec("nanodrr"):
            measures["nanodrr, 100 labels"] = lambda: nanodrr(ct, label_map, views[0])
        if wanted.only:
            measures = {name: measures[name] for name in ("exact", *wanted.only.split(";"))}
        seconds = defaultdict(list)
        for number in range(wanted.rounds):
            for name, measure in measures.items():
                seconds[name].append(measure())
                print(f"round {number + 1}  {name:32s} {seconds[name][-1]:8.3f} CPU-s", flush=True)
    report(seconds)


def phantom(shape=(400, 512, 512), structures=100) -> tuple[np.ndarray, np.ndarray]:
    """(HU int16, labels uint16), (K, J, I): an elliptic body of flesh with ellipsoids in it, noise everywhere."""
    rng = np.random.default_rng(1)
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    hu = rng.normal(-990, 15, shape).astype(np.int16)
    body = np.broadcast_to((x / 0.85) ** 2 + (y[:, None] / 0.6) ** 2 < 1, shape)
    hu[body] = rng.normal(40, 25, int(body.sum())).astype(np.int16)
    labels = np.zeros(shape, np.uint16)
    for value in range(1, structures + 1):
        centre, radius = rng.uniform([-0.9, -0.45, -0.65], [0.9, 0.45, 0.65]), rng.uniform(0.05, 0.2, 3)
        low = np.maximum(((centre - radius + 1) / 2 * np.array(shape)).astype(int), 0)
        high = np.minimum(((centre + radius + 1) / 2 * np.array(shape)).astype(int) + 2, shape)
        part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        away = [
            ((axis[s] - c) / r) ** 2 for axis, s, c, r in zip((z, y, x), part, centre, radius, strict=True)
        ]
        inside = away[0][:, None, None] + away[1][:, None] + away[2] < 1
        hu[part][inside] = rng.normal(rng.choice([-800, 60, 100, 500, 900]), 25, int(inside.sum())).astype(
            np.int16
        )
        labels[part][inside] = value
    return hu, labels


def view(ct: CTVolume, angle: float) -> ProjectionGeometry:
    return ProjectionGeometry.c_arm(
        ct.centre, angle, sdd_mm=SDD_MM, sid_mm=SID_MM, pixel_mm=PIXEL_MM, size=PIXELS
    )


def own_measures(ct, labels, views) -> dict:
    def measure(name, **settings):
        small = views[0].resized(8)
        project(ct, small, threads=1, **settings)  # compiles

        def run() -> float:
            begin = time.process_time()
            for geometry in views:
                project(ct, geometry, threads=1, **settings)
            return (time.process_time() - begin) / len(views)

        return run

    alone = LabelVolume(labels.labels, spacing=SPACING)

    def labels_alone() -> float:
        """The march over the label map without the image."""
        path = np.zeros((len(alone.values), PIXELS, PIXELS), np.float32)
        tracks = projectors.Tracks(alone, alone.values, path)
        begin = time.process_time()
        for geometry in views:
            projectors.march(None, geometry, False, tracks, 1)
        return (time.process_time() - begin) / len(views)

    return {
        "exact": measure("exact"),
        "exact, 3 materials": measure("materials", materials=True),
        "exact, 100 labels": measure("labels", labels=labels),
        "exact, 100 labels alone": labels_alone,
        "exact, 100 silhouettes": measure("silhouettes", labels=labels, silhouettes=True),
        "fast": measure("fast", projector="fast"),
        "preview": measure("preview", projector="preview"),
    }


def plastimatch(path: Path, angles: list[float]) -> float:
    """CPU seconds an image; one view of loading and rendering is taken off."""
    spacing = angles[1] - angles[0] if len(angles) > 1 else 25
    count = max(len(angles), 2)

    def run(views: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [
                "plastimatch", "drr", "-t", "pfm", "-i", "exact", "-a", str(views), "-N", str(spacing),
                "-r", f"{PIXELS} {PIXELS}", "-z", f"{PIXELS * PIXEL_MM:g} {PIXELS * PIXEL_MM:g}",
                "--sad", f"{SID_MM:g}", "--sid", f"{SDD_MM:g}", "-O", str(path.with_name("p")), str(path),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return (run(count) - run(1)) / (count - 1)


def rtk(python: str, path: Path, angles: list[float]) -> float:
    result = subprocess.run(
        [python, "-c", RTK, str(path), *map(str, (PIXELS, PIXEL_MM, SID_MM, SDD_MM, *angles))],
        capture_output=True,
        text=True,
    )
    if result.returncode:
        sys.exit(f"RTK failed: {result.stderr[-500:]}")
    times = [float(line.split()[1]) for line in result.stdout.splitlines() if line.startswith("cpu")]
    return sum(times) / len(times)


def nanodrr(ct: CTVolume, labels: LabelVolume, geometry: ProjectionGeometry, samples: int = 500) -> float:
    import torch
    from nanodrr.data import Subject
    from nanodrr.drr import render

    torch.set_num_threads(1)
    mu = torch.from_numpy(2e-5 * np.maximum(ct.hu.astype(np.float32) + 1000, 0))[None, None]
    size = torch.tensor(mu.shape[:-4:-1], dtype=torch.float32)
    to_grid, to_world = torch.eye(4), torch.eye(4)
    to_grid[:3] = torch.cat([torch.diag(2 / size), (1 / size - 1)[:, None]], 1)
    to_world[:3, :3] = torch.diag(torch.from_numpy(SPACING).float())
    classes = torch.from_numpy(labels.labels.astype(np.float32))[None, None]
    subject = Subject(mu, classes, to_world, to_world.inverse(), to_grid, torch.zeros(3), convert_to_mu=False)
    rows, columns = np.mgrid[:PIXELS, :PIXELS]
    ends = geometry.pixel_positions(np.stack([columns, rows], -1).reshape(-1, 2))
    source, target = (torch.from_numpy(np.atleast_2d(x)).float()[None] for x in (geometry.source, ends))
    begin = time.process_time()
    with torch.inference_mode():
        paths = render(
            subject, None, torch.eye(4)[None], None, PIXELS, PIXELS, samples, src=source, tgt=target,
            backend="torch",
        )  # fmt: skip
    spent = time.process_time() - begin
    exact = project(ct, geometry, threads=1).line_integral
    both = np.corrcoef(paths.sum(1).numpy().ravel(), exact.ravel())[0, 1]
    assert both > 0.99, f"nanodrr shows something else (correlation {both:.3f})"
    return spent


def check_accuracy(ct: CTVolume, views: list[ProjectionGeometry], rays: int = 150) -> None:
    """Print errors against Siddon's sorted sum in float64, on rays scattered over every view."""
    rng = np.random.default_rng(0)
    errors = defaultdict(list)
    for geometry in views:
        pixels = rng.integers(0, PIXELS, (rays, 2))
        reference = np.array([siddon(ct, geometry, pixel) for pixel in pixels])
        seen = reference > 0.05
        for name in ("exact", "fast", "preview"):
            image = project(ct, geometry, threads=1, projector=name).line_integral[pixels[:, 1], pixels[:, 0]]
            errors[name].append((image[seen], reference[seen]))
    for name, found in errors.items():
        image, reference = (np.concatenate(part) for part in zip(*found, strict=True))
        relative, rms = np.abs(image / reference - 1), np.sqrt(((image - reference) ** 2).mean())
        print(
            f"{name}: mean relative error {relative.mean():.1e} (largest {relative.max():.1e}), "
            f"rms {rms / reference.mean():.1e} of the mean, {len(reference)} rays"
        )


def siddon(ct: CTVolume, geometry: ProjectionGeometry, pixel) -> float:
    start = ct.grid.world_to_index(geometry.source) + 0.5
    end = ct.grid.world_to_index(geometry.pixel_positions(pixel)) + 0.5
    size = np.array(ct.hu.shape[::-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        cuts = [(np.arange(n + 1) - a) / (b - a) for n, a, b in zip(size, start, end, strict=True)]
    cuts = np.concatenate([[0, 1], *cuts])
    cuts = np.sort(cuts[np.isfinite(cuts) & (cuts >= 0) & (cuts <= 1)])
    voxels = np.floor(start + (cuts[1:] + cuts[:-1])[:, None] / 2 * (end - start)).astype(int)
    inside = ((voxels >= 0) & (voxels < size)).all(axis=1)
    i, j, k = voxels[inside].T
    length = np.linalg.norm(geometry.pixel_positions(pixel) - geometry.source)
    mu = 2e-5 * np.maximum(ct.hu[k, j, i].astype(np.float64) + 1000, 0)
    return float((np.diff(cuts)[inside] * mu).sum() * length)


def report(seconds: dict[str, list[float]]) -> None:
    peers = [name for name in seconds if "," in name and not name.startswith("exact")]
    print(
        f"\n{'CPU seconds an image':34s}{'median':>8s}"
        + "".join(f"{'x less than ' + name:>34s}" for name in peers)
    )
    for name, times in seconds.items():
        ratios = [median(p / t for p, t in zip(seconds[peer], times, strict=True)) for peer in peers]
        print(f"{name:34s}{median(times):8.3f}" + "".join(f"{ratio:34.2f}" for ratio in ratios))
    for name in [name for name in ("exact, 100 labels", "exact, 100 labels alone") if name in seconds]:
        more = median(a / b for a, b in zip(seconds[name], seconds["exact"], strict=True))
        print(f"{name}: {more:.2f} x the exact image without labels")


if __name__ == "__main__":
    main()

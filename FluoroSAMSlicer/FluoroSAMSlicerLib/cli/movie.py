"""A movie of a run's pictures, where ffmpeg is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import click

FPS = 15.0
"""Pictures a second of a movie of a run that does not say when its frames were taken; a common fluoroscopy rate."""

EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
"""H.264 in 4:2:0 needs even sides."""


def write_movie(target: Path, pictures: Sequence[Path], times: Sequence[float]) -> Path | None:
    """An MP4 (H.264) of PNG files of one size, as fast as ``times`` (s, one a frame of the run) say on average.

    None where there is no ffmpeg, or where it fails, which is told on stderr.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    rate = 1 / step if step > 0 else FPS
    # Pictures come through a pipe: not every ffmpeg takes a pattern of names, and numbers may be left out.
    command = [program, "-loglevel", "error", "-y", "-f", "image2pipe", "-c:v", "png", "-framerate", f"{rate:g}"]
    command += ["-i", "-", "-vf", EVEN, "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(target)]
    nowhere = subprocess.DEVNULL
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere) as process:
            pipe = cast(IO[bytes], process.stdin)
            for picture in pictures:
                pipe.write(picture.read_bytes())
        done = process.returncode == 0 and target.is_file()
    except OSError:
        done = False
    if not done:
        target.unlink(missing_ok=True)
        click.echo("fluorosam: ffmpeg could not make a movie of the pictures", err=True)
    return target if done else None

"""A movie of a run's pictures."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
from FluoroSAMSlicerLib.cli.movie import FPS, write_movie
from PIL import Image


@pytest.fixture
def pictures(tmp_path):
    """Seven of odd sides, in which a bar moves to the right; a number is left out."""
    made = []
    for number in (1, 2, 3, 5, 6, 7, 8):
        pixels = np.zeros((61, 91, 3), np.uint8)
        pixels[:, number * 10 : number * 10 + 10] = 255
        made.append(tmp_path / f"{number:05d}.png")
        Image.fromarray(pixels).save(made[-1])
    return made


def ffprobe(path) -> dict:
    fields = "stream=codec_name,pix_fmt,width,height,avg_frame_rate,nb_read_frames"
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", fields, "-of", "json", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"][0]


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(("times", "rate"), [((0.0, 0.1, 0.3, 0.4), 7.5), ((), FPS)])
def test_a_movie_has_every_picture_at_the_rate_of_the_run(pictures, tmp_path, times, rate):
    target = write_movie(tmp_path / "run.mp4", pictures, times)
    told = ffprobe(target)
    assert (told["codec_name"], told["pix_fmt"]) == ("h264", "yuv420p")
    assert (told["width"], told["height"], told["nb_read_frames"]) == (92, 62, "7")
    over, under = map(int, told["avg_frame_rate"].split("/"))
    assert over / under == pytest.approx(rate, rel=1e-3)
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(target), str(tmp_path / "back%d.png")], check=True)
    middles = [
        np.asarray(Image.open(tmp_path / f"back{number}.png").convert("L"), float)[30].argmax()
        for number in range(1, 8)
    ]
    assert middles == sorted(middles) and middles[-1] - middles[0] == pytest.approx(70, abs=6)


def test_without_ffmpeg_there_is_no_movie_and_no_word(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert write_movie(tmp_path / "run.mp4", pictures, ()) is None
    assert capsys.readouterr().err == "" and not (tmp_path / "run.mp4").exists()


@pytest.mark.skipif(shutil.which("sh") is None, reason="a program made of a script of the shell")
def test_an_ffmpeg_that_fails_is_told_and_leaves_nothing(pictures, tmp_path, monkeypatch, capsys):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!{shutil.which('sh')}\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert write_movie(tmp_path / "run.mp4", pictures, ()) is None
    assert "could not make a movie" in capsys.readouterr().err and not (tmp_path / "run.mp4").exists()

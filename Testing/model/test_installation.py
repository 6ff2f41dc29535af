"""A published checkpoint is installed whole, with its papers, or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from FluoroSAMSlicerLib.model import (
    CheckpointError,
    FluoroSAMConfig,
    InstallationCancelled,
    InstallationError,
    ModelError,
    TokenError,
    clip_vocabulary,
    install_checkpoint,
    installed_model_folder,
    installed_models,
    load_model,
    load_reference_checkpoint,
    user_model_folder,
    verify_model,
)
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.weights import file_sha256, staging
from safetensors.torch import load_file, save_file


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch) -> Path:
    """An empty model folder, on a machine that has no vocabulary of CLIP anywhere else."""
    monkeypatch.setenv("FLUOROSAM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(clip_vocabulary, "_elsewhere", list)
    return tmp_path / "models"


@pytest.fixture(scope="module")
def config(reference_fixture) -> FluoroSAMConfig:
    return FluoroSAMConfig.from_fixture(json.loads((reference_fixture / "config.json").read_text()))


@pytest.fixture
def published(reference_fixture, tmp_path) -> Path:
    """The fixture's weights as a safetensors file in a folder of its own, like a download."""
    folder = tmp_path / "download"
    folder.mkdir()
    for name in ("weights.safetensors", "config.json"):
        shutil.copyfile(reference_fixture / name, folder / name)
    return folder / "weights.safetensors"


def write_vocabulary(folder: Path, config: FluoroSAMConfig) -> Path:
    """A vocabulary of CLIP's form whose ids fit the fixture's small text encoder."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    entries = [*letters, *(letter + "</w>" for letter in letters), "le", "left</w>"]
    size = config.text.vocabulary
    entries += [f"unused{n}" for n in range(size - 2 - len(entries))] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({entry: n for n, entry in enumerate(entries)}))
    (folder / "merges.txt").write_text("#version: 0.2\nl e\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(folder.rglob("*")) if folder.exists() else []
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


def test_an_installed_model_is_the_published_one_bit_for_bit(published, library):
    installed = install_checkpoint(published)
    assert installed.name == "fixture" and installed.folder == library / "fixture"
    assert installed_models() == ("fixture",)
    ours, theirs = load_model("fixture")[0].state_dict(), load_reference_checkpoint(published).state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    verify_model("fixture")


def test_source_licence_and_date_are_recorded(published):
    before = time.time()
    install_checkpoint(published)
    _, _, provenance = load_model("fixture")
    assert provenance.licence == "CC BY-NC-SA 4.0" and provenance.source == published.name
    assert provenance.details["sha256"] == file_sha256(published)
    assert provenance.details["bytes"] == published.stat().st_size
    from datetime import datetime

    assert abs(datetime.fromisoformat(provenance.details["installed"]).timestamp() - before) < 300
    assert "CC BY-NC-SA 4.0" in (installed_model_folder("fixture") / "LICENCE.txt").read_text()


def test_a_training_checkpoint_gives_the_same_model(published, monkeypatch):
    state = {f"sam.{key}": tensor for key, tensor in load_file(published).items()}
    checkpoint = published.with_name("published.ckpt")
    torch.save(
        {"state_dict": state, "optimizer_states": [{"exp_avg": torch.ones(99)}], "epoch": 1}, checkpoint
    )
    plain = install_checkpoint(published, "plain")
    # A published file carries no configuration; its sizes are those of a published model.
    monkeypatch.setattr(
        "FluoroSAMSlicerLib.model.reference._configuration", lambda *_: load_model("plain")[0].config
    )
    lightning = install_checkpoint(checkpoint, "lightning")
    assert file_sha256(plain.folder / "model.safetensors") == file_sha256(
        lightning.folder / "model.safetensors"
    )


def test_a_predictor_takes_the_installed_name_and_says_so(published, config):
    install_checkpoint(published, "mine")
    with pytest.warns(UserWarning, match="vocab.json and merges.txt"):
        predictor = Predictor.load("mine", device="cpu", threads=1)
    assert predictor.provenance.name == "FluoroSAM fixture"
    assert predictor.version == file_sha256(installed_model_folder("mine") / "model.safetensors")[:12]


def test_a_vocabulary_beside_the_checkpoint_is_installed_with_it(published, config):
    write_vocabulary(published.parent, config)
    installed = install_checkpoint(published)
    shutil.rmtree(published.parent)
    _, tokenizer, _ = load_model("fixture")
    assert not installed.notes and tokenizer.missing is None
    assert tokenizer.encode(["left"])[0, 0] == config.text.end_of_text - 1
    verify_model("fixture")
    (installed.folder / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(CheckpointError, match=r"merges\.txt"):
        verify_model("fixture")


def test_a_vocabulary_folder_can_be_named(published, config, tmp_path):
    install_checkpoint(published, vocabulary=write_vocabulary(tmp_path / "clip", config))
    assert load_model("fixture")[1].missing is None


def test_without_a_vocabulary_the_user_hears_what_to_get_and_where_to_put_it(published, config):
    installed = install_checkpoint(published)
    (note,) = installed.notes
    for words in (
        "vocab.json and merges.txt",
        "openai/clip-vit-base-patch32",
        str(installed.folder),
        "clicks",
    ):
        assert words in note
    _, tokenizer, _ = load_model("fixture")
    assert tokenizer.missing == note
    with pytest.raises(TokenError, match="vocab.json and merges.txt"):
        tokenizer.encode(["left"])
    write_vocabulary(installed.folder, config)
    _, tokenizer, _ = load_model("fixture")
    assert tokenizer.missing is None and tokenizer.encode(["left"]).shape == (1, config.text.context)


def test_installing_again_keeps_the_vocabulary_or_adds_one(published, config, tmp_path):
    install_checkpoint(published)
    install_checkpoint(published, vocabulary=write_vocabulary(tmp_path / "clip", config))
    assert not install_checkpoint(published).notes
    assert load_model("fixture")[1].missing is None


def test_the_vocabulary_of_another_model_is_refused(published, config, library, tmp_path):
    folder = write_vocabulary(tmp_path / "clip", config)
    entries = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(json.dumps({entry: n + 1 for entry, n in entries.items()}))
    with pytest.raises(TokenError, match="another model"):
        install_checkpoint(published, vocabulary=folder)
    with pytest.raises(TokenError, match="no vocabulary is here"):
        install_checkpoint(published, vocabulary=tmp_path)
    assert not contents(library)
    shutil.copyfile(folder / "vocab.json", published.parent / "vocab.json")
    assert "merges.txt" in install_checkpoint(published).notes[0]


@pytest.mark.parametrize("damage", ["truncated", "another network", "absent", "folder", "not finite"])
def test_wrong_files_install_nothing(published, library, damage):
    path = published
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "another network":
        save_file({"conv1.weight": torch.ones(2, 2)}, path)
    elif damage == "absent":
        path = path.with_name("nowhere.ckpt")
    elif damage == "folder":
        path = path.parent
    else:
        state = load_file(path)
        state["image_encoder.norm.bias"][0] = float("nan")
        save_file(state, path)
    with pytest.raises(ModelError, match=path.name if damage != "not finite" else "not finite"):
        install_checkpoint(path)
    assert not contents(library) and not installed_models()


def test_a_malicious_checkpoint_installs_nothing_and_runs_nothing(published, library, tmp_path):
    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "it-ran"),)

    path = published.with_name("published.ckpt")
    torch.save({"a": Malicious(), "state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="nothing of it was run"):
        install_checkpoint(path)
    assert not (tmp_path / "it-ran").exists() and not contents(library)


def test_progress_rises_to_one_and_tells_the_steps(published):
    heard = []
    install_checkpoint(published, progress=lambda fraction, text: heard.append((fraction, text)))
    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert len({text for _, text in heard}) >= 4


def test_it_can_be_called_off_at_every_moment(published, library):
    asked = []
    install_checkpoint(published, "old", cancelled=lambda: bool(asked.append(1)))
    before = contents(library)
    for moment in (0, 1, 2, len(asked) // 3, 2 * len(asked) // 3, len(asked) - 2, len(asked) - 1):
        calls = iter([False] * moment + [True])
        with pytest.raises(InstallationCancelled, match="called off"):
            install_checkpoint(published, "new", cancelled=lambda calls=calls: next(calls))
        assert contents(library) == before and [p.name for p in library.iterdir()] == ["old"]


def test_a_full_disk_is_seen_before_anything_is_written(published, library, monkeypatch):
    usage = shutil.disk_usage(published)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    with pytest.raises(
        InstallationError, match=r"disk is full.*needs \d+ MiB, 1 MiB are free.*FLUOROSAM_MODELS"
    ):
        install_checkpoint(published)
    assert not contents(library)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("failing", [1, 2])
def test_a_disk_that_fails_on_the_way_leaves_what_was_there(published, library, monkeypatch, code, failing):
    install_checkpoint(published)
    before, calls = contents(library), []

    def fail(handle) -> None:
        calls.append(handle)
        if len(calls) == failing:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    cause = "disk is full" if code == errno.ENOSPC else "cannot be installed"
    with pytest.raises(InstallationError, match=cause):
        install_checkpoint(published)
    assert contents(library) == before and len(list(library.iterdir())) == 1


INSTALL = """
import sys
from FluoroSAMSlicerLib.model import InstallationError, install_checkpoint
if sys.argv[2] == "small files":
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
def tell(fraction, text):
    if sys.argv[2] == "wait" and fraction > 0.8:
        print("under way", flush=True)
        sys.stdin.read()
try:
    install_checkpoint(sys.argv[1], progress=tell)
except (InstallationError, KeyboardInterrupt) as problem:
    sys.exit(f"{type(problem).__name__} {problem}")
"""


def start(*arguments: object) -> subprocess.Popen:
    folder = Path(__file__).resolve().parents[2] / "FluoroSAMSlicer"
    return subprocess.Popen(
        [sys.executable, "-c", INSTALL, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.skipif(os.name != "posix", reason="needs file size limits")
def test_a_real_limit_of_the_system_is_reported_and_leaves_nothing(published, library):
    _, told = start(published, "small files").communicate(timeout=120)
    assert "disk is full" in told and "Traceback" not in told
    assert not list(library.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_installation_is_no_model(published, library, monkeypatch, how):
    process = start(published, "wait")
    assert process.stdout.readline() == "under way\n"
    os.kill(process.pid, how)
    process.communicate(timeout=60)
    assert process.returncode != 0 and not installed_models()
    remains = list(library.iterdir())
    assert len(remains) == (1 if how == signal.SIGKILL else 0)
    install_checkpoint(published, "first")
    assert len(list(library.iterdir())) == len(remains) + 1, "a fresh folder may be at work"
    monkeypatch.setattr(staging, "ABANDONED", -1.0)
    install_checkpoint(published, "second")
    assert sorted(p.name for p in library.iterdir()) == ["first", "second"]


def test_another_file_under_the_same_name_needs_a_word(published):
    install_checkpoint(published)
    old = load_model("fixture")[0].image.norm.bias
    state = load_file(published)
    state["image_encoder.norm.bias"] += 1
    save_file(state, published)
    with pytest.raises(InstallationError, match="already, of another file"):
        install_checkpoint(published)
    assert torch.equal(load_model("fixture")[0].image.norm.bias, old)
    install_checkpoint(published, replace=True)
    assert torch.equal(load_model("fixture")[0].image.norm.bias, old + 1)


def test_a_failed_exchange_puts_the_old_model_back(published, library, monkeypatch):
    install_checkpoint(published)
    before, rename = contents(library), Path.rename

    def refuse(self, target):
        if Path(target) == library / "fixture" and self.name.startswith(".installing"):
            raise PermissionError(errno.EACCES, "in use", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InstallationError, match="in use"):
        install_checkpoint(published)
    assert contents(library) == before


def test_a_model_set_aside_by_a_process_that_died_comes_back(published, library, monkeypatch):
    folder = install_checkpoint(published).folder
    folder.rename(library / ".replaced-fixture-123-abcd")
    assert not installed_models()
    monkeypatch.setattr(staging, "ABANDONED", -1.0)
    install_checkpoint(published, "other")
    assert installed_models() == ("fixture", "other")
    verify_model("fixture")


@pytest.mark.parametrize(
    "name", ["", "../evil", "a/b", ".hidden", "compact", "Compact", "nul", "x" * 65, "a."]
)
def test_names_that_cannot_be(published, library, name):
    with pytest.raises(ModelError, match="name"):
        install_checkpoint(published, name or "\u00fc")
    assert not contents(library)


def test_names_that_differ_in_case_are_one(published):
    install_checkpoint(published, "Mine")
    with pytest.raises(InstallationError, match="called Mine already"):
        install_checkpoint(published, "mine")


def test_a_folder_that_cannot_be_written_is_named(published, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLUOROSAM_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(InstallationError, match="cannot be installed.*FLUOROSAM_MODELS"):
        install_checkpoint(published)


def test_unknown_names_are_told_those_that_are_there(published):
    install_checkpoint(published, "mine")
    with pytest.raises(CheckpointError, match=r"yours: there is no model here.*compact.*mine"):
        load_model("yours")


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/FluoroSAMSlicer/models"),
        ("linux", {"XDG_DATA_HOME": "data"}, "~/.local/share/FluoroSAMSlicer/models"),
        ("darwin", {}, "~/Library/Application Support/FluoroSAMSlicer/models"),
        ("win32", {"LOCALAPPDATA": "/appdata"}, "/appdata/FluoroSAMSlicer/models"),
        ("linux", {"FLUOROSAM_MODELS": "~/weights"}, "~/weights"),
    ],
)
def test_where_models_lie(monkeypatch, platform, variables, expected):
    for name in ("FLUOROSAM_MODELS", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert user_model_folder() == Path(expected).expanduser()

"""A published SAT checkpoint with its text encoder becomes an installed model, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from .. import __version__
from ..weights import (
    InstallationError,
    InstalledModel,
    Provenance,
    file_sha256,
    stored_size,
    write_description,
    write_weights,
)
from ..weights.library import DESCRIPTION, bundled_names, installed_model_folder, taken_names
from ..weights.staging import Progress, Watch, file_stamp, hash_source, staged
from .checkpoint import load_published
from .config import HEADS, TILE
from .errors import CheckpointError
from .library import FORMAT
from .storage import LICENCE_FILE, VOCABULARY, WEIGHTS, read_sat_description, require_fitting
from .tokens import WordPieces

LICENCE = "none stated"
LICENCE_TEXT = (
    "The published weights of SAT (Zhao et al., arXiv 2312.17183, https://huggingface.co/zzh99/SAT) come with\n"
    "no licence stated by the authors. Its text encoder is fine-tuned from FremyCompany/BioLORD-2023-C, whose\n"
    "licence refers to those of SNOMED CT and UMLS. Whether you may use them for your purpose is for you to find\n"
    "out; ask the authors. Installing changes their layout only, not their values. They are no medical device."
)
"""What the user is shown before an installation, and what is kept beside the weights."""


def install_sat_checkpoint(
    path: str | Path,
    text_encoder: str | Path | None = None,
    name: str | None = None,
    vocabulary: str | Path | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    tile: tuple[int, int, int] = TILE,
    heads: int = HEADS,
) -> InstalledModel:
    """Convert a published SAT network and its text encoder to one safetensors file in the user's model folder.

    Both are read as :func:`load_published` reads them: nothing in them is run. ``name`` is by default
    ``sat-nano`` or ``sat-pro``. ``vocabulary`` is the ``vocab.txt`` of bert-base-uncased or of MPNet, or a
    folder with it; one beside the checkpoint is taken by itself. Without one, only the names that SAT was trained
    on can be asked for. ``progress(fraction, text)`` and ``cancelled()`` as for FluoroSAM's models.

    Whatever happens, the model folder holds the whole new model or what it held before. Raises
    :class:`CheckpointError`, :class:`TextError` for a vocabulary that is none or another model's,
    :class:`InstallationError` for a name that is taken or a disk that is full or not writable, and
    :class:`InstallationCancelled`.
    """
    sources = [Path(path)] + ([Path(text_encoder)] if text_encoder is not None else [])
    watch = Watch(progress or (lambda fraction, text: None), cancelled or (lambda: False))
    watch.report("Reading the checkpoint")
    before = [file_stamp(source) for source in sources]
    network = load_published(path, text_encoder, tile, heads)
    state, config = network.state_dict(), network.config
    folder = _free_folder(name or config.name)
    given = Path(vocabulary) if vocabulary is not None else sources[0].absolute().parent / VOCABULARY
    words = WordPieces.read(given) if vocabulary is not None or given.is_file() else None
    if words is not None:
        require_fitting(words, config, given)
    size = stored_size(state)
    watch.total = sum(source.stat().st_size for source in sources) + size
    digests = [hash_source(source, watch) for source in sources]
    _refuse_other(folder, digests, replace)
    provenance = Provenance(
        {"sat-nano": "SAT-Nano", "sat-pro": "SAT-Pro"}.get(config.name, "SAT"),
        LICENCE,
        ", ".join(source.name for source in sources),
        {
            "sha256": digests[0],
            "text_encoder_sha256": digests[-1],
            "bytes": sum(source.stat().st_size for source in sources),
            "installed": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "installed_by": f"FluoroSAMSlicer {__version__}",
            "licence_url": "https://huggingface.co/zzh99/SAT",
        },
    )
    with staged(folder, size) as stage:
        files = {WEIGHTS: write_weights(stage / WEIGHTS, state, {"format": FORMAT}, watch.advance)}
        if [file_stamp(source) for source in sources] != before:
            raise InstallationError(f"{path} changed while it was read: install it again when it is complete")
        (stage / LICENCE_FILE).write_text(LICENCE_TEXT + "\n", encoding="utf-8")
        if words is not None:
            (stage / VOCABULARY).write_text("\n".join(words.words) + "\n", encoding="utf-8")
        for kept in (LICENCE_FILE, VOCABULARY):
            if (stage / kept).is_file():
                files[kept] = file_sha256(stage / kept)
        write_description(stage / DESCRIPTION, FORMAT, provenance, files, config.to_json())
        watch.report("Putting the model into its place")
    watch.finish()
    return InstalledModel(folder.name, folder, provenance, () if words is not None else (NO_VOCABULARY,))


NO_VOCABULARY = (
    "names that SAT was not trained on need the vocabulary of its text encoder: install again with --vocabulary and "
    "the vocab.txt of https://huggingface.co/google-bert/bert-base-uncased"
)


def _free_folder(name: str) -> Path:
    folder = installed_model_folder(name)
    bundled = bundled_names()
    for taken in (*bundled, *taken_names()):
        if taken.lower() == name.lower() and (taken != name or taken in bundled):
            raise InstallationError(f"there is a model called {taken} already: give another name")
    return folder


def _refuse_other(folder: Path, digests: list[str], replace: bool) -> None:
    """Unless ``replace``, the folder may only hold what came from the same files."""
    if replace or not (folder / DESCRIPTION).is_file():
        return
    try:
        _, _, provenance = read_sat_description(folder)
        details = provenance.details
        if [details.get("sha256"), details.get("text_encoder_sha256")] == [digests[0], digests[-1]]:
            return
    except CheckpointError:
        pass
    raise InstallationError(
        f"there is a model called {folder.name} already, of another file ({folder}): give another name, or say "
        "that it is to be replaced"
    )

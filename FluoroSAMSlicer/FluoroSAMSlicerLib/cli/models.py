"""``fluorosam models``: which weights there are, whether they are whole, and how more are installed."""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from .failures import Failure, explain


@click.group(short_help="The models on this machine: list, install, verify.")
def models() -> None:
    """The models on this machine: those that come with the program, and those that you installed."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_models(as_json: bool) -> None:
    """Names, parameters, size, licence and SHA-256 of the models."""
    from ..model import ModelError, bundled_models, installed_models, locate_model, user_model_folder
    from ..sat import installed_sat_models, locate_sat_model

    entries, faults = [], []
    of_ct = installed_sat_models()
    origins = {
        **dict.fromkeys((*installed_models(), *of_ct), "installed"),
        **dict.fromkeys(bundled_models(), "bundled"),
    }
    for name in (*bundled_models(), *installed_models(), *of_ct):
        try:
            folder = locate_sat_model(name) if name in of_ct else locate_model(name)
            entries.append({"name": name, "origin": origins[name], **describe(folder, name in of_ct)})
        except ModelError as error:
            faults.append(str(error))
    if as_json:
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
    for entry in [] if as_json else entries:
        click.echo(f"{entry['name']} ({entry['origin']}): {entry['title']}")
        click.echo(f"  parameters  {entry['parameters'] / 1e6:.2f} M")
        click.echo(f"  size        {entry['bytes'] / 2**20:.1f} MiB")
        click.echo(f"  licence     {entry['licence']}")
        click.echo(f"  source      {entry['source']}")
        click.echo(f"  SHA-256     {entry['sha256']}")
        click.echo(f"  folder      {entry['folder']}")
    if not as_json and "installed" not in origins.values():
        click.echo(
            f"No other models are installed in {user_model_folder()}; see fluorosam models install --help"
        )
    if faults:
        raise Failure("; ".join(faults))


@models.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--name",
    metavar="NAME",
    help="What --model calls it; by default swin-l or swin-s, as it is, or as the training's DIR.",
)
@click.option(
    "--vocabulary",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A folder with CLIP's vocab.json and merges.txt; for SAT, the vocab.txt of bert-base-uncased. By default "
    "the folder that FILE lies in.",
)
@click.option(
    "--text-encoder",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="For SAT: the text encoder that was published with the network.",
)
@click.option("--accept-licence", is_flag=True, help="Accept the licence without being asked.")
@click.option("--replace", is_flag=True, help="Replace a model of that name that came from another file.")
def install(
    file: Path,
    name: str | None,
    vocabulary: Path | None,
    text_encoder: Path | None,
    accept_licence: bool,
    replace: bool,
) -> None:
    """Install the published FluoroSAM or SAT weights that you downloaded, or what `fluorosam train` made.

    The checkpoint is converted once; nothing that it contains is run. Models go into your data folder, or
    into the one that the environment variable FLUOROSAM_MODELS names.

    \b
    fluorosam models install fluorosam.ckpt --vocabulary clip-vit-base-patch32
    fluorosam segment chest.dcm --text heart --model swin-l --output results
    fluorosam models install pelvis/model
    fluorosam models install nano.pth --text-encoder nano_text_encoder.pth
    """
    from ..model import saved_model_folder
    from ..model.installation import LICENCE_TEXT, install_checkpoint
    from ..sat.installation import LICENCE_TEXT as SAT_LICENCE_TEXT
    from ..sat.installation import install_sat_checkpoint

    saved = saved_model_folder(file)
    of_ct = not saved and (text_encoder is not None or _is_sat(file))
    if not saved:
        click.echo(SAT_LICENCE_TEXT if of_ct else LICENCE_TEXT)
        if not accept_licence:
            if not _on_terminal():
                raise click.UsageError("give --accept-licence if you accept this licence")
            click.confirm("Go on?" if of_ct else "Do you accept this licence?", abort=True)
    with _progress() as progress:
        if of_ct:
            installed = install_sat_checkpoint(file, text_encoder, name, vocabulary, replace, progress)
        else:
            installed = install_checkpoint(file, name, vocabulary, replace, progress)
    licence = f"licence {installed.provenance.licence}" if of_ct else installed.provenance.licence
    click.echo(f"{installed.name}: installed ({installed.provenance.name}, {licence})")
    digest = installed.provenance.details.get("sha256")
    click.echo(f"  source      {file}{f', SHA-256 {digest}' if digest else ''}")
    click.echo(f"  folder      {installed.folder}")
    click.echo(f"  use it by   --model {installed.name}")
    for note in installed.notes:
        click.echo(f"note: {note}", err=True)


@models.command()
@click.argument("chosen", metavar="[NAME|PATH]...", nargs=-1)
def verify(chosen: tuple[str, ...]) -> None:
    """Check models file by file against their recorded SHA-256, then load them; without a name, all."""
    from ..model import ModelError, bundled_models, installed_models
    from ..sat import installed_sat_models

    faults = []
    for model in chosen or (*bundled_models(), *installed_models(), *installed_sat_models()):
        try:
            click.echo(f"{model}: intact ({_verified(model)})")
        except ModelError as error:
            faults.append(explain(error))
    if faults:
        raise Failure("; ".join(faults))


def _verified(model: str) -> str:
    from ..model import load_model, locate_model, verify_model
    from ..sat import is_sat_model, load_sat_model, verify_sat_model

    if is_sat_model(model):
        verify_sat_model(model)
        loaded = load_sat_model(model)
        count = sum(parameter.numel() for parameter in loaded.network.parameters())
        licence = loaded.provenance.licence
        return f"{loaded.provenance.name}, {count / 1e6:.2f} M parameters, licence {licence}"
    if not locate_model(model).is_file():
        verify_model(model)
    network, tokenizer, provenance = load_model(model)
    count = sum(parameter.numel() for parameter in network.parameters())
    texts = "" if getattr(tokenizer, "missing", None) is None else ", reads no text without CLIP's vocabulary"
    return f"{provenance.name}, {count / 1e6:.2f} M parameters, {provenance.licence}{texts}"


def _is_sat(file: Path) -> bool:
    """Whether ``file`` is a checkpoint of SAT; what cannot be read is for the installation to explain."""
    from ..sat import CheckpointError, is_published

    try:
        return is_published(file)
    except CheckpointError:
        return False


def _on_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


@contextmanager
def _progress() -> Iterator:
    """A bar on a terminal, nothing elsewhere; yields what `install_checkpoint` reports to."""
    from tqdm import tqdm

    layout = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}"
    with tqdm(total=1.0, bar_format=layout, disable=None, leave=False) as bar:

        def show(fraction: float, text: str) -> None:
            bar.set_description_str(text, refresh=False)
            bar.update(fraction - bar.n)

        yield show


def describe(folder: Path, of_ct: bool = False) -> dict[str, object]:
    """What the files of a saved model, or one of SAT (``of_ct``), say about it, without loading the weights."""
    from ..model import CheckpointError
    from ..model.storage import WEIGHTS, read_description
    from ..sat.storage import read_sat_description

    description, _, provenance = (read_sat_description if of_ct else read_description)(folder)
    try:
        parameters = _parameter_count(folder / WEIGHTS)
        size = sum((folder / name).stat().st_size for name in description["files"])
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder / WEIGHTS}: the weights cannot be read ({error})") from error
    return {
        "title": provenance.name,
        "parameters": parameters,
        "bytes": size,
        "licence": provenance.licence,
        "source": provenance.source,
        "details": dict(provenance.details),
        "sha256": description["files"][WEIGHTS],
        "folder": str(folder),
    }


def _parameter_count(weights: Path) -> int:
    """Numbers in a safetensors file but for running statistics, by its header alone.

    The header is JSON behind its length as uint64: https://huggingface.co/docs/safetensors
    """
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(length, 100 << 20)))
    tensors = {key: entry["shape"] for key, entry in header.items() if key != "__metadata__"}
    return sum(math.prod(shape) for key, shape in tensors.items() if ".running_" not in key)

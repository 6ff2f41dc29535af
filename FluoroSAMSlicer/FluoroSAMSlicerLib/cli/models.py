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

    entries, faults = [], []
    origins = {**dict.fromkeys(installed_models(), "installed"), **dict.fromkeys(bundled_models(), "bundled")}
    for name in (*bundled_models(), *installed_models()):
        try:
            entries.append({"name": name, "origin": origins[name], **describe(locate_model(name))})
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
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A folder with CLIP's vocab.json and merges.txt; by default the one that FILE lies in.",
)
@click.option("--accept-licence", is_flag=True, help="Accept the licence without being asked.")
@click.option("--replace", is_flag=True, help="Replace a model of that name that came from another file.")
def install(
    file: Path, name: str | None, vocabulary: Path | None, accept_licence: bool, replace: bool
) -> None:
    """Install the published FluoroSAM weights from a FILE that you downloaded, or what `fluorosam train` made.

    The checkpoint is converted once; nothing that it contains is run. Models go into your data folder, or
    into the one that the environment variable FLUOROSAM_MODELS names.

    \b
    fluorosam models install fluorosam.ckpt --vocabulary clip-vit-base-patch32
    fluorosam segment chest.dcm --text heart --model swin-l --output results
    fluorosam models install pelvis/model
    """
    from ..model import saved_model_folder
    from ..model.installation import LICENCE_TEXT, install_checkpoint

    if not saved_model_folder(file):
        click.echo(LICENCE_TEXT)
        if not accept_licence:
            if not _on_terminal():
                raise click.UsageError("give --accept-licence if you accept this licence")
            click.confirm("Do you accept this licence?", abort=True)
    with _progress() as progress:
        installed = install_checkpoint(file, name, vocabulary, replace, progress)
    click.echo(f"{installed.name}: installed ({installed.provenance.name}, {installed.provenance.licence})")
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

    faults = []
    for model in chosen or (*bundled_models(), *installed_models()):
        try:
            click.echo(f"{model}: intact ({_verified(model)})")
        except ModelError as error:
            faults.append(explain(error))
    if faults:
        raise Failure("; ".join(faults))


def _verified(model: str) -> str:
    from ..model import load_model, locate_model, verify_model

    if not locate_model(model).is_file():
        verify_model(model)
    network, tokenizer, provenance = load_model(model)
    count = sum(parameter.numel() for parameter in network.parameters())
    texts = "" if getattr(tokenizer, "missing", None) is None else ", reads no text without CLIP's vocabulary"
    return f"{provenance.name}, {count / 1e6:.2f} M parameters, {provenance.licence}{texts}"


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


def describe(folder: Path) -> dict[str, object]:
    """What the files of a saved model say about it, without loading the weights."""
    from ..model import CheckpointError
    from ..model.storage import WEIGHTS, read_description

    description, _, provenance = read_description(folder)
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

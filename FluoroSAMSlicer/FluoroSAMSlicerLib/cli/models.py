"""``fluorosam models``: which weights there are, and whether they are whole."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import click

from .failures import Failure


@click.group(short_help="The models on this machine, and whether they are whole.")
def models() -> None:
    """The models on this machine."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_models(as_json: bool) -> None:
    """Names, parameters, size, licence and SHA-256 of the models."""
    from ..model import ModelError
    from ..model.storage import bundled_model_folder, bundled_models

    entries, faults = [], []
    for name in bundled_models():
        try:
            entries.append({"name": name, **describe(bundled_model_folder(name))})
        except ModelError as error:
            faults.append(str(error))
    if as_json:
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
    for entry in [] if as_json else entries:
        click.echo(f"{entry['name']}: {entry['title']}")
        click.echo(f"  parameters  {entry['parameters'] / 1e6:.2f} M")
        click.echo(f"  size        {entry['bytes'] / 2**20:.1f} MiB")
        click.echo(f"  licence     {entry['licence']}")
        click.echo(f"  source      {entry['source']}")
        click.echo(f"  SHA-256     {entry['sha256']}")
        click.echo(f"  folder      {entry['folder']}")
    if faults:
        raise Failure("; ".join(faults))


@models.command()
@click.argument("model", metavar="[NAME|PATH]", default="compact")
def verify(model: str) -> None:
    """Check a model file by file against its recorded SHA-256, then load it."""
    from ..model import load_model, verify_model
    from ..model.storage import bundled_model_folder, bundled_models

    path = bundled_model_folder(model) if model in bundled_models() else Path(model)
    if not path.is_file():
        verify_model(path)
    network, _, provenance = load_model(path)
    count = sum(parameter.numel() for parameter in network.parameters())
    click.echo(f"{model}: intact ({provenance.name}, {count / 1e6:.2f} M parameters, {provenance.licence})")


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

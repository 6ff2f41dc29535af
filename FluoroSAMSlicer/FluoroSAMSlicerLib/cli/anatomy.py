"""``fluorosam anatomy``: which names are understood, and what as."""

from __future__ import annotations

import click

from .failures import Failure


@click.group(short_help="Names that --text understands.")
def anatomy() -> None:
    """Look up the names that --text understands."""


def _limit(count: int):
    return click.option("--limit", type=click.IntRange(1, 1000), default=count, show_default=True)


@anatomy.command()
@click.argument("text")
@_limit(10)
def search(text: str, limit: int) -> None:
    """Structures that TEXT can mean, best first."""
    from .. import anatomy as names

    matches = names.search(text, limit)
    if not matches:
        raise Failure(f'no structure is called anything like "{text}"')
    width = max(len(match.structure.name) for match in matches)
    for match in matches:
        click.echo(f"{match.structure.name:{width}}  {match.score:4.2f}  {match.matched}")


@anatomy.command()
@click.argument("text")
def resolve(text: str) -> None:
    """The one structure that TEXT means, as a segmentation takes it."""
    from .. import anatomy as names

    match = names.interpret(text)
    structure = match.structure
    click.echo(structure.name)
    corrected = ", ".join(f"{typed} -> {meant}" for typed, meant in match.corrections)
    code = structure.code
    side = structure.modifier
    details = (
        ("corrected", corrected),
        ("category", structure.category),
        ("part of", structure.part_of),
        ("members", ", ".join(structure.members)),
        ("synonyms", ", ".join(structure.synonyms)),
        ("code", f"{code.scheme} {code.value} {code.meaning}" if code else ""),
        ("side", f"{side.scheme} {side.value} {side.meaning}" if side else ""),
        ("colour", "#{:02x}{:02x}{:02x}".format(*structure.color)),
    )
    for title, value in details:
        if value:
            click.echo(f"  {title:9}  {value}")


@anatomy.command()
@click.argument("prefix")
@_limit(10)
def complete(prefix: str, limit: int) -> None:
    """Names that PREFIX can be the beginning of."""
    from .. import anatomy as names

    for completion in names.complete(prefix, limit):
        click.echo(completion.text)

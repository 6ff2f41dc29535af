"""The program ``fluorosam``: its verbs, and what becomes of their failures."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module

import click

from .. import __version__
from .failures import INTERRUPTED, Failure, explain, set_verbose, show_traceback

VERBS = ("segment", "evaluate", "models", "anatomy", "label", "render", "synthesize", "train")


class Program(click.Group):
    """A group whose verbs are loaded when called, and which ends in one line whatever they raise."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = getattr(import_module(f".{cmd_name}", __package__), cmd_name)
        _accept_verbose(command)
        return command

    def main(self, *args, **kwargs):
        for stream in (sys.stdout, sys.stderr):
            # A terminal that lacks a letter of what was typed shall show a question mark, not an error.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning(warnings.showwarning)
            return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt as error:
            show_traceback(ctx, error)
            raise Failure(str(error) or "stopped", INTERRUPTED) from error
        except Exception as error:
            show_traceback(ctx, error)
            raise Failure(explain(error)) from error


def _show_warning(otherwise):
    """Warnings of this program are for its user: a line each, without the place in the code."""

    def show(message, category, filename, lineno, file=None, line=None) -> None:
        if category is UserWarning and file is None:
            click.echo(f"fluorosam: {message}", err=True)
        else:
            otherwise(message, category, filename, lineno, file, line)

    return show


def _verbose_option() -> click.Option:
    return click.Option(
        ["--verbose"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=set_verbose,
        help="Show where in the program a failure came from.",
    )


def _accept_verbose(command: click.Command) -> None:
    if any("--verbose" in parameter.opts for parameter in command.params):
        return
    command.params.append(_verbose_option())
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            _accept_verbose(verb)


@click.group(
    cls=Program,
    params=[_verbose_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit code: 0 success, 1 failure (one line on stderr says which), 2 wrong usage.",
)
@click.version_option(__version__, prog_name="fluorosam")
def program() -> None:
    """Segment X-ray images by anatomy name and clicks; make labelled X-ray images from CT."""

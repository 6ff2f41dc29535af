"""Whatever goes wrong, as one line for the person at the shell."""

from __future__ import annotations

import errno
import sys
import traceback

import click

FAMILIES = {
    "radiograph": "RadiographError",
    "anatomy": "AnatomyError",
    "weights": "ModelError",
    "model": "ModelError",
    "sat": "SatError",
    "segmentation": "SegmentationError",
    "runs": "RunError",
    "mrml": "SceneError",
    "drr": "DRRError",
    "dataset": "DatasetError",
}
"""Each room's family of errors, whose messages are meant for the user."""

LONGEST_LINE = 1000
INTERRUPTED = 130
"""Exit code of a process that Ctrl-C ended: 128 + SIGINT, as shells report it."""

_DISK_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_VERBOSE = "fluorosam.verbose"


class Failure(click.ClickException):
    """A failure that is shown as one line on stderr; ``exit_code`` 1 unless given."""

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the exception

    def show(self, file=None) -> None:
        click.echo(f"fluorosam: {self.message}", file=file or sys.stderr)


def explain(error: BaseException) -> str:
    """One line that says what happened and, for a fault of ours, how to find out more."""
    if isinstance(error, click.ClickException):
        text = error.message
    elif isinstance(error, _families()):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = f"not enough memory ({error})" if str(error) else "not enough memory"
    elif isinstance(error, OSError):
        text = _system(error)
    else:
        text = f"unexpected fault ({type(error).__name__}: {error}); --verbose shows where"
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."


def set_verbose(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Callback of ``--verbose``, which may stand before or after the verb."""
    if value:
        context.meta[_VERBOSE] = True


def show_traceback(context: click.Context, error: BaseException) -> None:
    """Print where ``error`` was raised, if ``--verbose`` asks for it."""
    if context.meta.get(_VERBOSE):
        traceback.print_exception(type(error), error, error.__traceback__)


def _families() -> tuple[type[Exception], ...]:
    """The families of the rooms loaded so far; no other room can have raised anything."""
    package = __package__.rpartition(".")[0]
    loaded = ((sys.modules.get(f"{package}.{room}"), name) for room, name in FAMILIES.items())
    return tuple(getattr(room, name) for room, name in loaded if room is not None and hasattr(room, name))


def _system(error: OSError) -> str:
    cause = error.strerror or str(error) or type(error).__name__
    if error.errno in _DISK_FULL:
        cause = f"cannot be written, the disk is full or has reached a limit ({cause})"
    return f"{error.filename}: {cause}" if error.filename else cause

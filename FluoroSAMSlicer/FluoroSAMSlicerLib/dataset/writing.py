"""Write a training set, in one go or in many: what is there is kept, what is missing is made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from .. import __version__
from .batch import STOP, Batch, BatchResult, Job, batches, forget
from .catalogue import records, write_catalogue
from .engines import Engine, in_this_process
from .errors import DatasetError
from .labelled_ct import CTSource, LabelledCT, distinct
from .plan import Plan, plan
from .set_folder import SCRATCH, SetFolder, as_json
from .settings import SetSettings

LONGEST_BATCH = 64


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` images are there; ``per_second`` and ``seconds_left`` are None until they can be
    told. ``failures``: why a CT was stopped, by its name."""

    done: int
    total: int
    per_second: float | None
    seconds_left: float | None
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SetReport:
    """What a run left behind. ``images`` are in the set, ``made`` of them by this run; an unfinished set
    (cancelled, or with failures) is completed by the same call again."""

    folder: Path
    images: int
    made: int
    seconds: float
    failures: dict[str, str]
    cancelled: bool

    @property
    def complete(self) -> bool:
        return not self.cancelled and not self.failures


def write_set(
    sources: Sequence[CTSource | LabelledCT],
    settings: SetSettings,
    folder: Path | str,
    engine: Engine = in_this_process,
    threads: int | None = 1,
    on_progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    workers: int = 1,
) -> SetReport:
    """Write the set that ``plan(sources, settings)`` describes into ``folder``.

    The files depend on the CTs and the settings alone: not on the engine, its workers, or how often the run
    was broken off. A CT that cannot be read or written stops, with its reason in the report; the others go on.

    engine: ``in_this_process``, ``local_processes(n)`` or ``dask_cluster(address)``; threads: of each of its
    workers, None for one a processor; workers: how many it has, to cut batches by. on_progress is called a few
    times a second from this thread; cancelled is asked as often, and ends the run after the image at hand.

    Raises DatasetError for bad input, a folder that holds another set or cannot be written, and an engine
    that is not there.
    """
    sources = distinct(sources)
    wanted = plan(sources, settings)
    for source in sources:
        if isinstance(source, CTSource):
            source.check()
    target = SetFolder(Path(folder).absolute(), settings.form)
    target.prepare()
    try:
        with target.locked():
            _begin(target, wanted, sources)
            job = Job(tuple(sources), settings, target.root, threads)
            run = _Run(wanted, on_progress, cancelled)
            largest = max(4, min(LONGEST_BATCH, -(-len(wanted) // (4 * max(workers, 1)))))
            run.follow(engine, job, batches(wanted, largest))
            if not run.stopped:
                if run.failures and not run.made + run.kept and next(records(target, wanted), None) is None:
                    target.abandon()
                    raise DatasetError(run.why_nothing())
                _finish(target, wanted, sources)
    finally:
        forget()
        target.tidy(finished=False)
    if not run.stopped and not run.failures:
        target.tidy(finished=True)
    return run.report(target.root)


class _Run:
    """The state of one run: what is done, what failed, whether to stop."""

    def __init__(self, wanted: Plan, on_progress, cancelled):
        self.wanted, self.on_progress, self.cancelled = wanted, on_progress, cancelled
        self.made = self.kept = self.under_way = 0
        self.failures: dict[str, str] = {}
        self.stopped = False
        self.begun = time.monotonic()

    def follow(self, engine: Engine, job: Job, todo: Sequence[Batch]) -> None:
        """Run the engine to its end, or to the image at hand when asked to stop."""
        stop = job.folder / SCRATCH / STOP
        with closing(engine(job, self._open(todo))) as events:
            try:
                for event in events:
                    if isinstance(event, BatchResult):
                        self._take(event)
                    elif event is not None:
                        self.under_way = event
                    self._tell()
                    if not self.stopped and self.cancelled is not None and self.cancelled():
                        self.stopped = True
                        stop.touch()
            except BaseException:
                with suppress(OSError):
                    stop.touch()
                raise

    def _open(self, todo: Sequence[Batch]) -> Iterator[Batch]:
        """The batches of CTs that have not failed, as long as nobody stops."""
        for batch in todo:
            if self.stopped:
                return
            if self.wanted.names[batch.ct] not in self.failures:
                yield batch

    def _take(self, result: BatchResult) -> None:
        self.made += result.made
        self.under_way = max(0, self.under_way - result.made)
        self.kept += result.kept
        if result.failure:
            self.failures.setdefault(self.wanted.names[result.batch.ct], result.failure)

    def _tell(self) -> None:
        if self.on_progress is None:
            return
        made, seconds = self.made + self.under_way, time.monotonic() - self.begun
        rate = made / seconds if made and seconds > 0 else None
        failed = [ct for ct, name in enumerate(self.wanted.names) if name in self.failures]
        left = len(self.wanted) - self.kept - made - sum(len(self.wanted.numbers(ct)) for ct in failed)
        self.on_progress(
            Progress(
                done=self.kept + made,
                total=len(self.wanted),
                per_second=rate,
                seconds_left=max(left, 0) / rate if rate else None,
                failures=dict(self.failures),
            )
        )

    def why_nothing(self) -> str:
        """What stopped every CT, in one line."""
        reasons = list(dict.fromkeys(self.failures.values()))
        if len(self.failures) == 1:
            return f"no image was made: {reasons[0]}"
        shown = "; ".join(f"{name}: {why}" for name, why in list(self.failures.items())[:5])
        more = f"; and {len(self.failures) - 5} more" if len(self.failures) > 5 else ""
        return f"no image was made, none of the {len(self.failures)} CTs can be used. {shown}{more}"

    def report(self, folder: Path) -> SetReport:
        seconds = time.monotonic() - self.begun
        images = self.made + self.kept
        return SetReport(folder, images, self.made, seconds, dict(self.failures), self.stopped)


def _begin(target: SetFolder, wanted: Plan, sources: Sequence[CTSource | LabelledCT]) -> None:
    """Write what the set shall be, or make sure that the folder holds the same set. Raises DatasetError."""
    described = {
        "format": "FluoroSAM training set 1",
        "version": __version__,
        "settings": wanted.settings.to_json(),
        "cts": [
            {"name": source.name, "split": part, "source": source.source, "licence": source.licence}
            for source, part in zip(sources, wanted.splits, strict=True)
        ],
    }
    content, path = as_json(described, indent=2), target.root / "set.json"
    try:
        if not path.exists():
            target.write("set.json", content)
        elif path.read_bytes() != content:
            raise DatasetError(
                f"{target.root}: holds a set made otherwise ({_difference(path, described)}); give the same CTs and"
                " settings to go on with it, or another folder"
            )
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror or error})") from error


def _difference(path: Path, described: dict) -> str:
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        for name, value in described["settings"].items():
            if there["settings"].get(name) != value:
                return f"{name} was {there['settings'].get(name)}, now {value}"
        names = [[ct["name"] for ct in one["cts"]] for one in (there, described)]
        if names[0] != names[1]:
            return f"its CTs were {', '.join(names[0][:3])}, now {', '.join(names[1][:3])}"
        return (
            "by another version" if there["version"] != __version__ else "its CTs differ in source or licence"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "set.json cannot be read"


def _finish(target: SetFolder, wanted: Plan, sources: Sequence[CTSource | LabelledCT]) -> None:
    try:
        write_catalogue(target, wanted, sources)
    except OSError as error:
        raise DatasetError(
            f"{target.root}: the list of images cannot be written ({error.strerror or error}); all images are there,"
            " run the same again when the disk has room"
        ) from error

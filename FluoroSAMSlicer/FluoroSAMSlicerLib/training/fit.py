"""Train a FluoroSAM network on shards; stops and resumes anywhere."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..anatomy import vocabulary
from ..dataset import DatasetError, ShardReader
from ..model import FluoroSAM, FluoroSAMConfig, as_mask_prompt
from ..model.tokens import CompactTokenizer, train_tokenizer
from .batches import Batch, BatchStream, batches
from .guide import Guide
from .losses import batch_dice, clicks_from_error, prompt_loss
from .sharing import average, share, together


@dataclass(frozen=True)
class Recipe:
    """How to train. ``steps`` is the whole length: the rate is constant, then falls to zero over the last
    ``decay`` of it; the codebook is filled from the vocabulary when the rate begins to fall. ``corrections`` is
    how many rounds of corrective clicks follow the first prompt, on average (at most 2)."""

    steps: int
    images: int = 8
    prompts: int = 4
    rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.25
    weight_decay: float = 0.02
    average: float = 0.998
    corrections: float = 1.35
    seed: int = 1

    def rate_at(self, step: int) -> float:
        left = (self.steps - step) / max(1, self.decay * self.steps)
        return self.rate * min(1.0, (step + 1) / self.warmup, max(left, 0.01))

    @property
    def quantise_from(self) -> int:
        return int((1 - self.decay) * self.steps)


class Trainer:
    """Network, averaged weights and optimiser; ``run`` goes on from ``folder/state.pt`` if it is there.

    A fresh compact network and its tokenizer are made unless given; a network that comes with its tokenizer is
    taken as trained and keeps its codebook.
    """

    def __init__(
        self,
        shards: Path | str,
        folder: Path | str,
        recipe: Recipe,
        network: FluoroSAM | None = None,
        tokenizer: CompactTokenizer | None = None,
    ):
        self.folder, self.recipe, self.reader = Path(folder), recipe, ShardReader(shards)
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.network = network or FluoroSAM(FluoroSAMConfig.compact())
        config = self.network.config
        self.stream = BatchStream(
            self.reader, config, recipe.images, recipe.prompts, recipe.seed + 1000 * share()
        )
        self.tokenizer = self._tokenizer(config, tokenizer)
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.guide = Guide(config.width)
        named = dict(self.network.named_parameters()) | dict(self.guide.named_parameters(prefix="guide"))
        named = {name: p for name, p in named.items() if p.requires_grad}
        decayed = [p for name, p in named.items() if p.ndim > 1 and "codebook" not in name]
        plain = [p for name, p in named.items() if p.ndim <= 1 or "codebook" in name]
        groups = [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.99))
        self.generator = torch.Generator()
        self.step, self.quantised = 0, tokenizer is not None
        self._resume()

    def _tokenizer(self, config: FluoroSAMConfig, given: CompactTokenizer | None) -> CompactTokenizer:
        path = self.folder / "tokenizer.json"
        if given is not None:
            given.tokenizer.save(str(path))
        elif not path.exists():
            phrases = [phrase for all_of_one in self.stream.source.phrases.values() for phrase in all_of_one]
            train_tokenizer(phrases, config.text.vocabulary).save(str(path))
        return CompactTokenizer.read(path, config.text.context)

    def _resume(self) -> None:
        path = self.folder / "state.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.guide.load_state_dict(state["guide"])
            self.average = state["average"]
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.quantised = state["step"], state["quantised"]

    def save(self) -> None:
        """Write ``state.pt`` atomically. Raises :class:`DatasetError` when the disk refuses."""
        path = self.folder / "state.pt"
        partial = path.with_suffix(".partial")
        state = {
            "network": self.network.state_dict(),
            "guide": self.guide.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "quantised": self.quantised,
        }
        try:
            torch.save(state, partial)
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise DatasetError(f"{path}: the training state cannot be written ({error})") from error
        (self.folder / "recipe.json").write_text(json.dumps(asdict(self.recipe), indent=2), encoding="utf-8")

    def run(
        self, until: int | None = None, workers: int = 1, save_every: int = 100,
        on_step: Callable[[int, dict], None] | None = None,
    ) -> None:  # fmt: skip
        """Train up to step ``until`` (default: the recipe's end), logging to ``folder/log.csv``."""
        self.network.train()
        last = min(until or self.recipe.steps, self.recipe.steps)
        for batch in batches(self.stream, self.step, last, workers):
            begin = time.perf_counter()
            if not self.quantised and self.step >= self.recipe.quantise_from:
                self.fill_codebook()
            self.network.text.bypass_codebook = not self.quantised
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
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate_at(self.step)
        self.generator.manual_seed((self.recipe.seed + 1000 * share()) * 10**6 + self.step)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, figures = self.rounds(batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._meet()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        keep = min(self.recipe.average, (self.step + 1) / (self.step + 10))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)
        return figures

    def _meet(self) -> None:
        """Take the mean of what the processes found: gradients, and the statistics of the batch norms."""
        if not together():
            return
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        buffers = [buffer for buffer in self.network.buffers() if buffer.is_floating_point()]
        average([*(parameter.grad for parameter in parameters), *buffers])

    def rounds(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Text or a first click, then one or two rounds of corrective clicks on the error so far."""
        rng = np.random.default_rng([self.recipe.seed, self.step, 7])
        targets = batch.targets.float()
        prompts = self.recipe.prompts
        typed = self.network.encode_text(self.tokenizer.encode(batch.phrases + batch.guide_names))
        code, names = typed.code[: len(targets)], typed.mlp[len(targets) :]
        images = self.network.encode_image(batch.pixel_values)
        embedding = images.repeat_interleave(prompts, 0)
        right = (~batch.wrong).float()

        by_text = torch.arange(len(targets)) % prompts != prompts - 1
        by_text &= ~batch.wrong
        logits = torch.empty_like(targets)
        guide, place = self.guide(images, names, batch.coverage)
        losses = [typed.loss, guide]
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
            logits[chosen] = _best(masks, scores)
            present = targets[chosen].flatten(1).any(1)
            figures["text" if by_name else "click"] = float(
                batch_dice(logits[chosen], targets[chosen])[present].mean()
            )

        size = len(targets)
        known = torch.zeros(size, 1, 2), torch.full((size, 1), -1)
        if points is not None:
            known[0][~by_text], known[1][~by_text] = points, labels
        with_text = rng.random() > 0.15
        for number in range(int(self.recipe.corrections + rng.random())):
            count = int(rng.integers(1, 4))
            new = clicks_from_error(logits, targets, count, self.generator)
            known = torch.cat([known[0], new[0]], 1), torch.cat([known[1], new[1]], 1)
            sparse, dense = self.network.encode_prompts(
                text=code if with_text else None,
                points=self._frame(known[0]),
                labels=known[1],
                masks=as_mask_prompt(logits[:, None]) if rng.random() < 0.7 else None,
            )
            masks, scores = self.network.decode(embedding, sparse, dense)
            loss, _ = prompt_loss(masks[:, 1:], scores[:, 1:], targets, torch.ones(size))
            losses.append(loss)
            logits = _best(masks, scores)
            present = targets.flatten(1).any(1)
            figures[f"round{number + 1}"] = float(batch_dice(logits, targets)[present].mean())
        total = sum(losses)
        figures["loss"] = float(total.detach())
        return total, figures

    def _frame(self, points: Tensor) -> Tensor:
        """Low-resolution pixels (..., 2) in the input frame's pixels."""
        ratio = self.network.config.image_size / (8 * self.network.config.embedding_size)
        return (points + 0.5) * ratio - 0.5

    @torch.no_grad()
    def fill_codebook(self) -> None:
        """Give every structure of the vocabulary its own code: what the text tower makes of its name."""
        averaged = FluoroSAM(self.network.config).eval()
        averaged.load_state_dict(self.average)
        names = [structure.name for structure in vocabulary()]
        rows = torch.cat([averaged.encode_text(self.tokenizer.encode([name])).mlp for name in names])
        seen = [name for name in names if name in self.stream.source.askable]
        order = [names.index(name) for name in seen + [n for n in names if n not in set(seen)]]
        rows = rows[order][: self.network.config.text.codebook]
        self.network.text.set_codebook(rows)
        self.average["text.codebook.rows"].copy_(self.network.text.codebook.rows)
        self.quantised = True

    def _log(self, figures: dict[str, float]) -> None:
        columns = ("step", "loss", "place", "text", "click", "round1", "round2", "seconds")
        path = self.folder / "log.csv"
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            if fresh:
                writer.writeheader()
            row = {key: f"{value:.4f}" for key, value in figures.items()}
            writer.writerow({"step": self.step, **row})


def _best(masks: Tensor, scores: Tensor) -> Tensor:
    """The candidate (P, h, w) that inference would choose, without gradient."""
    index = scores[:, 1:].argmax(1) + 1
    return masks.detach()[torch.arange(len(masks)), index].float()

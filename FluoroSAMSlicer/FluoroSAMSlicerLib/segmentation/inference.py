"""The network on its device, in the numbers that it computes fastest in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

from ..model import FluoroSAM, as_mask_prompt
from ..model.storage import Tokens
from .candidates import Candidates
from .device import choose_device, half_type, memory_is_full, sensible_threads, thread_count
from .embedding import ImageEmbedding
from .errors import DeviceError
from .precision import HalfMatrices
from .prompt import Prompt

Answer = TypeVar("Answer")


class Inference:
    """What a network is asked, each time through :meth:`run`; one thread at a time.

    The settings are those of :class:`~.predictor.Predictor`. ``halved`` holds its matrices in 16 bits, where nobody
    else changes them. ``notes`` say what became of the device.
    """

    def __init__(
        self, network: FluoroSAM, tokenizer: Tokens, device: str, threads: int | None, half: bool | None
    ) -> None:
        if threads is not None and threads < 1:
            raise DeviceError(f"{threads} threads cannot compute: give a number of at least 1")
        self.network, self.tokenizer = network, tokenizer
        self.threads = threads or sensible_threads()
        self.device = choose_device(device)
        self.halved: HalfMatrices | None = None
        self.notes: tuple[str, ...] = ()
        self.codes: dict[str, Tensor] = {}
        self._half = half
        self.run(lambda: self.network.to(self.device))

    @property
    def half(self) -> torch.dtype | None:
        """The 16-bit type that images are encoded in, None for float32."""
        return (
            None
            if self._half is False
            else half_type(self.device) or (torch.bfloat16 if self._half else None)
        )

    def encode(self, values: Tensor) -> Tensor:
        with self.in_half(), self.matrices():
            return self.network.encode_image(values.to(self.device)).float()

    def in_half(self) -> torch.autocast:
        kind = self.half
        return torch.autocast(self.device.type, dtype=kind, enabled=kind is not None)

    def matrices(self) -> AbstractContextManager[None]:
        if self.halved is None or self.half is None:
            return nullcontext()
        return self.halved.used(self.half)

    def decode(
        self, embedding: ImageEmbedding, prompt: Prompt, phrase: str | None, mask: Tensor | None
    ) -> Candidates:
        if self.network.config.names_in_one_pass and phrase is not None:
            if not prompt.points and prompt.box is None and mask is None:
                return self.names(embedding, [phrase])[0]
            if mask is None:
                mask = self.names(embedding, [phrase])[0].low_res[0]
        given: dict[str, Tensor] = {}
        if phrase is not None:
            given["text"] = self.code(phrase)
        if prompt.points:
            given["points"] = torch.from_numpy(embedding.frame.to_input(prompt.points))[None]
            given["labels"] = torch.tensor(prompt.labels)[None]
        if prompt.box is not None:
            given["boxes"] = torch.from_numpy(embedding.frame.to_input(prompt.box))[None]
        if mask is not None:
            given["masks"] = as_mask_prompt(mask[None, None])
        on_device = {name: tensor.to(self.device) for name, tensor in given.items()}
        tokens = self.network.encode_prompts(**on_device)
        features = embedding.features.to(self.device)
        with nullcontext() if self.device.type == "cpu" else self.in_half():
            low_res, scores = self.network.decode(features, *tokens)
        return Candidates(low_res[0, 1:].cpu(), tuple(scores[0, 1:].tolist()), embedding.frame)

    def names(self, embedding: ImageEmbedding, phrases: Sequence[str]) -> list[Candidates]:
        """What each name alone finds, one candidate each, in one pass."""
        codes = torch.cat([self.code(phrase) for phrase in phrases])[None].to(self.device)
        with nullcontext() if self.device.type == "cpu" else self.in_half():
            low_res, scores = self.network.decode_names(embedding.features.to(self.device), codes)
        return [
            Candidates(mask[None], (score,), embedding.frame)
            for mask, score in zip(low_res[0].cpu(), scores[0].tolist(), strict=True)
        ]

    def refine(
        self, embedding: ImageEmbedding, phrases: Sequence[str], masks: Sequence[Tensor]
    ) -> list[Candidates]:
        """What each name finds where a mask (h, h) of it is known, in one pass."""
        codes = torch.cat([self.code(phrase) for phrase in phrases]).to(self.device)
        given = as_mask_prompt(torch.stack(list(masks))[:, None]).to(self.device)
        tokens = self.network.encode_prompts(text=codes, masks=given)
        with nullcontext() if self.device.type == "cpu" else self.in_half():
            low_res, scores = self.network.decode(embedding.features.to(self.device), *tokens)
        return [
            Candidates(mask, tuple(own), embedding.frame)
            for mask, own in zip(low_res[:, 1:].cpu(), scores[:, 1:].tolist(), strict=True)
        ]

    def code(self, phrase: str) -> Tensor:
        """The text prompt (1, C) of a phrase, on the CPU, made once."""
        self.read([phrase])
        return self.codes[phrase]

    def read(self, phrases: Sequence[str]) -> None:
        """Make the text prompts of those phrases that were not read before, together."""
        fresh = [phrase for phrase in phrases if phrase not in self.codes]
        if fresh:
            codes = self.network.encode_text(self.tokenizer.encode(fresh).to(self.device)).code.cpu()
            self.codes |= dict(zip(fresh, codes.split(1), strict=True))

    def run(self, work: Callable[[], Answer]) -> Answer:
        with torch.inference_mode(), thread_count(self.threads):
            try:
                return work()
            except RuntimeError as problem:
                if self.device.type == "cpu" or not memory_is_full(problem):
                    raise
            note = f"the memory of {self.device} is full; going on with the CPU, which is slower"
            warnings.warn(note, stacklevel=3)
            self.notes = (note,)
            self.device = torch.device("cpu")
            self.network.to(self.device)
            torch.cuda.empty_cache()
            return work()

"""The model at work: an image is encoded once, then any number of prompts are answered on it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..model import FluoroSAM, Provenance, load_model, pixel_values
from ..model.folding import fold_norms
from ..model.storage import WEIGHTS, Tokens, locate_model, read_description
from .clicks import obeying, outlasting
from .close_up import LOOKS, Look
from .closer_looks import CloserLooks
from .confined import confined
from .embedding import ImageCache, ImageEmbedding, image_key, one_by_one
from .errors import ImageError, PromptError
from .framed import Framing
from .inference import Inference
from .precision import HalfMatrices
from .prediction import Prediction
from .prompt import Prompt, named_structure

if TYPE_CHECKING:
    from ..anatomy import Structure
    from ..radiograph import Radiograph
    from .candidates import Candidates
    from .close_up import CloseUp
    from .settling import Settled


class Predictor:
    """A loaded model. Safe to use from several threads, one of which computes at a time.

    ``device`` is ``"auto"``, ``"cpu"``, ``"cuda"`` or another torch device. ``threads`` is the number of CPU
    threads (None: torch's own choice, within the processors this process may use). ``half`` says whether
    images are encoded in 16-bit numbers (None: where the processor is faster with them); prompts are answered
    in float32 on the CPU, where 16 bits gain nothing, and as images are on a GPU. Texts are always read in
    float32, since a rounded one may mean another structure. The latest ``cached_images`` embeddings are kept.

    A GPU that runs out of memory is left for the CPU, with a warning, for the rest of the predictor's life.
    ``notes`` holds what the user should know of this predictor: that, or a vocabulary that is absent.
    """

    def __init__(
        self,
        network: FluoroSAM,
        tokenizer: Tokens,
        provenance: Provenance,
        version: str = "",
        device: str = "auto",
        threads: int | None = None,
        half: bool | None = None,
        cached_images: int = 4,
    ) -> None:
        self.network, self.provenance, self.version = network, provenance, version
        self.inference = Inference(network, tokenizer, device, threads, half)
        self._embeddings: ImageCache[ImageEmbedding] = ImageCache(cached_images)
        self._closer = CloserLooks(self.inference, self._embedded) if network.config.close_ups else None
        self._framing = Framing(self.inference) if network.config.names_in_one_pass else None
        self._lock = RLock()

    @classmethod
    def load(cls, model: str | Path = "compact", device: str = "auto", **settings) -> Predictor:
        """The predictor for a bundled or installed model by name, a model folder, or a published checkpoint.

        ``settings`` are those of the class: ``threads``, ``half``, ``cached_images``. Raises
        :class:`~..model.ModelError` for a model that cannot be loaded and :class:`DeviceError` for a device
        that is not there.
        """
        network, tokenizer, provenance = load_model(model)
        folder = locate_model(model)
        version = provenance.source
        if folder.is_dir():
            version = read_description(folder)[0]["files"][WEIGHTS][:12]
        # A network that somebody else trains is not changed, and halved anew each time; this one is the predictor's.
        if network.config.names_in_one_pass:
            fold_norms(network)
        predictor = cls(network, tokenizer, provenance, version, device, **settings)
        predictor.inference.halved = HalfMatrices(network.image)
        if (missing := getattr(tokenizer, "missing", None)) is not None:
            warnings.warn(missing, stacklevel=2)
        return predictor

    @property
    def name(self) -> str:
        """The model's name and version, as reports state them."""
        return f"{self.provenance.name} {self.version}".strip()

    @property
    def tokenizer(self) -> Tokens:
        """What makes tokens of a phrase; it may be exchanged."""
        return self.inference.tokenizer

    @tokenizer.setter
    def tokenizer(self, tokenizer: Tokens) -> None:
        self.inference.tokenizer = tokenizer
        self.inference.codes.clear()
        if self._framing:
            self._framing = Framing(self.inference)

    @property
    def device(self) -> torch.device:
        """Where the network computes now."""
        return self.inference.device

    @property
    def threads(self) -> int:
        """How many threads of the CPU compute."""
        return self.inference.threads

    @property
    def half(self) -> torch.dtype | None:
        """The 16-bit type that images are encoded in, None for float32."""
        return self.inference.half

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of this predictor."""
        missing = getattr(self.tokenizer, "missing", None)
        return (*(() if missing is None else (missing,)), *self.inference.notes)

    @property
    def finds_together(self) -> bool:
        """Whether the model finds any number of names in one pass."""
        return self.network.config.names_in_one_pass

    def encode(self, radiograph: Radiograph) -> ImageEmbedding:
        """The embedding of an image; the same object again for an image of the same content.

        Raises :class:`ImageError` for pixels that are empty, not (H, W) or not finite.
        """
        pixels = np.asarray(radiograph.pixels, dtype=np.float32)
        if pixels.ndim != 2 or pixels.size == 0:
            raise ImageError(
                f"an image of shape {pixels.shape} cannot be segmented: it must be height x width"
            )
        key = image_key(pixels)
        with self._lock:
            embedding = self._embeddings.get(key)
            if embedding is None:
                if not np.isfinite(pixels).all():
                    raise ImageError("the image holds pixels that are not finite numbers (NaN or infinity)")
                (embedding,) = self.inference.run(lambda: self._embedded([(key, pixels)]))
                if self._closer:
                    embedding = replace(embedding, pixels=pixels)
                self._embeddings.put(embedding)
        return embedding

    def predict(
        self,
        embedding: ImageEmbedding,
        text: str | None = None,
        points: Sequence = (),
        labels: Sequence = (),
        box: Sequence | None = None,
        previous: Prediction | None = None,
        allow_unknown: bool = False,
        looks: Sequence[Look] = LOOKS,
    ) -> Prediction:
        """The mask that the prompts ask for; text, points and box may be given in any mix.

        ``points`` (x, y) and ``box`` (x1, y1, x2, y2) are in the image's own pixels, pixel centres at
        integers; ``labels`` are 1 inside the structure, 0 outside. ``text`` is resolved to the canonical name
        of a structure, which is what the model reads; a group that has a name ("lungs") is asked for by that
        name, a landmark by the structure that it is part of, which ``Prediction.notes`` say. With
        ``allow_unknown`` a text outside the vocabulary reaches the model as typed. ``previous`` is the prediction
        to correct: its low-resolution logits become the mask prompt. Where it is the answer to all but the newest
        click, or a mask drawn by hand, a model that looks closer keeps more of it the farther from that click, see
        :mod:`~.settling`. A box without a text is asked about with the name of what it frames, see :mod:`~.framed`,
        by a model that finds all names in one pass.

        Of the three candidates the best-scoring one that satisfies every click is the answer: positive
        clicks inside the mask, negative ones outside. If none does, it is the candidate that satisfies most
        clicks (among those, the newest click; among those, the best score), corrected around the clicks it
        contradicts, see :mod:`~.clicks`; ``Prediction.missed`` names those that contradict each other. A model
        that does so by its configuration then looks closer at what it found, see :mod:`~.close_up`; ``looks`` says
        how near and how often.

        Raises :class:`PromptError` for prompts that cannot be used and for a ``previous`` of another image or name,
        :class:`~..anatomy.AmbiguousName` with its candidates, :class:`~..anatomy.UnknownName` with the nearest names,
        and :class:`~..model.TokenError` for a text that the model cannot read.
        """
        prompt = Prompt.of(text, points, labels, box)
        if prompt.is_empty:
            raise PromptError("nothing was asked for: give the name of a structure, a click or a box")
        prompt.check_inside(*embedding.size)
        self._check_origin(embedding, "the encoded image")
        if previous is not None:
            self._check_origin(previous, "the previous prediction")
            if previous.image != embedding.key:
                raise PromptError("the previous prediction is of another image: start without it")
        structure = None if prompt.text is None else named_structure(prompt.text, allow_unknown)
        if previous is not None:
            self._check_name(previous, structure, prompt)
        before = self._settled(previous, prompt)
        mask = before.low_res if before else previous.low_res if previous else None
        asked = prompt.for_image(*embedding.size)
        with self._lock:
            phrase = self._asked(embedding, structure, prompt)
            candidates = self.inference.run(lambda: self.inference.decode(embedding, asked, phrase, mask))
            chosen = candidates.best(asked)
            bounded = confined(candidates, asked) if self._closer else candidates
            corrected = obeying(outlasting(bounded, asked, mask), asked)
            notes = self._notes(structure)
            if prompt.text is None and phrase is not None:
                notes = (*notes, f"the box is taken for: {phrase}")
            made_by = embedding.key, embedding.model, self.version, notes
            result = Prediction(prompt, structure, candidates, chosen, *made_by, corrected, before=before)
            return self.choose(embedding, result, chosen, looks)

    def predict_names(
        self,
        embedding: ImageEmbedding,
        texts: Sequence[str],
        allow_unknown: bool = False,
        closer: bool = True,
    ) -> list[Prediction]:
        """What each text alone finds; a model that can do so finds all of them in one pass, and looks closer at
        neighbours together, where :meth:`predict` takes its time for one. Not ``closer``, it looks once only.

        Raises as :meth:`predict`, before anything is computed.
        """
        if not self.finds_together or len(texts) == 1:
            looks = LOOKS if closer else ()
            return [self.predict(embedding, text, allow_unknown=allow_unknown, looks=looks) for text in texts]
        self._check_origin(embedding, "the encoded image")
        prompts = [Prompt.of(text) for text in texts]
        if any(prompt.is_empty for prompt in prompts):
            raise PromptError("a name is empty: give the name of a structure")
        structures = [named_structure(prompt.text, allow_unknown) for prompt in prompts]
        phrases = list(map(_phrase, structures, prompts))
        made_by = embedding.key, embedding.model, self.version
        with self._lock:
            found = self.inference.run(lambda: self._found_together(embedding, prompts, phrases, closer))
            return [
                Prediction(prompt, structure, one, 0, *made_by, self._notes(structure), close_ups=near)
                for prompt, structure, (one, near) in zip(prompts, structures, found, strict=True)
            ]

    def _found_together(
        self, embedding: ImageEmbedding, prompts: Sequence[Prompt], phrases: Sequence[str], closer: bool
    ) -> list[tuple[Candidates, tuple[CloseUp, ...]]]:
        found = self.inference.names(embedding, phrases) if phrases else []
        if not (self._closer and closer):
            return [(one, ()) for one in found]
        near = self._closer.at_names(embedding, prompts, phrases, [one.low_res[0] for one in found])
        return list(zip(found, near, strict=True))

    def choose(
        self, embedding: ImageEmbedding, prediction: Prediction, candidate: int, looks: Sequence[Look] = LOOKS
    ) -> Prediction:
        """The prediction with ``candidate``, the index of one of its three, as its mask. Of the round before only the
        one that was chosen already keeps something."""
        before = prediction.before if candidate == prediction.chosen else None
        if not self._closer:
            return replace(prediction, chosen=candidate, before=before)
        found = (prediction.corrected or prediction.candidates).low_res[candidate]
        asked = prediction.prompt.for_image(*embedding.size)
        with self._lock:
            phrase = self._asked(embedding, prediction.structure, prediction.prompt)
            near = self.inference.run(lambda: self._closer.at(embedding, asked, phrase, found, looks))
        return replace(prediction, chosen=candidate, close_ups=near, before=before)

    def _settled(self, previous: Prediction | None, prompt: Prompt) -> Settled | None:
        """What the round before showed, if ``prompt`` adds a click to it, or a name to a mask drawn by hand."""
        if not self._closer or previous is None:
            return None
        if previous.prompt.is_empty:
            follows = len(prompt.points) == 1 or (prompt.text is not None and not prompt.points)
        else:
            # The same name may be spelt in another way.
            text = previous.text if prompt.text else None
            follows = bool(prompt.points) and previous.prompt == replace(prompt.without_last_click(), text=text)
        return previous.settled if follows else None

    def _check_name(self, previous: Prediction, structure: Structure | None, prompt: Prompt) -> None:
        """Raise PromptError where a name is asked for that is not the one that was asked for before."""
        if prompt.text is None or previous.text is None:
            return
        before, now = (
            one.name if one else text
            for one, text in ((previous.structure, previous.text), (structure, prompt.text))
        )
        if before != now:
            raise PromptError(f"the previous prediction is of {before}, not of {now}: start without it")

    def _asked(self, embedding: ImageEmbedding, structure: Structure | None, prompt: Prompt) -> str | None:
        """What the model reads: what was typed, or the name of what a box alone frames."""
        phrase = _phrase(structure, prompt)
        if phrase is not None or prompt.box is None or self._framing is None:
            return phrase
        box = prompt.box
        return self.inference.run(lambda: self._framing.name(embedding, box))

    def _notes(self, structure: Structure | None) -> tuple[str, ...]:
        """What the user should know of an answer."""
        if structure is None or not structure.part_of:
            return self.inference.notes
        return (*self.inference.notes, f"{structure.name}: part of {structure.asked}, which the model was asked for")

    def _embedded(self, images: Sequence[tuple[str, np.ndarray]]) -> list[ImageEmbedding]:
        """Of images by key, in one go."""
        if not images:
            return []
        values, frames = zip(
            *(pixel_values(pixels, self.network.config) for _, pixels in images), strict=True
        )
        features = one_by_one(self.inference.encode(torch.cat(values)))
        made_by = self.provenance.name, self.version
        return [
            ImageEmbedding(key, frame, feature, *made_by)
            for (key, _), frame, feature in zip(images, frames, features, strict=True)
        ]

    def _check_origin(self, made: ImageEmbedding | Prediction, what: str) -> None:
        if (made.model, made.model_version) != (self.provenance.name, self.version):
            raise PromptError(f"{what} is of another model ({made.model}): encode the image with this one")


def _phrase(structure: Structure | None, prompt: Prompt) -> str | None:
    """What the model reads: the name that the structure is asked for by, or an unknown text as typed."""
    return structure.asked if structure else prompt.text

"""Phrases to token ids, for the compact model's own vocabulary and for CLIP's."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor

from .clip_vocabulary import END, START, find_clip_vocabulary, read_clip_vocabulary, vocabulary_advice
from .errors import TokenError

LONGEST_TEXT = 1000
"""Characters beyond which no phrase is tried; every tokenizer here runs out of context long before."""
PAD, UNKNOWN, BEGIN, FINISH = SPECIAL = ("[PAD]", "[UNK]", "[START]", "[END]")


def train_tokenizer(phrases: Iterable[str], vocab_size: int = 2048) -> Tokenizer:
    """A byte-pair tokenizer of at most ``vocab_size`` entries for phrases like ``phrases``.

    Lower-cased without accents, split at white space and punctuation, digits one by one. Ids 0 to 3 are
    padding, unknown, start and end of text; a configuration that uses it has ``end_of_text`` 3.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    )
    tokenizer.train_from_iterator(
        phrases,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIAL),
            initial_alphabet=list("abcdefghijklmnopqrstuvwxyz0123456789-'(),./"),
            show_progress=False,
        ),
    )
    ends = [(token, tokenizer.token_to_id(token)) for token in (BEGIN, FINISH)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {FINISH}", special_tokens=ends
    )
    return tokenizer


class CompactTokenizer:
    """The compact model's tokenizer: a ``tokenizers`` JSON file beside the weights.

    ``context`` is the longest row of ids the model takes, ``end_of_text`` the id its rows end with.
    Raises :class:`TokenError` if the tokenizer is not one of :func:`train_tokenizer`.
    """

    def __init__(self, tokenizer: Tokenizer, context: int) -> None:
        self.tokenizer, self.context = tokenizer, context
        end_of_text, pad = tokenizer.token_to_id(FINISH), tokenizer.token_to_id(PAD)
        if end_of_text is None or pad is None:
            raise TokenError(
                "the model's tokenizer has no end-of-text or padding token; it is of another model"
            )
        self.end_of_text, self.pad = end_of_text, pad

    @classmethod
    def read(cls, path: str | Path, context: int) -> CompactTokenizer:
        """From a ``tokenizer.json``; :class:`TokenError` if it is absent or damaged."""
        try:
            # tokenizers reports every fault as a plain Exception.
            return cls(Tokenizer.from_str(Path(path).read_text(encoding="utf-8")), context)
        except TokenError:
            raise
        except Exception as problem:
            raise TokenError(f"{path}: the tokenizer cannot be read ({problem})") from problem

    def encode(self, phrases: Sequence[str]) -> Tensor:
        """Phrases to int64 ids (B, L), padded to the longest of them, L at most ``context``.

        Raises :class:`TokenError` for a phrase that is empty or too long.
        """
        rows = []
        for phrase in phrases:
            _refuse_long(phrase)
            if not phrase.strip():
                raise TokenError(
                    "the text prompt is empty: type the name of a structure, for example left femur"
                )
            ids = self.tokenizer.encode(phrase).ids
            if len(ids) > self.context:
                raise _too_long(phrase, len(ids), self.context)
            rows.append(ids)
        longest = max(map(len, rows), default=1)
        return _padded(rows, longest, self.pad)


class PublishedTokenizer:
    """CLIP's byte-pair tokenizer, as the published model uses it, from a local folder.

    The folder holds ``tokenizer.json``, or ``vocab.json`` and ``merges.txt``, or CLIP's own
    ``bpe_simple_vocab_16e6.txt.gz``; it is read when the first phrase is encoded. A folder without them is
    passed over for what the machine has of CLIP's vocabulary, see :func:`find_clip_vocabulary`.
    """

    def __init__(self, folder: str | Path, context: int = 77) -> None:
        self.folder, self.context = Path(folder), context

    @property
    def missing(self) -> str | None:
        """What to do about a vocabulary that is nowhere to be found, None if there is one."""
        return None if find_clip_vocabulary(self.folder) else vocabulary_advice(self.folder)

    @cached_property
    def _tokenizer(self) -> tuple[Tokenizer, int, int]:
        vocabulary, merges = read_clip_vocabulary(find_clip_vocabulary(self.folder) or self.folder)
        tokenizer = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token=END))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(
                    Regex(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"), "removed", True
                ),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        return tokenizer, vocabulary[START], vocabulary[END]

    def encode(self, phrases: Sequence[str]) -> Tensor:
        """Phrases to int64 ids (B, ``context``), padded with 0; :class:`TokenError` if one is too long."""
        tokenizer, start, end = self._tokenizer
        rows = []
        for phrase in phrases:
            _refuse_long(phrase)
            ids = [start, *tokenizer.encode(normalise(phrase)).ids, end]
            if len(ids) > self.context:
                raise _too_long(phrase, len(ids), self.context)
            rows.append(ids)
        return _padded(rows, self.context, 0)


_QUOTES = str.maketrans(
    {**dict.fromkeys("\u2018\u2019\u201a\u201b", "'"), **dict.fromkeys("\u201c\u201d\u201e\u201f", '"')}
)
_LIGATURES = {c: unicodedata.normalize("NFKC", c) for c in "\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"}


def normalise(text: str) -> str:
    """Text as CLIP's tokenizer expects it: plain quotes, no ligatures or full-width forms, no HTML entities,
    single spaces, lower case, composed (NFC). Wrongly decoded text is not repaired."""
    plain = "".join(
        unicodedata.normalize("NFKC", c) if "\uff01" <= c <= "\uffef" else _LIGATURES.get(c, c) for c in text
    )
    plain = unicodedata.normalize("NFC", plain.translate(_QUOTES))
    printable = "".join(c for c in plain if unicodedata.category(c) != "Cc" or c.isspace())
    return " ".join(html.unescape(html.unescape(printable)).split()).lower()


def _refuse_long(phrase: str) -> None:
    if len(phrase) > LONGEST_TEXT:
        raise TokenError(
            f"the text prompt '{phrase[:30]}...' has {len(phrase)} characters: give the name of one structure"
        )


def _too_long(phrase: str, tokens: int, context: int) -> TokenError:
    shown = phrase if len(phrase) <= 60 else f"{phrase[:57]}..."
    return TokenError(
        f"the text prompt '{shown}' is too long for this model ({tokens} tokens, at most {context}): "
        "give the name of one structure"
    )


def _padded(rows: Sequence[Sequence[int]], length: int, pad: int) -> Tensor:
    ids = torch.full((len(rows), length), pad, dtype=torch.int64)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = torch.tensor(values, dtype=torch.int64)
    return ids

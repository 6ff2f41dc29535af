"""Names to the token ids that SAT's text encoder was trained on."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from .errors import TextError

CLASSIFY, SEPARATE = "[CLS]", "[SEP]"
"""What frames a name: BERT's entries, not MPNet's own ``<s>`` and ``</s>``; the published training did so."""
LONGEST = 256
BEFORE, BEHIND = ("<s>", "<pad>", "</s>", "<unk>"), ("<mask>",)
"""What MPNet's vocabulary has around BERT's."""
ADDED = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "[UNK]")
FILE = "vocab.txt"


class WordPieces:
    """A lower-casing WordPiece tokenizer. ``words`` are MPNet's entries in the order of their ids."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    @classmethod
    def read(cls, path: str | Path) -> WordPieces:
        """From a ``vocab.txt``, one entry a line, or a folder with one: MPNet's, or BERT's, which lacks five entries.

        Raises :class:`TextError` for a file that is absent or no such vocabulary.
        """
        path = Path(path)
        path = path / FILE if path.is_dir() else path
        try:
            words = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as problem:
            raise TextError(f"{path}: the vocabulary cannot be read ({problem})") from problem
        words = words[:-1] if words and not words[-1] else words
        if words[:1] == ["[PAD]"]:
            words = [*BEFORE, *words, *BEHIND]
        if words[: len(BEFORE)] != list(BEFORE) or not {CLASSIFY, SEPARATE, "[UNK]"} <= set(words):
            raise TextError(
                f"{path}: is no vocabulary of MPNet or of BERT; give the vocab.txt of bert-base-uncased"
            )
        return cls(words)

    def encode(self, name: str) -> list[int]:
        """Token ids of one name, lower-cased, framed, at most 256."""
        return self.frame(name.lower())

    def frame(self, text: str) -> list[int]:
        """Token ids of a text as it is given, framed, at most 256."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        first, last = self._ids[CLASSIFY], self._ids[SEPARATE]
        return [*[first, *ids][: LONGEST - 1], last]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def _tokenizer(self):
        from tokenizers import AddedToken, Tokenizer
        from tokenizers.models import WordPiece
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer

        tokenizer = Tokenizer(WordPiece(self._ids, unk_token="[UNK]", max_input_chars_per_word=100))
        tokenizer.normalizer = BertNormalizer(lowercase=True, strip_accents=True)
        tokenizer.pre_tokenizer = BertPreTokenizer()
        tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in ADDED])
        return tokenizer

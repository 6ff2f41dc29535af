"""Phrases become token ids, in the compact model's vocabulary and in CLIP's."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch
from FluoroSAMSlicerLib.model import (
    CompactTokenizer,
    FluoroSAMConfig,
    PublishedTokenizer,
    TokenError,
    clip_vocabulary,
    train_tokenizer,
)
from FluoroSAMSlicerLib.model.clip_vocabulary import SIMPLE, find_clip_vocabulary
from FluoroSAMSlicerLib.model.tokens import normalise

PHRASES = [
    f"{side} {bone}" for side in ("left", "right") for bone in ("femur", "tibia", "lung", "rib 5", "hip bone")
] + ["T12 vertebra", "vertebra L4", "Kirschner wire", "K-wire", "pacemaker", "sternum"]


@pytest.fixture(scope="module")
def compact() -> CompactTokenizer:
    return CompactTokenizer(train_tokenizer(PHRASES * 3, 300), context=12)


def test_ids_fit_the_compact_configuration(compact):
    ids = compact.encode(PHRASES)
    assert ids.dtype == torch.int64 and ids.shape[0] == len(PHRASES) and ids.shape[1] <= 12
    assert compact.end_of_text == FluoroSAMConfig.compact().text.end_of_text
    assert ((ids == compact.end_of_text).sum(dim=1) == 1).all()
    assert int(ids.max()) < compact.tokenizer.get_vocab_size() <= 300


def test_case_accents_and_spaces_do_not_matter(compact):
    plain, *others = compact.encode(["left femur", "LEFT  Femur", "  left fémur "])
    assert all(torch.equal(plain, other) for other in others)


def test_digits_are_tokens_of_their_own(compact):
    assert compact.tokenizer.encode("T12 rib 5").tokens[2:4] == ["1", "2"]


def test_different_structures_have_different_ids(compact):
    assert len({tuple(row.tolist()) for row in compact.encode(PHRASES)}) == len(PHRASES)


def test_compact_tokenizer_file_round_trip(compact, tmp_path):
    path = tmp_path / "tokenizer.json"
    compact.tokenizer.save(str(path))
    assert torch.equal(CompactTokenizer.read(path, 12).encode(PHRASES), compact.encode(PHRASES))
    path.write_text(path.read_text()[:200])
    with pytest.raises(TokenError, match="cannot be read"):
        CompactTokenizer.read(path, 12)


@pytest.mark.parametrize(
    ("phrase", "cause"),
    [("", "empty"), (" \t ", "empty"), ("femur " * 20, "at most 12"), ("x" * 10_000, "10000 characters")],
)
def test_unusable_phrases_give_one_clear_line(compact, phrase, cause):
    with pytest.raises(TokenError, match=cause) as caught:
        compact.encode([phrase])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def write_tiny_clip_vocabulary(folder: Path) -> None:
    """A vocabulary of CLIP's construction with six merges, in the three forms that people have."""
    letters = [chr(b) for b in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))]
    letters += [chr(0x100 + n) for n in range(256 - len(letters))]
    merges = [("l", "e"), ("f", "t</w>"), ("le", "ft</w>"), ("r", "i"), ("ri", "b</w>"), ("'", "s</w>")]
    entries = [*letters, *(c + "</w>" for c in letters), *(a + b for a, b in merges)]
    entries += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {entry: n for n, entry in enumerate(entries)}
    lines = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    for name in ("simple", "pair", "whole"):
        (folder / name).mkdir()
    with gzip.open(folder / "simple" / SIMPLE, "wt", encoding="utf-8") as file:
        file.write(lines)
    (folder / "pair" / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "pair" / "merges.txt").write_text(lines, encoding="utf-8")
    model = {"type": "BPE", "vocab": vocabulary, "merges": [f"{a} {b}" for a, b in merges]}
    (folder / "whole" / "tokenizer.json").write_text(json.dumps({"model": model}), encoding="utf-8")


def test_every_form_of_the_clip_vocabulary_gives_the_same_ids(tmp_path):
    write_tiny_clip_vocabulary(tmp_path)
    phrases = ["Left  rib", "rib's 12", "\u5de6 &amp; caf\u00e9"]
    simple, pair, whole = (
        PublishedTokenizer(tmp_path / n).encode(phrases) for n in ("simple", "pair", "whole")
    )
    assert torch.equal(simple, pair) and torch.equal(simple, whole)
    assert simple.shape == (3, 77)
    start, end = 512 + 6, 512 + 7
    assert simple[0, :5].tolist() == [start, 512 + 2, 512 + 4, end, 0]


def test_a_vocabulary_is_found_beside_the_model_before_it_is_looked_for_elsewhere(tmp_path, monkeypatch):
    write_tiny_clip_vocabulary(tmp_path)
    monkeypatch.setenv("FLUOROSAM_CLIP_VOCABULARY", str(tmp_path / "simple"))
    assert find_clip_vocabulary(tmp_path / "pair") == tmp_path / "pair"
    assert find_clip_vocabulary(tmp_path) == tmp_path / "simple"
    assert torch.equal(
        PublishedTokenizer(tmp_path).encode(["left"]), PublishedTokenizer(tmp_path / "whole").encode(["left"])
    )


def test_absent_and_damaged_clip_vocabularies(tmp_path, monkeypatch):
    monkeypatch.setattr(clip_vocabulary, "_elsewhere", list)
    with pytest.raises(TokenError, match="vocab.json and merges.txt"):
        PublishedTokenizer(tmp_path).encode(["femur"])
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(TokenError, match="cannot be read"):
        PublishedTokenizer(tmp_path).encode(["femur"])
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("#version\n")
    with pytest.raises(TokenError, match="not CLIP"):
        PublishedTokenizer(tmp_path).encode(["femur"])


@pytest.mark.parametrize("phrase", ["a b c d e f g h i j " * 8, "x" * 10_000])
def test_phrases_beyond_the_published_context_are_refused(tmp_path, phrase):
    write_tiny_clip_vocabulary(tmp_path)
    with pytest.raises(TokenError, match="name of one structure"):
        PublishedTokenizer(tmp_path / "simple").encode([phrase])


def test_text_is_normalised_as_clip_was_trained():
    assert (
        normalise("  The patient\u2019s &amp;amp; \uff2c\uff25\uff26\uff34\u00a0\ufb01bula ")
        == "the patient's & left fibula"
    )
    assert normalise("cafe\u0301") == "caf\u00e9"
    assert normalise("C\u2013arm") == "c\u2013arm"


def test_published_tokens_equal_the_reference(reference_fixture):
    folder = find_clip_vocabulary()
    if folder is None:
        pytest.skip(
            "CLIP's vocabulary is not bundled: set FLUOROSAM_CLIP_VOCABULARY or install open_clip_torch"
        )
    facts = json.loads((reference_fixture / "tokens.json").read_text(encoding="utf-8"))
    ids = PublishedTokenizer(folder, facts["context_length"]).encode(
        [case["text"] for case in facts["cases"]]
    )
    for row, case in zip(ids.tolist(), facts["cases"], strict=True):
        padding = [facts["pad_id"]] * (facts["context_length"] - len(case["ids"]))
        assert row == case["ids"] + padding, case["text"]

"""SAT reproduces the published reference, stage by stage and end to end, on its parity fixture."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.sat import FeatureStore, blend, modality_of, plan_windows, prepare, restore, slabs
from FluoroSAMSlicerLib.sat.modality import MODALITIES
from FluoroSAMSlicerLib.sat.queries import positions
from FluoroSAMSlicerLib.sat.scan import resample
from FluoroSAMSlicerLib.sat.tokens import WordPieces
from FluoroSAMSlicerLib.sat.windows import importance

AFFINE, IMAGE, QUERY, MAP, TOKEN, MASK, LOGIT, PROBABILITY, FLIPS = (
    1e-6, 2e-5, 2e-5, 2e-4, 2e-4, 2e-3, 2e-2, 5e-3, 50,
)  # fmt: skip
"""Greatest absolute differences of a correct float32 implementation, and voxels that may flip in a case."""


@pytest.fixture(scope="module", autouse=True)
def without_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module", params=["whole", "slabs"])
def window(request, fixture):
    """A window's features and every map on the way, computed whole and in slabs of few rows."""
    before, seen = slabs.SLAB_BYTES, {}
    if request.param == "slabs":
        slabs.SLAB_BYTES = {"cpu": 150_000}
    try:
        patch = fixture.inputs["patch"][0, 0]
        features = fixture.network.encode(patch, seen=lambda name, map_: seen.update({name: map_.clone()}))
    finally:
        slabs.SLAB_BYTES = before
    return features, seen


@pytest.fixture(scope="module")
def queries(fixture):
    ids = [fixture.words.encode(name) for name in fixture.description["labels"]]
    return fixture.network.text_encoder(ids, MODALITIES["ct"])


def assert_close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def test_names_become_the_reference_s_tokens(fixture):
    expected, mask = fixture.expected["text.input_ids"], fixture.expected["text.attention_mask"]
    for row, name in enumerate(fixture.description["labels"]):
        assert fixture.words.encode(name) == expected[row][mask[row].bool()].tolist()


def test_all_class_names_and_odd_strings_have_as_many_tokens_as_under_the_full_vocabulary(fixture):
    listed = json.loads((fixture.folder / "tokens.json").read_text())
    unknown = fixture.words.words.index("[UNK]")
    for name, ids in listed["names"].items():
        mine = fixture.words.encode(name)
        assert len(mine) == len(ids) and unknown not in mine
    for text in ("<s> z", "<mask> y", "L1/L2", "left-kidney", "  left   femur  ", ""):
        assert len(fixture.words.frame(text)) == len(listed["odd_strings"][text])
    assert fixture.words.frame("<s> z")[1] == 0
    assert fixture.words.frame("[UNK]")[1] == unknown
    assert len(fixture.words.encode("liver " * 400)) == 256


def test_berts_vocabulary_becomes_mpnets(fixture, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(fixture.words.words[4:-1]) + "\n", encoding="utf-8")
    assert WordPieces.read(tmp_path).words == fixture.words.words


def test_text_encoder(fixture):
    text, expected = fixture.network.text_encoder, fixture.expected
    ids, mask = expected["text.input_ids"], expected["text.attention_mask"].bool()
    assert_close(text.hidden(ids)[mask], expected["text.last_hidden"][mask], QUERY)
    assert_close(text.pooled(ids), expected["text.mean_pooled"], QUERY)
    assert_close(text.projection_layer(text.pooled(ids)), expected["text.projected"], QUERY)
    rows = [row[own].tolist() for row, own in zip(ids, mask, strict=True)]
    for modality, number in MODALITIES.items():
        assert_close(text(rows, number), expected[f"text.query_{modality}"], QUERY)


@pytest.mark.parametrize("name", [f"encoder{n}" for n in range(6)] + [f"decoder{n}" for n in range(5)])
def test_maps_of_the_unet(fixture, window, name):
    expected, step = fixture.every(f"unet.{name}")
    assert_close(window[1][name][:, ::step, ::step, ::step], expected[0], MAP)


def test_image_tokens_and_positions(fixture, window):
    assert_close(window[0].tokens, fixture.expected["image_embedding"][:, 0], TOKEN)
    config = fixture.network.config
    assert_close(positions(config.cells, config.width), fixture.expected["pos_embedding"][:, 0], 1e-6)


def test_query_decoder_and_masks(fixture, window, queries):
    network, expected = fixture.network, fixture.expected
    place = positions(network.config.cells, network.config.width)
    result, layers = network.transformer_decoder(queries, window[0].tokens, place)
    for number, layer in enumerate(layers):
        assert_close(layer, expected[f"decoder.layer{number}"][:, 0], TOKEN)
    assert_close(result, expected["decoder.norm"][:, 0], TOKEN)
    weights = network.mask_weights(queries, window[0].tokens)
    assert_close(weights, expected["mask_embedding"], MASK)
    thinned, step = fixture.every("logits")
    assert_close(network.logits(weights, window[0].volume)[:, ::step, ::step, ::step], thinned[0], LOGIT)


def test_every_volume_is_prepared_as_the_reference_does(fixture):
    for case, facts in fixture.preprocess.items():
        image, affine = fixture.image(case)
        whole, places = resample(image, affine, facts["orientation_code"])
        assert list(whole.shape) == facts["resampled_shape"], case
        np.testing.assert_allclose(places.grid, facts["resampled_affine"], rtol=0, atol=AFFINE)
        scan = prepare(image, affine, modality_of(facts["modality"]), facts["orientation_code"])
        assert list(scan.start) == facts["crop_start"] and list(scan.values.shape) == facts["final_shape"], (
            case
        )
        expected, step = fixture.normalised(case)
        np.testing.assert_allclose(scan.values[::step, ::step, ::step], expected, rtol=0, atol=IMAGE)


def test_windows_and_their_weights(fixture):
    half = fixture.expected["gaussian_fp16"].float().numpy()
    own = importance(fixture.tile)
    assert np.array_equal(own[tuple(slice(0, size) for size in half.shape)], half)
    for facts in fixture.description["e2e"].values():
        planned = plan_windows(tuple(facts["grid_shape"]), fixture.tile)
        corners = [[v for a, n in zip(w.start, w.size, strict=True) for v in (a, a + n)] for w in planned]
        assert corners == facts["windows"]


def test_end_to_end_on_every_volume(fixture):
    for case, facts in fixture.description["e2e"].items():
        scan = prepare(*fixture.image(case), facts["merged_modality"])
        planned, store = plan_windows(scan.values.shape, fixture.tile), FeatureStore()
        for window in planned:
            values = torch.from_numpy(window.cut(scan.values, fixture.tile))
            store.put(window, fixture.network.encode(values))
        ids = [fixture.words.encode(name) for name in facts["labels"]]
        asked = fixture.network.text_encoder(ids, MODALITIES[facts["merged_modality"]])
        found = blend(fixture.network, asked, planned, store, scan.values.shape)
        expected, step = fixture.probability(case)
        assert_close(found[:, ::step, ::step, ::step], expected, PROBABILITY)
        flips = dict.fromkeys(("mask", "restored_linear", "restored_nearest"), 0)
        for number, probability in enumerate(found):
            mask = fixture.packed(case, "mask", number, scan.values.shape)
            flips["mask"] += np.count_nonzero(mask != (probability > 0.5).numpy())
            for kind in ("linear", "nearest"):
                restored = restore(probability, scan, kind == "linear").whole(scan.stored)
                wanted = fixture.packed(case, f"restored_{kind}", number, scan.stored)
                flips[f"restored_{kind}"] += np.count_nonzero(restored != wanted)
        assert max(flips.values()) <= FLIPS, (case, flips)

"""One image is encoded once; prompts of every mix give masks in the image's own pixels."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib import segmentation
from FluoroSAMSlicerLib.anatomy import AmbiguousName, UnknownName
from FluoroSAMSlicerLib.model import CheckpointError
from FluoroSAMSlicerLib.segmentation import DeviceError, ImageError, Prediction, Predictor, PromptError
from FluoroSAMSlicerLib.segmentation.device import sensible_threads, thread_count

from .conftest import Image, blob_image

MIXES = {
    "text": {"text": "left lung"},
    "point": {"points": [(50, 60)], "labels": [1]},
    "box": {"box": (10, 20, 150, 190)},
    "text and points": {"text": "left lung", "points": [(50, 60), (120, 210)], "labels": [1, 0]},
    "everything": {"text": "left lung", "points": [(50, 60)], "labels": [1], "box": (10, 20, 150, 190)},
}


@pytest.fixture(scope="module")
def embedding(predictor, image):
    return predictor.encode(image)


@pytest.mark.parametrize("mix", MIXES)
def test_every_mix_of_prompts_gives_a_mask_of_the_images_own_size(predictor, embedding, mix):
    result = predictor.predict(embedding, **MIXES[mix])
    assert result.mask.shape == result.logits.shape == embedding.size == (300, 200)
    assert result.mask.dtype == bool and result.logits.dtype == np.float32 and isinstance(result.score, float)
    np.testing.assert_array_equal(result.mask, result.logits > 0)


def test_every_part_of_a_prompt_changes_the_answer(predictor, embedding):
    answers = [predictor.predict(embedding, **mix).low_res for mix in MIXES.values()]
    for number, one in enumerate(answers):
        for other in answers[:number]:
            assert (one - other).abs().max() > 1e-3


def test_a_previous_mask_is_a_prompt_too(predictor, embedding):
    first = predictor.predict(embedding, text="left lung")
    again = predictor.predict(embedding, text="left lung", previous=first)
    assert (again.low_res - first.low_res).abs().max() > 1e-3


def test_the_same_prompt_gives_the_same_mask(predictor, embedding):
    first, second = (predictor.predict(embedding, **MIXES["everything"]) for _ in range(2))
    assert torch.equal(first.candidates.low_res, second.candidates.low_res) and first.score == second.score


def test_the_candidates_are_the_three_masks_and_the_best_scoring_is_chosen(predictor, embedding):
    result = predictor.predict(embedding, text="left lung")
    assert len(result.candidates) == 3 and result.score == max(result.candidates.scores)
    masks = [result.candidates.mask(index) for index in range(3)]
    np.testing.assert_array_equal(masks[result.chosen], result.mask)
    np.testing.assert_array_equal(result.candidates.logits(result.chosen), result.logits)
    assert torch.equal(result.low_res, result.candidates.low_res[result.chosen])


def test_a_prediction_says_what_was_asked_of_which_model(predictor, embedding, model_folder):
    result = predictor.predict(embedding, text="lt  lung")
    assert result.text == "lt lung" and result.structure.name == "left lung"
    assert result.model == "random" and len(result.model_version) == 12
    clicked = predictor.predict(embedding, points=[(50, 60)], labels=[1])
    assert clicked.text is None and clicked.structure is None


def test_synonyms_reach_the_model_as_the_canonical_name(predictor, embedding):
    typed, canonical = (predictor.predict(embedding, text=text) for text in ("L LUNG", "left lung"))
    assert torch.equal(typed.low_res, canonical.low_res)
    other = predictor.predict(embedding, text="right lung")
    assert not torch.equal(typed.low_res, other.low_res)


def test_a_group_is_asked_for_by_its_own_name(predictor, embedding, monkeypatch):
    asked = []
    encode = predictor.tokenizer.encode
    monkeypatch.setattr(predictor.tokenizer, "encode", lambda texts: asked.extend(texts) or encode(texts))
    predictor.inference.codes.pop("ribs", None)
    predictor.inference.codes.pop("lungs", None)
    for _ in range(2):
        assert predictor.predict(embedding, text="both lungs").structure.members
    assert asked == ["lungs"]


def test_names_outside_the_vocabulary_are_refused_unless_allowed(predictor, embedding):
    with pytest.raises(UnknownName) as refusal:
        predictor.predict(embedding, text="flux capacitor")
    assert "flux capacitor" in str(refusal.value)
    result = predictor.predict(embedding, text="flux capacitor", allow_unknown=True)
    assert result.structure is None and result.text == "flux capacitor"


def test_ambiguous_names_are_refused_with_the_candidates(predictor, embedding):
    with pytest.raises(AmbiguousName) as refusal:
        predictor.predict(embedding, text="sinus", allow_unknown=True)
    assert len(refusal.value.candidates) > 1


def test_prompts_must_lie_on_the_image_and_ask_for_something(predictor, embedding):
    with pytest.raises(PromptError, match="nothing was asked for"):
        predictor.predict(embedding)
    with pytest.raises(PromptError, match="x goes from 0 to 199, y from 0 to 299"):
        predictor.predict(embedding, points=[(250, 100)], labels=[1])
    with pytest.raises(PromptError, match="empty"):
        predictor.predict(embedding, text="")
    with pytest.raises(PromptError):
        predictor.predict(embedding, text="left\x00lung")


def test_a_previous_prediction_must_be_of_the_same_image_and_model(predictor, embedding, model_folder):
    other_image = predictor.predict(predictor.encode(blob_image(300, 200, seed=5)), text="left lung")
    with pytest.raises(PromptError, match="another image"):
        predictor.predict(embedding, text="left lung", previous=other_image)
    stranger = Predictor(predictor.network, predictor.tokenizer, predictor.provenance, "other", "cpu", 1)
    with pytest.raises(PromptError, match="another model"):
        stranger.predict(embedding, text="left lung")


def test_an_image_is_encoded_once_whatever_object_holds_it(model_folder, monkeypatch):
    predictor = Predictor.load(model_folder, device="cpu", threads=1, cached_images=2)
    encoded = []
    encode = predictor.network.encode_image
    monkeypatch.setattr(predictor.network, "encode_image", lambda values: encoded.append(1) or encode(values))
    first, second, third = (blob_image(60, 90, seed) for seed in range(3))
    kept = predictor.encode(first)
    assert predictor.encode(Image(first.pixels.copy())) is kept and len(encoded) == 1
    predictor.encode(second), predictor.encode(first), predictor.encode(third)
    assert len(encoded) == 3
    assert predictor.encode(first) is kept and len(encoded) == 3
    predictor.encode(second)
    assert len(encoded) == 4
    turned = Image(first.pixels.reshape(90, 60))
    assert predictor.encode(turned).size == (90, 60)


@pytest.mark.parametrize(
    ("pixels", "cause"),
    [
        (np.zeros((0, 5), np.float32), "height x width"),
        (np.zeros((5, 5, 3), np.float32), "height x width"),
        (np.full((5, 5), np.nan, np.float32), "NaN"),
    ],
)
def test_images_that_are_none_are_refused(predictor, pixels, cause):
    with pytest.raises(ImageError, match=cause):
        predictor.encode(Image(pixels))


@pytest.mark.parametrize("shape", [(1, 1), (7, 400), (513, 31), (2500, 1800)])
def test_images_of_every_shape_are_segmented(predictor, shape):
    embedding = predictor.encode(blob_image(*shape))
    corner = shape[1] - 1, shape[0] - 1
    assert predictor.predict(embedding, points=[corner], labels=[1]).mask.shape == shape


def test_half_precision_is_used_where_wanted_and_close_to_float32(model_folder, image):
    exact = Predictor.load(model_folder, device="cpu", threads=1, half=False)
    half = Predictor.load(model_folder, device="cpu", threads=1, half=True)
    assert exact.half is None and half.half is torch.bfloat16
    first, second = exact.encode(image).features, half.encode(image).features
    assert first.dtype == second.dtype == torch.float32
    difference = (first - second).abs().max()
    assert 0 < difference < 0.1 * first.abs().max()


def test_half_precision_leaves_the_network_exact_and_is_no_rounder_than_autocast(model_folder, image):
    predictor = Predictor.load(model_folder, device="cpu", threads=1, half=True)
    before = dict(predictor.network.named_parameters())
    features = predictor.encode(image).features
    after = dict(predictor.network.named_parameters())
    assert all(after[name] is weight and weight.dtype == torch.float32 for name, weight in before.items())
    shared = Predictor(
        predictor.network, predictor.tokenizer, predictor.provenance, device="cpu", threads=1, half=True
    )
    exact = Predictor.load(model_folder, device="cpu", threads=1, half=False).encode(image).features
    rounding = (shared.encode(image).features - exact).abs().mean()
    assert 0 < (features - exact).abs().mean() < 1.1 * rounding


def test_half_precision_works_where_torch_cannot_pack_matrices(model_folder, image, monkeypatch):
    packed = Predictor.load(model_folder, device="cpu", threads=1, half=True).encode(image).features
    monkeypatch.setattr("FluoroSAMSlicerLib.segmentation.precision._PACKING", None)
    plain = Predictor.load(model_folder, device="cpu", threads=1, half=True).encode(image).features
    exact = Predictor.load(model_folder, device="cpu", threads=1, half=False).encode(image).features
    # The two ways may agree to the bit, as on processors without bfloat16.
    assert (plain - packed).abs().max() < 0.1 * packed.abs().max()
    assert 0 < (plain - exact).abs().max() < 0.1 * exact.abs().max()


def test_a_network_that_is_being_trained_is_always_seen_as_it_is(model_folder, image):
    owner = Predictor.load(model_folder, device="cpu", threads=1)
    trained = Predictor(owner.network, owner.tokenizer, owner.provenance, device="cpu", threads=1, half=True)
    first = trained.encode(image).features
    with torch.no_grad():
        owner.network.image.neck.output.weight.mul_(1.5)
    trained._embeddings = type(trained._embeddings)(4)
    assert not torch.allclose(trained.encode(image).features, first, atol=1e-2)


def test_threads_are_those_that_were_asked_for_and_only_while_computing(model_folder, image, monkeypatch):
    before = torch.get_num_threads()
    predictor = Predictor.load(model_folder, device="cpu", threads=before + 1)
    seen = []
    encode = predictor.network.encode_image

    def watched(values):
        seen.append(torch.get_num_threads())
        return encode(values)

    monkeypatch.setattr(predictor.network, "encode_image", watched)
    predictor.encode(image)
    assert seen == [before + 1] and torch.get_num_threads() == before
    assert 1 <= sensible_threads() <= before
    with pytest.raises(DeviceError, match="0 threads"):
        Predictor.load(model_folder, threads=0)
    with pytest.raises(ZeroDivisionError), thread_count(before + 1):
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("device", ["abacus", "cuda:77", "meta:x"])
def test_devices_that_are_not_there_are_named(model_folder, device):
    with pytest.raises(DeviceError, match=f"'{device}' is not available"):
        Predictor.load(model_folder, device=device)


@pytest.fixture
def small_gpu(predictor, model_folder, monkeypatch):
    """A predictor on a GPU without a GPU: what goes there stays where it is, and the network finds it full.

    Everything but the chip is the real thing: the device's name, the number format and the way back.
    """
    to = torch.Tensor.to

    def stay(tensor, *wanted, **settings):
        gpu = [one for one in wanted if isinstance(one, torch.device) and one.type == "cuda"]
        return tensor if gpu else to(tensor, *wanted, **settings)

    def install(part: str, problem: Exception) -> Predictor:
        own = Predictor.load(model_folder, device="cpu", threads=1, half=False)
        whole = getattr(own.network, part)

        def full(*given, **named):
            if own.device.type == "cuda":
                raise problem
            return whole(*given, **named)

        monkeypatch.setattr(torch.Tensor, "to", stay)
        monkeypatch.setattr(own.network, part, full)
        own.inference.device = torch.device("cuda")
        return own

    return install


FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("problem", FULL)
def test_a_gpu_too_small_for_the_image_is_left_for_the_cpu_with_a_warning(
    model_folder, image, small_gpu, problem
):
    expected = Predictor.load(model_folder, device="cpu", threads=1, half=False).encode(image).features
    predictor = small_gpu("encode_image", problem)
    with pytest.warns(UserWarning, match="memory of cuda is full; going on with the CPU"):
        embedding = predictor.encode(image)
    assert predictor.device.type == "cpu" and torch.equal(embedding.features, expected)
    result = predictor.predict(embedding, text="left lung")
    assert result.mask.shape == (300, 200)
    assert "memory of cuda is full" in result.notes[0] and result.notes[0] in predictor.notes


@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")
@pytest.mark.parametrize("part", ["encode_prompts", "decode", "encode_text"])
def test_a_gpu_too_small_for_the_prompt_is_left_for_the_cpu(model_folder, image, small_gpu, part):
    exact = Predictor.load(model_folder, device="cpu", threads=1, half=False)
    expected = exact.predict(exact.encode(image), text="left lung")
    predictor = small_gpu(part, FULL[0])
    embedding = predictor.encode(image)
    assert predictor.device.type == "cuda"
    with pytest.warns(UserWarning, match="going on with the CPU"):
        result = predictor.predict(embedding, text="left lung")
    assert torch.equal(result.low_res, expected.low_res) and len(result.notes) == 1
    assert not expected.notes


def test_other_faults_of_a_gpu_are_not_taken_for_a_full_memory(image, small_gpu):
    predictor = small_gpu("encode_image", RuntimeError("CUDA error: an illegal memory access"))
    with pytest.raises(RuntimeError, match="illegal"):
        predictor.encode(image)


def test_models_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no model here"):
        Predictor.load(tmp_path)


def test_the_room_is_entered_without_torch():
    code = "import sys, FluoroSAMSlicerLib.segmentation as s; s.PromptError; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_waiting_threads_sleep_unless_the_user_wants_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert segmentation.Predictor is Predictor and os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert segmentation.Predictor is Predictor and os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_predictions_are_small_until_their_mask_is_asked_for(predictor):
    result = predictor.predict(predictor.encode(blob_image(3000, 2400)), text="left lung")
    assert isinstance(result, Prediction) and "mask" not in vars(result)
    assert (
        result.candidates.low_res.untyped_storage().nbytes() <= 4 * result.candidates.low_res[0].numel() * 4
    )
    assert result.mask is result.mask and result.mask.shape == (3000, 2400)

"""Going on from a trained model with the images of a set: what is read, what is asked, what comes out."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.dataset import (
    CTSource,
    DatasetError,
    LabelledCT,
    SetReader,
    SetSettings,
    ShardReader,
    ShardWriter,
    open_training_images,
    read_set,
    write_set,
)
from FluoroSAMSlicerLib.drr import CTVolume, LabelVolume
from FluoroSAMSlicerLib.model import Provenance, load_model
from FluoroSAMSlicerLib.radiograph import Radiograph
from FluoroSAMSlicerLib.segmentation import Predictor
from FluoroSAMSlicerLib.training.augment import augment
from FluoroSAMSlicerLib.training.course import Training
from FluoroSAMSlicerLib.training.evaluation import evaluate
from FluoroSAMSlicerLib.training.export import export
from FluoroSAMSlicerLib.training.fine_tune import FINE_COURSE, MOVED, FineTuning, between, forgotten
from FluoroSAMSlicerLib.training.samples import SampleStream
from FluoroSAMSlicerLib.training.set_prompts import SetPrompts
from FluoroSAMSlicerLib.training.state import settle
from small_networks import small_compact
from training.test_training import make_sample, pixels_of

SHORT = replace(FINE_COURSE, size=64, steps=4, warmup=1, fall=2)


def fine_tuning(images, folder, course=SHORT, network=None, tokenizer=None, count: int = 2) -> Training:
    stream = SampleStream(open_training_images(images), course.size, count, course.seed)
    return Training(stream, folder, course, "cpu", network or small_compact(course.size), tokenizer)


@pytest.fixture(scope="module")
def knee(shared_data, tmp_path_factory):
    """A set of eight small images of a knee."""
    source = CTSource(shared_data("ct/spl_knee_ct_synthetic.nrrd"), shared_data("ct/spl_knee_labels.nrrd"))
    folder = tmp_path_factory.mktemp("sets") / "knee"
    write_set([source], SetSettings(count=8, seed=1, size=64, detector_mm=250.0), folder)
    return folder


def boxes(names: dict[str, tuple[int, ...]], patient: str) -> LabelledCT:
    """A body of tissue with three boxes of bone, labelled 1 to 3 from right to left."""
    hu = np.full((24, 20, 40), 20, np.int16)
    labels = np.zeros(hu.shape, np.uint16)
    for value in (1, 2, 3):
        labels[4:20, 8:14, 12 * value - 8 : 12 * value] = value
    hu[labels > 0] = 900
    place = dict(origin=np.zeros(3), spacing=np.full(3, 6.0))
    return LabelledCT(patient, CTVolume(hu, **place), LabelVolume(labels, **place), names, patient)


def boxes_set(folder, *subjects: LabelledCT, **settings):
    write_set(
        list(subjects), SetSettings(**{"count": 4, "size": 32, "detector_mm": 300.0} | settings), folder
    )
    return folder


def test_a_set_is_read_as_attenuation_with_its_masks(knee):
    reader, images = open_training_images(knee), read_set(knee)
    assert isinstance(reader, SetReader) and len(reader) == len(images) == 8
    sample, image = reader.read(3), images[3]
    assert sample.density.shape == (1, 64, 64) and np.array_equal(sample.density[0], image.attenuation)
    assert [name for name, *_ in reader.entry(3)["masks"]] == list(image.names) == list(sample.masks)
    assert all(np.array_equal(mask, image.mask(name)) for name, mask in sample.masks.items())
    some = image.names[0]
    assert set(reader.read(3, [some]).masks) == {some}


def test_what_there_is_to_train_on_is_found_out(tmp_path):
    ShardWriter(tmp_path / "shards").write("00000-chest", [make_sample()])
    assert isinstance(open_training_images(tmp_path / "shards"), ShardReader)
    with pytest.raises(DatasetError, match="neither a set .* nor shards"):
        open_training_images(tmp_path)
    with pytest.raises(DatasetError, match="neither a set"):
        open_training_images(tmp_path / "absent")
    (tmp_path / "set.json").write_text("{}")
    with pytest.raises(DatasetError, match="not finished"):
        open_training_images(tmp_path)


def test_images_for_validation_are_never_trained_on(tmp_path):
    two = [boxes({"left femur": (1,)}, name) for name in ("ada", "bob")]
    folder = boxes_set(tmp_path / "two", *two, validation=0.5)
    trained = {SetReader(folder).entry(n)["body"] for n in range(len(SetReader(folder)))}
    assert trained == {image.ct for image in read_set(folder) if image.split == "train"} and len(trained) == 1


class Oracle:
    """Draws the true masks of a set's images, which it tells apart by their pixels."""

    name = "oracle"

    def __init__(self, images):
        self.images = {image.display.tobytes(): image for image in images}
        self.asked = []

    def encode(self, radiograph):
        return self.images[np.round(radiograph.pixels * 255).astype(np.uint8).tobytes()]

    def predict(self, image, text, points, labels, previous):
        self.asked.append((image.number, text))
        return SimpleNamespace(mask=image.mask(text), score=1.0)


def test_a_set_is_evaluated_on_its_images_for_validation_by_the_names_it_has(tmp_path):
    two = [boxes({"left femur": (1,), "my wild growth": (2,)}, name) for name in ("ada", "bob")]
    folder = boxes_set(tmp_path / "two", *two, validation=0.5)
    images = read_set(folder)
    oracle = Oracle(images)
    result = evaluate(folder, oracle, clicks=[0])
    kept = [image.number for image in images if image.split == "val"]
    assert oracle.asked == [(number, "left femur") for number in kept] and 0 < len(kept) < len(images)
    assert result.mean(0) == 1 and {row.image for row in result.rows} == {str(number) for number in kept}


def test_a_set_without_images_for_validation_is_evaluated_as_a_whole(knee):
    oracle = Oracle(read_set(knee))
    assert evaluate(knee, oracle, clicks=[0]).mean(0) == 1
    assert {number for number, _ in oracle.asked} == {image.number for image in read_set(knee)}


def test_names_that_nobody_can_ask_for_are_left_out(tmp_path):
    known = boxes_set(tmp_path / "known", boxes({"left femur": (1,), "my wild growth": (2,)}, "ada"))
    prompts = SetPrompts(SetReader(known))
    assert set(prompts.askable) == {"left femur"}
    unknown = boxes_set(tmp_path / "unknown", boxes({"my wild growth": (2,)}, "ada"))
    with pytest.raises(DatasetError, match="can be asked for"):
        SetReader(unknown)


def test_nothing_is_asked_of_which_a_part_may_be_unlabelled(tmp_path):
    whole = {"left hip bone": (1,), "right hip bone": (2,), "left lung lower lobe": (3,)}
    prompts = SetPrompts(SetReader(boxes_set(tmp_path / "a", boxes(whole, "ada"))))
    assert {"left hip bone", "right hip bone", "hip bone", "left lung lower lobe"} == set(prompts.askable)
    assert set(prompts.single) <= set(prompts.askable)
    one = SetPrompts(SetReader(boxes_set(tmp_path / "b", boxes({"left hip bone": (1,)}, "ada"))))
    assert set(one.askable) == {"left hip bone"}


def test_an_exposure_is_varied_with_its_anatomy_still_in_it(knee):
    sample, images = SetReader(knee).read(0), []
    bone = max(sample.masks, key=lambda name: sample.masks[name].sum() if "femur" in name else 0)
    brighter = []
    for seed in range(24):
        image = augment(sample, 64, np.random.default_rng(seed))
        pixels = pixels_of(image)
        assert max(pixels.shape) == 64 and 0 <= pixels.min() and pixels.max() <= 1
        images.append(pixels)
        if bone in image.masks and (around := pixels[~image.masks[bone]]).size:
            brighter.append(pixels[image.masks[bone]].mean() > around.mean())
    assert np.mean(brighter) > 0.75 and len({pixels.tobytes() for pixels in images}) == 24
    again = pixels_of(augment(sample, 64, np.random.default_rng(3)))
    assert np.array_equal(again, images[3])


def test_fine_tuning_resumes_as_if_it_had_not_stopped(knee, tmp_path):
    whole = fine_tuning(knee, tmp_path / "whole")
    norms = {name: value.clone() for name, value in whole.network.named_buffers() if "running" in name}
    whole.run(workers=0)
    fine_tuning(knee, tmp_path / "parts").run(workers=0, minutes=0)
    parts = fine_tuning(knee, tmp_path / "parts")
    assert 0 < parts.step < 4
    parts.run(workers=0)
    state = parts.network.state_dict()
    assert all(torch.allclose(value, state[n], atol=1e-5) for n, value in whole.network.state_dict().items())
    assert norms and all(torch.equal(value, state[name]) for name, value in norms.items())


def test_a_set_of_three_boxes_is_learned(tmp_path):
    names = {"left femur": (3,), "right femur": (1,), "sacrum": (2,)}
    folder = boxes_set(tmp_path / "set", boxes(names, "ada"), lao_deg=(-5.0, 5.0), aim="centre", count=6)
    course = replace(SHORT, steps=50, fall=10, rate=4e-3, settled=False, codes=True, names_first=100)
    dice = []
    fine_tuning(folder, tmp_path / "run", course, count=4).run(
        workers=0, on_step=lambda _, figures: dice.append(figures["names"])
    )
    assert np.nanmean(dice[:8]) < 0.2 and np.nanmean(dice[-8:]) > 0.35


def test_what_is_forgotten_is_how_far_masks_are_from_what_they_were():
    old = torch.full((1, 2, 16, 16), -8.0)
    old[0, 0, 4:12, 4:12] = 8.0
    assert float(forgotten(old, old)) == pytest.approx(0, abs=1e-6)
    some, more = old.clone(), old.clone()
    some[0, 0, 4:6] = -8.0
    more[0, 0, 4:9] = -8.0
    assert 0.05 < float(forgotten(some, old)) < float(forgotten(more, old))


def drift(training, batch) -> float:
    """What a training has forgotten of other names, on a batch of images."""
    codes = training.network.text.codebook.rows[training.others].expand(len(batch.names), -1, -1)
    with torch.no_grad():
        pixels = batch.pixel_values.float()
        masks = [net.decode_names(net.encode_image(pixels), codes)[0] for net in (training.network, training.before)]
    return float(forgotten(*masks))


def test_other_names_are_forgotten_less(knee, tmp_path, monkeypatch):
    network, tokenizer, _ = load_model("compact")
    course = replace(SHORT, size=128, steps=8, rate=2e-3)
    stream, left = SampleStream(open_training_images(knee), 128, 1, 1), {}
    for name in ("with", "without"):
        training = FineTuning(stream, tmp_path / name, course, "cpu", network, tokenizer)
        assert not set(training.others.tolist()) & set(training.rows.tolist()) and len(training.others) > 300
        if name == "without":
            monkeypatch.setattr(training, "also", lambda *_: 0.0)
        settle(training.network)
        assert drift(training, stream[20]) == pytest.approx(0, abs=1e-5)
        training.run(workers=0)
        left[name] = drift(training, stream[20])
    assert 0 < left["with"] < 0.8 * left["without"]


def test_the_bundled_model_goes_on_and_its_result_predicts(knee, tmp_path):
    network, tokenizer, _ = load_model("compact")
    start = {name: value.clone() for name, value in network.state_dict().items()}
    course = replace(SHORT, size=network.config.image_size, steps=1)
    training = fine_tuning(knee, tmp_path / "run", course, network, tokenizer)
    training.run(workers=0)
    average = training.average
    changed = {n.partition(".")[0] for n, value in average.items() if (value != start[n]).any()}
    assert {"image", "names", "masks"} <= changed and "text" not in changed

    half = between(start, average)
    floats = [n for n, value in start.items() if value.is_floating_point()]
    name = max(floats, key=lambda n: float((average[n] - start[n]).abs().max()))
    share = (half[name] - start[name]).abs().max() / (average[name] - start[name]).abs().max()
    assert float(share) == pytest.approx(MOVED, rel=1e-3)

    mine = Provenance("mine", "", "")
    folder = export(tmp_path / "run", tmp_path / "run" / "model", mine, network.config, start)
    assert torch.allclose(load_model(folder)[0].state_dict()[name], half[name], atol=1e-3)
    predictor = Predictor.load(str(folder), device="cpu")
    picture = read_set(knee)[0].display.astype(np.float32) / 255
    embedding = predictor.encode(Radiograph(picture))
    result = predictor.predict(embedding, text="patella", points=[(32, 32)], labels=[1])
    assert result.mask.shape == (64, 64) and 0 <= result.score <= 1.5

"""Pictures are developed alike on every device: by numbers that workers drew, without a way back."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import window
from FluoroSAMSlicerLib.training import plates as plates_module
from FluoroSAMSlicerLib.training import streams as streams_module
from FluoroSAMSlicerLib.training.batches import Batch, mirrored
from FluoroSAMSlicerLib.training.developing import blurred, broad, quantiles
from FluoroSAMSlicerLib.training.exposures import ExposureStream
from FluoroSAMSlicerLib.training.name_batch import CELL, covered_cells
from FluoroSAMSlicerLib.training.overlay import draw_overlay
from FluoroSAMSlicerLib.training.plates import Plates, take
from FluoroSAMSlicerLib.training.samples import SampleStream
from FluoroSAMSlicerLib.training.streams import MixedStream, batches, usual_workers
from FluoroSAMSlicerLib.training.windows import NOTHING, network_values
from scipy.ndimage import gaussian_filter
from training.test_training import make_sample

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")
SIZE = 64


@pytest.fixture(scope="module")
def stream(packed_dolls):
    return ExposureStream(packed_dolls, SIZE, bodies=1, views=3, seed=4)


@pytest.fixture
def no_luck(monkeypatch):
    """A device without values draws no numbers either."""
    here = plates_module.grain_of

    def drawn(seeds: list[int], size: int, device: torch.device) -> torch.Tensor:
        if device == CPU:
            return here(seeds, size, device)
        return torch.empty((len(seeds), size, size), device=device)

    monkeypatch.setattr(plates_module, "grain_of", drawn)


class Reader:
    """One sample over and over."""

    def __init__(self, planes: int):
        sample = make_sample(size=SIZE)
        self.sample = sample if planes == 2 else type(sample)(sample.density.sum(0)[None] / 8, *_rest(sample))

    def __len__(self) -> int:
        return 1

    def entry(self, number: int) -> dict:
        return {"body": self.sample.body, "masks": [(name,) for name in self.sample.masks], "complete": False}

    def read(self, number: int):
        return self.sample


def _rest(sample) -> tuple:
    return sample.masks, sample.body, sample.view, sample.geometry


def picture(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return gaussian_filter(rng.normal(0, 8, shape), 3).astype(np.float32)


def test_a_blur_of_each_picture_is_the_gaussian_of_its_deviation():
    planes = np.stack([picture((SIZE, SIZE), seed) for seed in range(4)])
    deviations = [0.0, 0.5, 0.9, 1.4]
    drawn = blurred(torch.from_numpy(planes), torch.tensor(deviations), reach=4)
    for plane, deviation, made in zip(planes, deviations, drawn, strict=True):
        wanted = gaussian_filter(plane, deviation, truncate=2.5) if deviation else plane
        np.testing.assert_allclose(made, wanted, atol=1e-5)
    far = broad(torch.from_numpy(planes[:1]), torch.tensor([8.0]))[0]
    assert np.corrcoef(far.ravel(), gaussian_filter(planes[0], 8).ravel())[0, 1] > 0.99


def test_shares_of_pixels_are_those_of_the_part_that_is_asked_about():
    planes = np.stack([picture((SIZE, SIZE), seed) for seed in range(3)])
    where = np.zeros(planes.shape, bool)
    where[0, :40], where[1, :, 9:] = True, True
    shares = torch.tensor([[0.02, 0.97], [0.5, 1.0], [0.5, 0.5]])
    low_high = quantiles(torch.from_numpy(planes), torch.from_numpy(where), shares)
    for number in (0, 1):
        looked_at = planes[number, ::4, ::4][where[number, ::4, ::4]]
        wanted = np.percentile(looked_at, 100 * shares[number].numpy())
        np.testing.assert_allclose(low_high[number], wanted, rtol=1e-4, atol=1e-5)
    assert not low_high[2].isfinite().any()


@pytest.mark.parametrize("kind", ["smooth", "two levels", "constant", "speck"])
def test_windows_of_levels_are_those_that_prediction_makes(kind):
    shape = (40, SIZE)
    levels = {
        "smooth": np.clip(128 + 60 * picture(shape), 0, 255).astype(np.int64),
        "two levels": np.where(picture(shape) > 0, 200, 31),
        "constant": np.full(shape, 77),
        "speck": np.where(np.arange(shape[0] * shape[1]).reshape(shape) == 700, 255, 3),
    }[kind]
    square = np.full((SIZE, SIZE), NOTHING)
    square[: shape[0], : shape[1]] = levels
    values = network_values(torch.from_numpy(square)[None])[0]
    assert values.dtype == torch.float16 and not values[:, shape[0] :].any()
    # The clusters of a thousand pixels are not quite those of all.
    wanted = 2 * window(levels.astype(np.float32) / 255) - 1
    assert np.abs(values[:, : shape[0]].numpy() - wanted).mean() < 0.01


def test_a_picture_is_mirrored_beyond_its_sides():
    assert mirrored(5, 8).tolist() == [0, 1, 2, 3, 4, 4, 3, 2]
    density = np.stack([picture((SIZE, 40)), picture((SIZE, 40), 1)])
    one, visible = take(density, np.zeros((SIZE, 40), np.float32), SIZE, np.random.default_rng(0))
    assert visible.shape == (SIZE, 40) and one.sides.tolist() == [SIZE, 40]
    assert torch.equal(one.density[..., :40], torch.from_numpy(density))
    assert torch.equal(one.density[..., 40:], one.density[..., 16:40].flip(-1))


def test_what_lies_over_a_picture_hides_what_it_covers_and_letters_hide_nothing():
    whole = letters = hidden = 0
    for seed in range(60):
        overlay, visible = draw_overlay((50, SIZE), np.random.default_rng(seed))
        assert overlay.shape == (2, 50, SIZE) and overlay.dtype == np.uint8
        assert (overlay[0][~visible] == 0).all() and (overlay.sum(0, dtype=int) <= 256).all()
        whole += visible.all()
        hidden += not visible.all()
        letters += (overlay[0][visible] < 255).any()
    assert whole > hidden > 5 and 8 < letters < 35


def test_cells_count_the_pixels_that_a_structure_covers():
    drawn = np.random.default_rng(0).integers(0, 2, (3, 50, SIZE), dtype=np.uint8)
    cells = covered_cells(drawn, SIZE)
    whole = np.pad(drawn, ((0, 0), (0, SIZE - 50), (0, 0)))
    assert cells.dtype == torch.uint8 and cells.shape == (3, SIZE // CELL, SIZE // CELL)
    for row, column in ((0, 0), (3, 7), (12, 15), (15, 3)):
        own = whole[:, CELL * row : CELL * row + CELL, CELL * column : CELL * column + CELL]
        assert cells[:, row, column].tolist() == own.sum((1, 2)).tolist()


def test_the_same_plates_give_the_same_pictures_and_another_grain_another(stream):
    taken = stream.taken(3).plates
    first = taken.developed(CPU)
    assert torch.equal(first, taken.developed(CPU))
    assert torch.equal(first, stream.taken(3).plates.developed(CPU))
    assert torch.equal(first == NOTHING, ~taken.seen()) and 0 <= first.min()
    other = Plates(**(vars(taken) | {"grain": taken.grain + 1})).developed(CPU)
    assert torch.equal(other == NOTHING, first == NOTHING) and not torch.equal(other, first)


def test_a_picture_does_not_depend_on_those_beside_it(stream):
    taken = stream.taken(5).plates
    single = Plates.stacked([_one(taken, 2)])
    difference = (taken.developed(CPU)[2] - single.developed(CPU)[0]).abs()
    # The last bit of a sum may round the other way.
    assert difference.max() <= 2 and (difference > 0).float().mean() < 0.01


def _one(batch, number: int):
    parts = {
        name: value[number] if isinstance(value, torch.Tensor) else _one(value, number)
        for name, value in vars(batch).items()
    }
    return type(batch)(**parts)


@pytest.mark.parametrize("planes", [1, 2, 3])
def test_nothing_comes_back_from_the_device_that_develops(planes, stream, no_luck):
    source = stream if planes == 3 else SampleStream(Reader(planes), SIZE, images=2)
    taken = source.taken(0)
    assert taken.plates.density.shape[1] == planes
    batch = taken.developed(ELSEWHERE)
    assert {part.device for part in vars(batch).values()} == {ELSEWHERE}
    assert batch.pixel_values.shape == (len(taken.names), 3, SIZE, SIZE)
    assert batch.pixel_values.dtype == torch.float16
    made = taken.developed(CPU)
    assert {part.device for part in vars(made).values()} == {CPU}
    for there, own in zip(vars(batch).values(), vars(made).values(), strict=True):
        assert there.shape == own.shape and there.dtype == own.dtype


@pytest.mark.parametrize("workers", [0, 1])
def test_workers_develop_for_a_processor_and_hand_over_plates_to_a_gpu(workers, stream, no_luck):
    mixed = MixedStream(stream, SampleStream(Reader(2), SIZE, 2, names=stream.names), 0.5)
    here, there = (list(batches(mixed, range(4), device, workers)) for device in (CPU, ELSEWHERE))
    for step, (made, left) in enumerate(zip(here, there, strict=True)):
        assert made.pixel_values.device == CPU and left.pixel_values.device == ELSEWHERE
        assert torch.equal(made.names, mixed.taken(step).names)
        assert torch.equal(made.covered, mixed.taken(step).covered)
        assert left.names.shape == made.names.shape


def test_a_batch_keeps_few_files_open_on_its_way(stream):
    def shared(batch) -> int:
        _, (_, parts) = batch.__reduce__()
        return sum(
            shared(part) if isinstance(part, Batch) else isinstance(part, torch.Tensor)
            for part in parts.values()
        )

    one = ExposureStream(stream.folder, 192, bodies=1, views=2, seed=4).taken(0)
    assert 1 <= shared(one) <= 4
    again = pickle.loads(pickle.dumps(one))
    assert torch.equal(again.developed(CPU).pixel_values, one.developed(CPU).pixel_values)


def test_a_gpu_is_fed_by_all_processors_but_its_own(monkeypatch):
    monkeypatch.setattr(streams_module, "processors", lambda: 16)
    assert usual_workers(torch.device("cuda")) == 15 and usual_workers(CPU) == 1
    monkeypatch.setattr(streams_module, "processors", lambda: 1)
    assert usual_workers(torch.device("cuda")) == 1


def test_bone_is_bright_and_metal_brighter():
    soft, bone, metal = np.full((3, SIZE, SIZE), 0.0, np.float32)
    soft[8:56, 8:56], bone[20:44, 16:30], metal[20:44, 34:48] = 15, 6, 12
    order = []
    for seed in range(60):
        one, visible = take(np.stack([soft, bone]), metal, SIZE, np.random.default_rng(seed))
        covered = (one.overlay[0, 8:56, 8:56] < 255).any()
        if covered or one.technique.inverted or one.technique.equalised[0]:
            continue
        bright = 255 - Plates.stacked([one]).developed(CPU)[0].float()
        areas = bright[22:42, 18:28], bright[22:42, 36:46], bright[48:55, 10:54]
        order.append([float(area.median()) for area in areas])
    in_bone, in_metal, in_soft = np.array(order).T
    assert len(order) > 10 and (in_metal >= in_bone).mean() > 0.9 and (in_bone > in_soft).mean() > 0.9

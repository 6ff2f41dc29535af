"""An image reaches the network windowed, resized and padded as the published model wants it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from FluoroSAMSlicerLib.model import FluoroSAMConfig, ModelError, network_input, pixel_values, window
from FluoroSAMSlicerLib.model.preprocess import InputFrame, resize
from FluoroSAMSlicerLib.model.windowing import two_means
from safetensors.numpy import load_file

IMAGES = ("tall", "square", "wide_up")


@pytest.fixture(scope="module")
def cases(reference_fixture):
    arrays = load_file(reference_fixture / "preprocess.safetensors")
    facts = json.loads((reference_fixture / "preprocess.json").read_text())
    assert set(facts) == set(IMAGES)
    return arrays, facts


@pytest.mark.parametrize("name", IMAGES)
def test_windowing_and_resize_with_the_reference_cluster_centres(cases, name):
    arrays, facts = cases
    centres = tuple(cluster["center"] for cluster in facts[name]["clusters_sorted"])
    windowed = window(arrays[f"{name}.raw"], centres)
    np.testing.assert_allclose(windowed.transpose(1, 2, 0), arrays[f"{name}.windowed"], rtol=0, atol=1e-5)
    frame = InputFrame.of(*facts[name]["raw_hw"], facts[name]["img_size"])
    assert [frame.input_height, frame.input_width] == facts[name]["resized_hw"]
    resized = resize(torch.from_numpy(windowed), frame, antialias=False).numpy()
    np.testing.assert_allclose(resized.transpose(1, 2, 0), arrays[f"{name}.resized"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", IMAGES)
def test_pixel_values_with_our_own_cluster_centres(cases, name):
    arrays, facts = cases
    config = dataclasses.replace(FluoroSAMConfig.published(), image_size=facts[name]["img_size"])
    pixels, frame = network_input(arrays[f"{name}.raw"], config)
    # 0.02 before normalisation, which doubles it.
    np.testing.assert_allclose(pixels.numpy(), arrays[f"{name}.pixel_values"], rtol=0, atol=0.04)
    assert not pixels[..., frame.input_height :, :].any() and not pixels[..., frame.input_width :].any()


def brute_force_two_means(values: np.ndarray) -> tuple[float, float]:
    """Every threshold in turn, in float64: the slow obvious reference."""
    ordered, best = np.sort(values.astype(np.float64)), None
    for cut in range(1, len(ordered)):
        parts = ordered[:cut], ordered[cut:]
        scatter = sum(((part - part.mean()) ** 2).sum() for part in parts)
        if best is None or scatter < best[0]:
            best = scatter, parts[0].mean(), parts[1].mean()
    return best[1:]


def test_two_means_is_the_best_division():
    generator = np.random.default_rng(3)
    image = np.concatenate([generator.normal(0.3, 0.05, 600), generator.normal(0.7, 0.1, 300)]).astype(
        np.float32
    )
    assert two_means(image.reshape(30, 30)) == pytest.approx(brute_force_two_means(image), abs=1e-9)


@pytest.mark.parametrize("shape", [(1000, 700), (2000, 2000), (3000, 2048)])
def test_a_dark_border_does_not_blind_the_clustering(shape):
    """With these heights a constant stride through the rows only ever visits column 0."""
    generator = np.random.default_rng(5)
    image = generator.normal(0.5, 0.1, shape).clip(0.1, 1).astype(np.float32)
    image[:, : shape[1] // 2] *= 0.4
    image[:, :20] = image[:, -20:] = 0.0
    channels = window(image)
    assert channels.min() >= 0 and channels.max() <= 1
    lower, higher = two_means(image)
    assert lower == pytest.approx(0.2, abs=0.03) and higher == pytest.approx(0.5, abs=0.03)


def test_windowing_ignores_scale_and_offset():
    image = np.random.default_rng(1).random((120, 90)).astype(np.float32)
    np.testing.assert_allclose(window(image * 255), window(image), atol=1e-5)
    np.testing.assert_allclose(window(image * 0.01 + 0.5), window(image), atol=3e-3)


def test_windowing_of_odd_images():
    constant = np.full((40, 50), 0.25, np.float32)
    np.testing.assert_array_equal(window(constant), np.stack([0 * constant, constant, constant]))
    binary = np.zeros((40, 50), np.float32)
    binary[10:20] = 1
    channels = window(binary)
    assert np.unique(channels[1]).tolist() == pytest.approx([0.1, 1.0])
    # The upper cluster is one value and the image's greatest: it still belongs to the lowest segment.
    assert np.unique(channels[2]).tolist() == pytest.approx([0.0, 0.1])
    speck = np.zeros((500, 500), np.float32)
    speck[251, 251] = 1
    assert np.isfinite(window(speck)).all() and window(speck)[1].max() > 0.8


def test_the_network_sees_bone_dark():
    config = FluoroSAMConfig.compact()
    image = np.tile(np.linspace(0, 1, config.image_size, dtype=np.float32), (config.image_size, 1))
    pixels, _ = pixel_values(image, config)
    assert pixels[0, 0, 0, 0] == pytest.approx(1.0) and pixels[0, 0, 0, -1] == pytest.approx(-1.0)
    assert torch.equal(pixels, network_input(1 - image, config)[0])


@pytest.mark.parametrize("resize_antialias", [True, False])
@pytest.mark.parametrize("shape", [(300, 200), (97, 450), (50, 40), (1, 5)])
def test_frame_fills_the_upper_left_and_pads_the_rest(shape, resize_antialias):
    config = dataclasses.replace(FluoroSAMConfig.compact(), resize_antialias=resize_antialias)
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    pixels, frame = pixel_values(image, config)
    assert pixels.shape == (1, 3, config.image_size, config.image_size)
    assert max(frame.input_height, frame.input_width) == config.image_size
    assert not pixels[..., frame.input_height :, :].any() and not pixels[..., :, frame.input_width :].any()
    assert pixels[..., : frame.input_height, : frame.input_width].abs().sum() > 0


def test_antialiased_shrinking_averages_a_fine_grid_away():
    config = FluoroSAMConfig.compact()
    image = np.zeros((4 * config.image_size, 4 * config.image_size), np.float32)
    image[:, ::4] = 1
    image[: 2 * config.image_size] *= 0.5
    pixels, _ = network_input(image, config)
    rows = pixels[0, 0, 10:50, 10:-10]
    assert rows.std() < 0.02


@pytest.mark.parametrize("shape", [(180, 140), (140, 180), (1000, 333)])
def test_restore_undoes_the_frame(shape):
    """A blob that the network marks where the image has it comes back at the same image pixels."""
    frame = InputFrame.of(*shape, 224)
    centre = np.array([0.3 * shape[1], 0.6 * shape[0]])
    rows, columns = np.mgrid[0:112, 0:112]
    x, y = frame.to_input(centre) / 2
    low_res = torch.from_numpy(10 - np.hypot(columns - x, rows - y)).float()[None, None]
    logits = frame.restore(low_res)
    assert logits.shape == (1, 1, *shape)
    row, column = np.unravel_index(int(logits[0, 0].argmax()), shape)
    assert np.abs([column, row] - centre).max() <= 1.5 / frame.scale


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (np.zeros((0, 5), np.float32), "empty"),
        (np.zeros((5, 5, 3), np.float32), r"\(height, width\)"),
        (np.full((5, 5), np.nan, np.float32), "not finite"),
        (np.full((5, 5), np.inf, np.float32), "not finite"),
    ],
)
def test_unusable_images_are_refused_with_the_cause(image, cause):
    with pytest.raises(ModelError, match=cause):
        pixel_values(image, FluoroSAMConfig.compact())

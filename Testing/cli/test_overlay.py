"""The picture of a result."""

from __future__ import annotations

import colorsys
import time

import numpy as np
import pytest
from FluoroSAMSlicerLib.anatomy import vocabulary
from FluoroSAMSlicerLib.segmentation import ImageError
from FluoroSAMSlicerLib.segmentation.overlay import FILL, SMALLEST, Layer, overlay
from FluoroSAMSlicerLib.segmentation.overlay_colors import APART, distinct_colors, nearest
from FluoroSAMSlicerLib.segmentation.overlay_numbers import number_places

RED, BLUE = (255, 40, 40), (40, 60, 255)


def square(size=1000, low=300, high=700):
    mask = np.zeros((size, size), bool)
    mask[low:high, low:high] = True
    return mask


def test_inside_is_blended_outline_is_opaque_and_the_rest_is_the_image():
    grey = np.full((1000, 1000), 0.4, np.float32)
    picture = np.asarray(overlay(grey, [Layer("heart", RED, square(), 0.9)]))
    assert picture.shape[0] == 1000 and picture.shape[1] > 1000
    np.testing.assert_array_equal(picture[:290, :1000], 102)
    expected = (1 - FILL) * 102 + FILL * np.array(RED)
    np.testing.assert_allclose(picture[500, 500], expected, atol=3)
    np.testing.assert_allclose(picture[500, 301], RED, atol=30)
    assert np.abs(picture[500, 310].astype(float) - expected).max() < 4


def test_bright_stays_bright():
    ramp = np.tile(np.linspace(0, 1, 1000, dtype=np.float32), (1000, 1))
    picture = np.asarray(overlay(ramp, []))[:, :1000, 0]
    assert picture[0, 0] == 0 and picture[0, -1] == 255 and (np.diff(picture[0].astype(int)) >= 0).all()


def test_a_small_image_is_enlarged_with_its_mask_in_place():
    mask = np.zeros((30, 60), bool)
    mask[:, 30:] = True
    picture = np.asarray(overlay(np.zeros((30, 60), np.float32), [Layer("heart", RED, mask)]))
    assert picture.shape[0] == SMALLEST // 2
    inside = picture[:, :SMALLEST, 0] > 40
    assert not inside[:, : SMALLEST // 2 - 6].any() and inside[:, SMALLEST // 2 + 6 :].all()


def test_unequal_spacing_is_evened_out():
    picture = overlay(np.zeros((400, 1000), np.float32), [], spacing=(0.2, 0.5))
    assert picture.height == 1000


def test_outline_and_text_grow_with_the_image():
    def line_width(size):
        mask = square(size, size // 4, 3 * size // 4)
        row = np.asarray(overlay(np.zeros((size, size), np.float32), [Layer("heart", RED, mask)]))[size // 2]
        return np.count_nonzero(row[size // 8 : size // 2, 0] > 200)

    assert line_width(3600) >= 3 * line_width(900) >= 6


def test_clicks_and_box_are_drawn_where_they_are():
    layer = Layer(
        "heart",
        RED,
        np.zeros((1000, 1000), bool),
        0.1,
        [(200, 300), (800, 300)],
        [1, 0],
        (100, 600, 900, 950),
    )
    picture = np.asarray(overlay(np.zeros((1000, 1000), np.float32), [layer])).astype(int)
    inside, outside = picture[297, 197], picture[297, 797]
    assert inside[1] > 2 * inside[0] and outside[0] > 2 * outside[1]
    assert picture[600, 500, 0] > 200 and picture[775, 500].sum() == 0


def test_legend_names_every_structure_with_its_colour_and_score():
    empty = np.zeros((1000, 1000), bool)
    one = overlay(np.zeros((1000, 1000), np.float32), [Layer("heart", RED, square(), 0.9)])
    two = overlay(
        np.zeros((1000, 1000), np.float32),
        [
            Layer("heart", RED, square(), 0.9),
            Layer("proximal phalanx of left index finger", BLUE, empty, 0.1),
        ],
    )
    assert two.width > one.width
    legend = np.asarray(two)[:, 1000:]
    for color in (RED, BLUE):
        assert (legend == color).all(-1).sum() > 100


def test_many_structures_fit_beside_a_low_image():
    layers = [
        Layer(f"right rib {n}", (220, 200, 170), np.zeros((200, 1000), bool), 0.5) for n in range(1, 25)
    ]
    picture = np.asarray(overlay(np.zeros((200, 1000), np.float32), layers))
    assert picture.shape[0] == 200
    shown = {tuple(color) for color in picture[:, 1000:].reshape(-1, 3).tolist()}
    assert shown >= set(distinct_colors([layer.color for layer in layers]))


def strips(count, size=900):
    """``count`` masks side by side, with the column in the middle of each."""
    width = size // count
    masks = [np.zeros((size, size), bool) for _ in range(count)]
    for n, mask in enumerate(masks):
        mask[100:800, n * width + 4 : (n + 1) * width - 4] = True
    return masks, [(n + 0.5) * width for n in range(count)]


def test_from_ten_structures_on_each_mask_has_a_number_within_it():
    grey = np.zeros((900, 900), np.float32)

    def digits(count):
        masks, columns = strips(count)
        picture = np.asarray(overlay(grey, [Layer(f"rib {n}", RED, mask) for n, mask in enumerate(masks)]))
        band = picture[430:470, :900].min(-1)  # whitish digits: the fills are saturated and darker
        return [(band[:, round(x) - 20 : round(x) + 20] > 100).any() for x in columns]

    assert all(digits(10))
    assert not any(digits(9))


def test_outlines_of_many_are_thinner():
    grey = np.zeros((900, 900), np.float32)

    def edge(count):
        masks, _ = strips(count)
        picture = np.asarray(overlay(grey, [Layer(f"rib {n}", RED, mask) for n, mask in enumerate(masks)]))
        return np.count_nonzero(picture[95:110, 30].max(-1) > 120)

    assert 1 <= edge(10) < edge(9)


def test_numbers_of_masks_over_each_other_keep_apart_and_an_empty_mask_has_none():
    outer, inner = square(900, 200, 700), square(900, 400, 500)
    places = number_places([outer, inner, outer, np.zeros_like(outer)], (900, 900), 20)
    assert places[3] is None
    points = np.array(places[:3])
    assert all(outer[round(y), round(x)] for x, y in points)
    assert inner[round(points[1][1]), round(points[1][0])]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)[np.triu_indices(3, 1)]
    assert apart.min() >= 20


def test_a_mask_of_one_pixel_has_its_number_there():
    speck = np.zeros((2000, 2000), bool)
    speck[1001, 301] = True
    ((x, y),) = number_places([speck], (2000, 2000), 30)
    assert abs(x - 301) <= 5 and abs(y - 1001) <= 5


def test_colours_are_kept_where_they_can_be_told_apart():
    assert distinct_colors([RED, BLUE]) == [RED, BLUE]


def test_pale_and_equal_colours_are_replaced():
    chosen = distinct_colors([(241, 214, 145)] * 3 + [(128, 128, 128)])
    assert all(colorsys.rgb_to_hsv(*(c / 255 for c in color))[1] > 0.4 for color in chosen)
    assert all(nearest([color], [*chosen[:n], *chosen[n + 1 :]])[0] > APART for n, color in enumerate(chosen))


def test_twenty_structures_have_colours_that_can_be_told_apart():
    known = vocabulary()
    ribs = [f"{side} rib {number}" for number in range(1, 11) for side in ("left", "right")]
    trunk = ["left lung", "right lung", "heart", "spine", "left clavicle", "right clavicle", "trachea", "sternum",
             "left scapula", "right scapula", "left humerus", "right humerus", "liver", "stomach", "spleen", "aorta",
             "left hip bone", "sacrum", "left femur", "right femur"]  # fmt: skip
    for names in (ribs, trunk):
        chosen = distinct_colors([known[name].color for name in names])
        for number, color in enumerate(chosen):
            assert nearest([color], [*chosen[:number], *chosen[number + 1 :]])[0] > 0.09, names[number]
        for one, other in zip(chosen, chosen[1:], strict=False):
            assert nearest([one], [other])[0] > APART
        # As bright as a half-bright blue at least: a mask is seen in the dark of a radiograph too.
        assert all(max(color) > 120 and np.dot(color, (0.21, 0.72, 0.07)) > 35 for color in chosen)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ImageError, match="heart"):
        overlay(np.zeros((10, 10), np.float32), [Layer("heart", RED, np.zeros((9, 10), bool))])


def test_a_large_detector_takes_seconds():
    grey = np.random.default_rng(0).random((4200, 3400), dtype=np.float32)
    y, x = np.ogrid[:4200, :3400]
    layers = [Layer(f"part {n}", RED, (x - 1700) ** 2 + (y - 900 * n) ** 2 < 1400**2) for n in range(1, 5)]
    begin = time.process_time()
    assert overlay(grey, layers).height == 4200
    assert time.process_time() - begin < 15

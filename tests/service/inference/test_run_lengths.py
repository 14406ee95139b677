"""COCO's run-length encoding, decoded as COCO's own tools do."""

import math

import numpy as np
import pytest
from PIL import Image

from models_store.plants import Plant
from service.inference import run_lengths


def decoded(counts, width, height):
    flat = np.zeros(width * height, bool)
    at, value = 0, False
    for count in counts:
        flat[at : at + count] = value
        at, value = at + count, not value
    assert at <= width * height
    return flat.reshape(width, height).T


def encoded(plant, map_size, photo_size, values=None):
    """`values`: of the map; None: 1 on the plant, 0 elsewhere."""
    if values is None:
        values = np.zeros(map_size[::-1], np.float32)
        values[plant.top :, plant.left :][: plant.height, : plant.width] = plant.mask
    return run_lengths.encode(plant, values, 0.5, photo_size)


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_comes_back(seed):
    random = np.random.default_rng(seed)
    mask = random.random((7, 9)) > 0.4
    mask[0], mask[:, 3] = True, True
    counts = encoded(Plant(4, 5, mask, clump=False), (20, 16), (20, 16))
    expected = np.zeros((16, 20), bool)
    expected[5:12, 4:13] = mask
    assert (decoded(counts, 20, 16) == expected).all()
    assert min(counts[1:]) > 0


def test_runs_go_on_from_column_to_column():
    assert encoded(Plant(1, 0, np.ones((4, 2), bool), clump=False), (4, 4), (4, 4)) == [4, 8, 4]
    assert encoded(Plant(0, 0, np.ones((4, 4), bool), clump=False), (4, 4), (4, 4)) == [0, 16]


def test_a_map_of_another_size_than_the_photo():
    found = decoded(encoded(Plant(2, 1, np.ones((2, 3), bool), clump=False), (8, 6), (80, 60)), 80, 60)
    expected = np.zeros((60, 80), bool)
    expected[10:30, 20:50] = True
    assert not (found & ~expected).any()
    assert found.sum() > 0.9 * expected.sum()  # corners are round
    assert found[15:25, 20:50].all()
    smaller = decoded(encoded(Plant(5, 3, np.ones((1, 1), bool), clump=False), (64, 64), (20, 20)), 20, 20)
    assert smaller.sum() == 1


@pytest.mark.parametrize("photo_size", [(10, 272), (272, 10), (9, 9), (31, 700)])
def test_each_plant_of_a_small_photo_has_a_pixel_in_its_box_at_least(photo_size):
    """A map has 64 pixels a side at least, so some of its pixels hold no middle of one of the photo."""
    random, map_size = np.random.default_rng(0), (64, 64)
    for _ in range(300):
        left, top = random.integers(0, 64, 2)
        width, height = random.integers(1, 65 - left), random.integers(1, 65 - top)
        mask = random.random((height, width)) > 0.9
        mask[random.integers(height), random.integers(width)] = True
        found = decoded(encoded(Plant(left, top, mask, clump=False), map_size, photo_size), *photo_size)
        assert found.any()
        scale = photo_size[0] / 64, photo_size[1] / 64
        box = found[int(top * scale[1]) : math.ceil((top + height) * scale[1]), int(left * scale[0]) : math.ceil((left + width) * scale[0])]
        assert box.sum() == found.sum()


def test_an_edge_lies_between_the_pixels_of_the_map():
    values = np.tile(np.array([0, 0, 0.4, 0.6, 1, 1, 0.9, 0.3, 0, 0], np.float32), (10, 1))
    plant = Plant(3, 0, values[:, 3:7] >= 0.5, clump=False)
    found = decoded(encoded(plant, (10, 10), (200, 200), values), 200, 200)
    # 0.5 lies halfway from 2.5 to 3.5, and at two thirds of the way from 6.5 to 7.5, of which the plant's own pixels end at 7.
    assert (found.any(0).argmax(), found.any(0)[::-1].argmax()) == (60, 60)
    steep = np.tile(np.array([0, 0, 0, 0.6, 1, 1, 0.6, 0, 0, 0], np.float32), (10, 1))
    found = decoded(encoded(plant, (10, 10), (200, 200), steep), 200, 200)
    assert found.any(0).sum() == pytest.approx(2 * 20 * (1.5 + 1 / 6), abs=2)  # a sixth from the pixel's middle on, of 20 of the photo


def test_the_neighbour_is_none_of_a_plant_and_large_ones_are_made_in_strips():
    values = np.ones((40, 60), np.float32)
    left, right = (Plant(first, 0, np.ones((40, 30), bool), clump=False) for first in (0, 30))
    one, other = (decoded(encoded(plant, (60, 40), (900, 600), values), 900, 600) for plant in (left, right))
    assert not (one & other).any()
    assert (one | other).sum() == 900 * 600
    random = np.random.default_rng(0)
    values = random.random((40, 60), np.float32)
    plant = Plant(0, 0, values >= 0.5, clump=False)
    whole = decoded(encoded(plant, (60, 40), (900, 600), values), 900, 600)
    smooth = np.asarray(Image.fromarray(values).resize((900, 600), Image.Resampling.BILINEAR)) >= 0.5
    assert (whole == smooth).all()

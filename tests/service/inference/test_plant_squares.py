"""What of a photo the classifier of species is to see."""

import numpy as np
import pytest

from models_store.pixels import Crop
from service.inference.plant_squares import around, cropped


@pytest.fixture
def photo():
    """Each pixel says where it lies: its column in red, its row in green."""
    rows, columns = np.indices((100, 200))
    return np.stack([columns, rows, 0 * rows]).astype(np.uint8)


def test_a_square_with_a_margin(photo):
    crop = cropped(photo, (50, 30, 40, 20), 1.0, 52)
    assert crop.shape == (3, 52, 52)
    assert (crop[0, 0, 0], crop[0, 0, -1]) == (44, 95)
    assert (crop[1, 0, 0], crop[1, -1, 0]) == (14, 65)


def test_at_an_edge_it_moves_inside(photo):
    crop = cropped(photo, (190, 90, 10, 10), 1.0, 13)
    assert (crop[0, 0, 0], crop[0, 0, -1]) == (187, 199)
    assert (crop[1, 0, 0], crop[1, -1, 0]) == (87, 99)


def test_one_larger_than_the_photo_repeats_its_edge(photo):
    crop = cropped(photo, (20, 0, 150, 100), 1.0, 195)
    assert (crop[1, 0, 0], crop[1, -1, 0]) == (0, 99)
    assert (crop[1, :40, 50] == 0).all()


def test_a_photo_held_at_half_its_size(photo):
    assert (cropped(photo, (100, 60, 80, 40), 0.5, 52) == cropped(photo, (50, 30, 40, 20), 1.0, 52)).all()


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], None),
        ([(330, 130, 140, 140)], None),  # the central square shows it as well
        ([(390, 190, 20, 20)], Crop(387, 187, 26, 26)),  # too small there
        ([(0, 380, 20, 20)], Crop(0, 374, 26, 26)),  # moved inside
        ([(390, 190, 20, 20), (411, 190, 11, 20)], Crop(385, 179, 42, 42)),  # a second leaf, which the square would cut
        ([(390, 190, 20, 20), (430, 190, 10, 20)], Crop(387, 187, 26, 26)),  # another plant
    ],
)
def test_the_square_around_the_largest_plant(boxes, expected):
    assert around(boxes, (800, 400), 1.0) == expected

"""What of a photo the classifier is to see. The rest is tested with the routes."""

import numpy as np
import pytest

from service.inference.detector import cropped


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

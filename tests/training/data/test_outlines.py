"""Polygons become pixels: as many as they have, wherever they lie."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from training.data.outlines import Outline, OutlinedPhoto, drawn

WIDTH, HEIGHT = 90, 60
MIDDLES = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), -1).reshape(-1, 2)


def mask_of(*polygons: list[float]) -> np.ndarray:
    plants = [Outline(f"{number}", lambda polygon=polygon: [polygon], number, "") for number, polygon in enumerate(polygons)]
    return drawn(OutlinedPhoto(Path("a.json"), "a.png", WIDTH, HEIGHT, plants))


@pytest.mark.parametrize("size", [4, 10, 40, 150])  # the last one reaches beyond the photo
def test_a_polygon_is_the_pixels_whose_middle_lies_in_it(size):
    random = np.random.default_rng(size)
    for _ in range(20):
        angles, reach = random.uniform(0, 2 * np.pi, 12), random.uniform(0.1, 0.5, 12) * size  # its edges cross each other
        corners = np.stack([40 + reach * np.cos(angles), 30 + reach * np.sin(angles)], 1)
        mask = mask_of(corners.ravel().tolist())
        folded = np.concatenate([corners, corners[:1]])
        turns = sum(_turns(MIDDLES, start, end) for start, end in itertools.pairwise(folded))
        assert (mask.ravel() == turns % 2).all()


def _turns(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether an edge lies left of each point, at its height."""
    (x0, y0), (x1, y1) = start, end
    between = (points[:, 1] >= min(y0, y1)) & (points[:, 1] < max(y0, y1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (between & (x0 + (points[:, 1] - y0) * (x1 - x0) / (y1 - y0) <= points[:, 0])).astype(int)


def test_a_small_plant_is_not_drawn_larger():
    random = np.random.default_rng(0)
    areas = drawn_areas = 0.0
    for _ in range(100):
        angles = np.sort(random.uniform(0, 2 * np.pi, 20))
        corners = random.uniform(20, 40, 2) + 5 * np.stack([np.cos(angles), np.sin(angles)], 1)
        x, y = corners.T
        areas += abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        drawn_areas += np.count_nonzero(mask_of(corners.ravel().tolist()))
    assert drawn_areas == pytest.approx(areas, rel=0.02)


def test_plants_that_share_an_edge_share_no_pixel():
    left, right = [10, 5, 20.5, 5, 20.5, 25, 10, 25], [20.5, 5, 30, 5, 30, 25, 20.5, 25]
    one, other = mask_of(left), mask_of(right)
    assert not (one & other).any()
    assert np.count_nonzero(mask_of(left, right)) == np.count_nonzero(one) + np.count_nonzero(other) == 400


def test_the_whole_photo_and_corners_far_away():
    far = 1e300
    assert mask_of([0, 0, WIDTH, 0, WIDTH, HEIGHT, 0, HEIGHT]).all()
    assert mask_of([-far, -far, far, -far, far, far, -far, far]).all()
    assert not mask_of([5, 5, 5, 5, 5, 5]).any()

"""Edges of plants by their colour."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store import edges
from models_store.greenness import of_ground
from models_store.manifest import PlantThresholds

THRESHOLDS = PlantThresholds(plant=0.5, score=0.85, centre=0.5, doubt=0.2)
Map = NDArray[np.float32]


def bed(leaf: float) -> tuple[Map, Map]:
    """A map with one part of 10 by 10 pixels, and a photo in which it is so green, on ground of none."""
    plant, green = np.full((64, 64), 0.01, np.float32), np.zeros((64, 64), np.float32)
    plant[20:30, 20:30], green[20:30, 20:30] = 0.95, leaf
    return plant, green


def by_colour(plant: Map, green: Map) -> Map:
    return edges.by_colour(plant, green, of_ground(green, plant), THRESHOLDS)


def times(probability: float, log_odds: float) -> float:
    odds = probability / (1 - probability) * math.exp(log_odds)
    return odds / (1 + odds)


def test_by_hand() -> None:
    """The leaf's green is 0.3. A pixel that is half leaf stays. One of ground alone has 4 less in the logarithm of its odds."""
    plant, green = bed(0.3)
    plant[20:25, 30] = 0.6
    green[20:25, 30] = -9, 0, 0.06, 0.15, 0.3  # of which less than nothing, 0, 0.2, 0.5 and 1 are leaf
    lower = by_colour(plant, green)
    assert lower[20:25, 30] == pytest.approx([times(0.6, log_odds) for log_odds in (-8, -4, -2.4, 0, 0)])
    plant[20:25, 30] = lower[20:25, 30]
    assert (lower == plant).all()


@pytest.mark.parametrize(("leaf", "changes"), [(0.3, True), (0.16, True), (0.14, False), (-0.2, False)])
def test_a_part_that_is_hardly_greener_than_the_ground_stays(leaf: float, changes: bool) -> None:
    plant, green = bed(leaf)
    plant[20:30, 30] = 0.6
    assert ((by_colour(plant, green) != plant).any()) == changes


def test_a_red_plant_beside_a_green_one_stays() -> None:
    plant, green = bed(0.3)
    plant[40:50, 40:50], green[40:50, 40:50] = 0.95, -0.2
    plant[20:30, 30] = plant[40:50, 50] = 0.6
    changed = by_colour(plant, green)
    assert (changed[35:, 35:] == plant[35:, 35:]).all()
    assert (changed[:35, :35] != plant[:35, :35]).any()


def test_the_greenest_ground_counts() -> None:
    """A leaf is told by its colour where hardly any of the ground is as green."""
    plant, green = bed(0.3)
    plant[20:30, 30] = 0.6
    green[40:45] = 0.5  # 8% of the photo
    assert (by_colour(plant, green) == plant).all()


def test_parts_of_which_no_pixel_is_sure_stay_and_so_does_a_photo_without_ground_or_parts() -> None:
    plant, green = bed(0.3)
    plant[20:30, 30] = 0.6
    for given in (np.where(plant > 0.5, 0.89, plant), np.maximum(plant, 0.2), np.minimum(plant, 0.4)):
        assert (by_colour(given.astype(np.float32), green) == given.astype(np.float32)).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 70), (64, 64), (65, 67)])
def test_any_size(size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    plant, green = random.random(size).astype(np.float32), random.random(size).astype(np.float32)
    changed = by_colour(plant, green)
    assert changed.dtype == np.float32
    assert ((changed >= 0) & (changed <= plant)).all()


def test_what_is_certain_stays_and_a_mirrored_photo_has_the_mirrored_edges() -> None:
    random = np.random.default_rng(2)
    plant, green = bed(0.3)
    plant += random.normal(0, 0.02, plant.shape).clip(-0.01, 0.04).astype(np.float32)
    plant[20:30, 30] = 0.6
    plant[25, 30] = 1
    green += random.normal(0, 0.02, green.shape).astype(np.float32)
    changed = by_colour(plant, green)
    assert changed[25, 30] == 1
    assert (changed != plant).any()
    for axes in ((0,), (1,), (0, 1)):
        mirrored = by_colour(np.flip(plant, axes), np.flip(green, axes))
        assert np.flip(mirrored, axes) == pytest.approx(changed, abs=1e-6)

"""Which parts of a map are surely plants."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store import sure_parts
from models_store.greenness import excess_green, of_ground
from models_store.manifest import PlantThresholds

THRESHOLDS = PlantThresholds(plant=0.5, score=0.85, centre=0.5, doubt=0.2)
SOIL, LEAF, PURPLE = (110, 85, 60), (80, 120, 50), (120, 50, 90)


def bed(*parts: tuple[float, tuple[int, int, int]]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A map and a photo of soil, with parts of 20 by 20 pixels side by side, each of a value and a colour."""
    random = np.random.default_rng(0)
    photo = np.tile(np.array(SOIL, float)[:, None, None], (1, 80, 40 * len(parts)))
    plant = np.full(photo.shape[1:], 0.02, np.float32)
    for number, (value, colour) in enumerate(parts):
        there = slice(30, 50), slice(40 * number + 10, 40 * number + 30)
        plant[there] = value
        photo[:, *there] = np.array(colour)[:, None, None]
    return plant, (photo + random.normal(0, 6, photo.shape)).clip(0, 255).astype(np.uint8)


def kept(plant: NDArray[np.float32], photo: NDArray[np.uint8], thresholds: PlantThresholds) -> NDArray[np.float32]:
    green = excess_green(photo)
    return sure_parts.kept(plant, green, of_ground(green, plant), thresholds)


def stay(plant: NDArray[np.float32], photo: NDArray[np.uint8], thresholds: PlantThresholds = THRESHOLDS) -> list[bool]:
    left = kept(plant, photo, thresholds)
    assert (left[plant < thresholds.plant] == plant[plant < thresholds.plant]).all()
    assert set(np.unique(left)) <= {0, *np.unique(plant)}
    return [bool(left[40, x]) for x in range(20, plant.shape[1], 40)]


def test_what_has_the_colour_of_the_ground_must_be_surer() -> None:
    # A pixel's value counts as the highest one around it, so all of a part of one value has that one.
    given = bed((0.84, LEAF), (0.86, LEAF), (0.84, SOIL), (0.86, SOIL), (0.89, SOIL), (0.91, SOIL), (0.86, PURPLE))
    assert stay(*given) == [False, True, False, False, False, True, True]


def test_by_hand() -> None:
    """Half of the ground has excess green 0, half 18 / 309 = 0.0583. Middle 0.0291, deviation 1.48 · 0.0291 + 0.005 = 0.0481."""
    photo = np.full((3, 96, 96), 100, np.uint8)
    photo[1, :, 48:] = 109
    plant = np.zeros((96, 96), np.float32)
    plant[30:36, 3:9] = plant[30:36, 60:66] = 0.88
    # Between -0.067 and 0.125 is the ground's: 38 of 319 is 0.119, 42 of 321 is 0.131, -18 of 291 is -0.062, -22 of 289 is -0.076.
    for green, stays in ((119, False), (121, True), (91, False), (89, True)):
        photo[1, 30:36, 3:9] = green
        left = kept(plant, photo, THRESHOLDS)
        assert (bool(left[32, 5]), bool(left[32, 62])) == (stays, False)


@pytest.mark.parametrize("score", [0.0, 0.95])
def test_a_score_of_a_manifest_stands(score: float) -> None:
    given = bed((0.6, SOIL), (0.94, SOIL), (0.94, LEAF), (0.96, SOIL))
    assert stay(*given, THRESHOLDS.model_copy(update={"score": score})) == ([True] * 4 if score == 0 else [False, False, False, True])


def test_without_ground_its_colour_is_not_known() -> None:
    photo = np.full((3, 48, 48), 90, np.uint8)
    plant = np.full((48, 48), 0.88, np.float32)
    assert (kept(plant, photo, THRESHOLDS) == plant).all()
    assert (kept(0 * plant, photo, THRESHOLDS) == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 70), (64, 64), (65, 67)])
def test_any_size(size: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    plant = random.random(size).astype(np.float32)
    photo = random.integers(0, 256, (3, *size), np.uint8)
    left = kept(plant, photo, THRESHOLDS)
    assert ((left == plant) | (left == 0)).all()


@pytest.mark.parametrize("size", [(64, 128), (128, 64), (128, 128)])
def test_a_mirrored_photo_has_the_mirrored_parts(size: tuple[int, int]) -> None:
    """Also parts whose greenness is just that of the ground, or just not."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        plant, photo = np.full(size, 0.02, np.float32), random.integers(80, 120, (3, *size), np.uint8)
        for row in range(4, 60, 6):
            for column in range(4, 60, 6):
                plant[row : row + 3, column : column + 3] = 0.87
                photo[1, row : row + 3, column : column + 3] += np.uint8(random.integers(0, 40))
        left = kept(plant, photo, THRESHOLDS)
        assert 0 < np.count_nonzero(left > 0.5) < np.count_nonzero(plant > 0.5)
        for axes in ((0,), (1,), (0, 1)):
            mirrored = kept(np.flip(plant, axes), np.flip(photo, [axis + 1 for axis in axes]), THRESHOLDS)
            assert (mirrored == np.flip(left, axes)).all()

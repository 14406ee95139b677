"""Parts of a photo as a classifier of clumps sees them."""

import numpy as np
import pytest

from models_store import clumps
from models_store.plants import Plant

MIDDLE = clumps.SIDE // 2


def part(top, left, height, width, **more):
    return Plant(left, top, np.ones((height, width), bool), **({"clump": False} | more))


def test_a_crop_holds_the_part_in_its_middle_at_one_brightness():
    photo = np.full((3, 100, 120), 50, np.uint8)
    photo[0, 40:60, 50:80] = 100
    (crop,) = clumps.crops(photo, [part(40, 50, 20, 30)])  # 30 · 1.3 + 2 = 41 pixels, in whole ones on either side 42
    assert (crop.shape, crop.dtype) == ((4, clumps.SIDE, clumps.SIDE), np.uint8)
    brighter = 107 / (photo.mean() + 1)
    assert crop[:, MIDDLE, MIDDLE].tolist() == pytest.approx([100 * brighter, 50 * brighter, 50 * brighter, 255], abs=1)
    assert (crop[3] / 255).mean() == pytest.approx(20 * 30 / 42**2, abs=0.01)
    assert crop[0, 2, 2] == pytest.approx(50 * brighter, abs=1)


def test_beyond_the_photo_all_is_0():
    photo = np.full((3, 64, 64), 90, np.uint8)
    corner, whole = clumps.crops(photo, [part(0, 0, 20, 20), part(0, 0, 64, 64)])
    assert (corner[:, 0, 0] == 0).all()
    assert (corner[:3, MIDDLE, MIDDLE] > 0).all()
    assert (whole[:, :4] == 0).all()
    assert (whole[3, MIDDLE] == 255).sum() == pytest.approx(clumps.SIDE * 64 / 86, abs=2)


def test_a_mirrored_photo_has_mirrored_crops():
    photo = np.random.default_rng(0).integers(0, 256, (3, 80, 90), np.uint8)
    mask = np.zeros((21, 31), bool)
    mask[:10, :20] = True
    (ahead,) = clumps.crops(photo, [Plant(10, 30, mask, clump=False)])
    (back,) = clumps.crops(photo[:, :, ::-1].copy(), [Plant(90 - 10 - 31, 30, mask[:, ::-1].copy(), clump=False)])
    assert np.abs(ahead[:, :, ::-1].astype(int) - back).max() <= 1


def test_dark_and_bright_photos_look_alike():
    dark = np.random.default_rng(0).integers(20, 50, (3, 60, 60), np.uint8)
    crops = [clumps.crops(photo, [part(20, 20, 20, 20)]) for photo in (dark, dark * 4)]
    assert np.abs(crops[0].astype(int) - crops[1]).mean() < 6  # the one added to the mean counts for more where it is dark


def test_no_part_no_crop():
    assert clumps.crops(np.zeros((3, 64, 64), np.uint8), []).shape == (0, 4, clumps.SIDE, clumps.SIDE)


def test_what_a_classifier_says_counts_but_of_a_canopy():
    found = [part(0, 0, 4, 4, clump=True), part(0, 0, 4, 4), part(0, 0, 4, 4, clump=True, canopy=True)]
    told = clumps.classified(found, np.array([0.29, 0.3, 0.0], np.float32), 0.3)
    assert [one.clump for one in told] == [False, True, True]
    assert told[0].mask is found[0].mask

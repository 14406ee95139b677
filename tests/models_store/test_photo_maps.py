"""What a segmenter says of a whole photo, with tint, second look and canopy around it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store import close_up, photo_maps, pixels, white_balance
from models_store.manifest import PlantThresholds
from models_store.photo_maps import NetworkMaps
from tests import drawn

THRESHOLDS = PlantThresholds(plant=0.5, centre=0.5, doubt=0.2)


def maps(plant: NDArray[np.float32]) -> NetworkMaps:
    height, width = plant.shape
    return plant, np.zeros((height // 4, width // 4), np.float32), np.zeros((height // 16, width // 16), np.float32)


def tinted_field() -> NDArray[np.uint8]:
    """A bluish soil with thin leaves, [3,512,512]."""
    photo = np.empty((3, 512, 512), np.uint8)
    photo[:] = np.array([60, 80, 110], np.uint8)[:, None, None]
    photo[1, 20:500:160, 100:180] = photo[1, 21:501:160, 100:180] = 160
    return photo


def test_the_second_look_has_the_tint_of_the_whole_photo() -> None:
    photo = tinted_field()
    scaled = photo[:, ::2, ::2]
    shown: list[NDArray[np.uint8]] = []

    def network(seen: NDArray[np.uint8]) -> NetworkMaps:
        shown.append(seen)
        return maps((seen[1] > 100).astype(np.float32))

    photo_maps.seen(network, scaled, photo, THRESHOLDS)
    whole, *tiles = shown
    assert (whole == white_balance.balanced(scaled)).all()
    assert 1 <= len(tiles) <= close_up.MOST_TILES
    factor = white_balance.factor(scaled)
    assert factor > 1.2
    for tile in tiles:
        assert tile.shape == (3, close_up.TILE_PX, close_up.TILE_PX)
        assert (tile[0].max(), tile[2].max()) == (round(60 * factor), round(110 / factor))


@pytest.mark.parametrize("most", [0, 2])
def test_so_many_looks_at_most_and_none_without_a_larger_photo(most: int) -> None:
    looks = 0

    def network(seen: NDArray[np.uint8]) -> NetworkMaps:
        nonlocal looks
        looks += 1
        return maps((seen[1] > 100).astype(np.float32))

    photo = tinted_field()
    photo_maps.seen(network, photo[:, ::2, ::2], photo, THRESHOLDS, most)
    assert looks == 1 + most
    photo_maps.seen(network, photo[:, ::2, ::2], None, THRESHOLDS)
    assert looks == 2 + most


@pytest.mark.slow
def test_a_canopy_is_not_looked_at_twice() -> None:
    lawn = np.asarray(drawn.lawn(1, size=(1600, 1600))).transpose(2, 0, 1)
    looks = 0

    def network(seen: NDArray[np.uint8]) -> NetworkMaps:
        nonlocal looks
        looks += 1
        plant = np.zeros(seen.shape[1:], np.float32)
        plant[40:70, 50:53] = 1
        return maps(plant)

    plant, *_ = photo_maps.seen(network, pixels.resized(lawn, (768, 768)), lawn, THRESHOLDS)
    assert looks == 1
    assert plant.mean() > 0.9


def test_parts_of_which_the_segmenter_is_not_sure_are_no_plants() -> None:
    """A stone's pixels all pass the threshold; so does the dim edge of a leaf, which stays with its leaf."""
    plant = np.zeros((128, 128), np.float32)
    plant[20:40, 20:40] = 0.7
    plant[80:100, 60:90], plant[80:100, 90:92] = 0.9, 0.55
    given, photo = plant.copy(), np.full((3, 128, 128), 90, np.uint8)
    photo[1, plant > 0] = 120

    def score(least: float) -> PlantThresholds:
        return PlantThresholds(plant=0.5, score=least, centre=0.5, doubt=0.2)

    for least in (0, 0.69):
        found, *_ = photo_maps.seen(lambda _: maps(plant), photo, None, score(least))
        assert (found == given).all()
    found, *_ = photo_maps.seen(lambda _: maps(plant), photo, None, score(0.85))
    assert not found[:60].any()
    assert (found[60:] == given[60:]).all()


def test_a_mask_that_is_too_wide_ends_where_the_leaf_does() -> None:
    """And what joins two leaves without being green still does, so that they are one plant, whose box holds both."""
    plant = np.zeros((128, 128), np.float32)
    plant[40:80, 60:70], plant[40:80, 59], plant[40:80, 70], plant[80:84, 64:66], plant[84:100, 60:70] = 0.95, 0.6, 0.6, 0.6, 0.95
    photo = np.full((3, 128, 128), 90, np.uint8)
    photo[1, 40:80, 60:70] = photo[1, 84:100, 60:70] = 140
    thresholds = PlantThresholds(plant=0.5, score=0.85, centre=0.5, doubt=0.2)
    seen = photo_maps.seen(lambda _: maps(plant), photo, None, thresholds)
    assert (seen.plant == plant).all()
    assert (np.argwhere(seen.leaf >= 0.5) == np.argwhere(photo[1] == 140)).all()
    (found,) = seen.plants(thresholds)
    assert (found.left, found.top, found.width, found.height) == (59, 40, 12, 60)
    found = seen.trimmed(found, thresholds)
    assert (found.left, found.top, found.width, found.height) == (59, 40, 12, 60)
    assert (np.argwhere(found.mask) + np.array([40, 59]) == np.argwhere(photo[1] == 140)).all()


def test_a_lawn_has_no_edges_within() -> None:
    lawn = np.ascontiguousarray(np.asarray(drawn.lawn(0)).transpose(2, 0, 1))
    seen = photo_maps.seen(lambda _: maps(np.zeros(lawn.shape[1:], np.float32)), lawn, None, THRESHOLDS)
    assert (seen.leaf == 1).all()


def test_a_larger_photo_has_finer_edges() -> None:
    """A leaf of 21 pixels on a photo of 512 is 11 on the map of 256: where it ends is seen on the photo alone."""
    photo = np.full((3, 512, 512), 90, np.uint8)
    photo[1, 100:300, 141:162] = 140
    plant = np.zeros((256, 256), np.float32)
    plant[50:150, 69:83] = 0.95
    thresholds = PlantThresholds(plant=0.5, score=0.85, centre=0.5, doubt=0.2)
    seen = photo_maps.seen(lambda _: maps(plant), photo[:, ::2, ::2], photo, thresholds, most=0)
    assert seen.leaf.shape == (512, 512)
    assert (np.argwhere(seen.leaf >= 0.5) == np.argwhere(photo[1] == 140)).all()
    (found,) = seen.plants(thresholds)
    assert (found.left, found.width) == (69, 14)
    ended = seen.trimmed(found, thresholds)
    assert (np.argwhere(ended.mask) + np.array([ended.top, ended.left]) == np.argwhere(photo[1] == 140)).all()
    photo[1] = 90
    assert photo_maps.seen(lambda _: maps(plant), photo[:, ::2, ::2], photo, thresholds, most=0).leaf.shape == (256, 256)

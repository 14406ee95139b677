"""A second look at thin leaves, from nearer: where, how often, and what comes of it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models_store import close_up, photo_maps, plants
from models_store.manifest import PhotoInput

Map = NDArray[np.float32]


def photo_of(green: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A photo [3,H,W] whose plants are green."""
    return np.where(green, np.array([40, 160, 40], np.uint8)[:, None, None], np.array([110, 90, 70], np.uint8)[:, None, None])


def by_green(tile: NDArray[np.uint8]) -> Map:
    return (tile[1].astype(np.float32) - 90).clip(0, 70) / 70


def looked(*given: Any, **options: Any) -> Map:
    return photo_maps.finished(close_up.seen(*given, **options))


def leaves(width: int, height: int, thick: int, few: int, seed: int = 0) -> NDArray[np.bool_]:
    """Upright leaves, anywhere, of so many pixels across."""
    random, green = np.random.default_rng(seed), np.zeros((height, width), bool)
    for _ in range(few):
        y, x = random.integers(20, height - 80), random.integers(20, width - 20)
        green[y : y + 60, x : x + thick] = True
    return green


def smaller(green: NDArray[np.bool_]) -> Map:
    """The share of each 2×2 pixels."""
    height, width = green.shape
    return green.reshape(height // 2, 2, width // 2, 2).mean((1, 3), dtype=np.float32)


def test_thin_leaves_get_their_edges() -> None:
    green = leaves(768, 512, 3, 8)
    true = smaller(green) >= 0.5
    coarse = Image.fromarray(smaller(green)).resize((96, 64), Image.Resampling.BOX)
    before = (2 * np.asarray(coarse.resize((384, 256), Image.Resampling.BILINEAR))).clip(0, 1)
    after = looked(photo_of(green), before, 0.5, 50, by_green)
    errors = [np.count_nonzero((plant >= 0.5) != true) for plant in (before, after)]
    assert errors[0] > 100
    assert errors[1] < 0.1 * errors[0]
    assert after.shape == before.shape


def test_what_was_not_seen_before_is_doubted() -> None:
    before = np.zeros((128, 128), np.float32)
    before[60:80, 60:63] = 0.36
    after = looked(np.zeros((3, 256, 256), np.uint8), before, 0.5, 50, lambda tile: np.full(tile.shape[1:], 0.8, np.float32))
    assert after[70, 61] == pytest.approx(2.4 / 3.4)  # odds of 4, times the root of 0.36
    assert after[70, 66] == pytest.approx(2.4 / 3.4)  # 4 pixels beside it
    assert after[70, 67] == 0


def test_wide_leaves_are_left_to_the_first_look() -> None:
    y, x = np.mgrid[:256, :256]
    before = ((y - 128) ** 2 + (x - 128) ** 2 < 30**2).astype(np.float32)

    def nothing(tile: NDArray[np.uint8]) -> Map:
        return np.zeros(tile.shape[1:], np.float32)

    assert (looked(np.zeros((3, 512, 512), np.uint8), before, 0.5, 50, nothing) == before).all()
    before[20:50, 20:23] = 1  # a thin one beside it
    after = looked(np.zeros((3, 512, 512), np.uint8), before, 0.5, 50, nothing)
    assert after[20:50, 20:23].max() == 0
    assert (after[60:] == before[60:]).all()


@pytest.mark.parametrize(("most", "looks"), [(0, 0), (3, 3), (50, 6)])
def test_so_many_squares_at_most_those_of_the_most_thin_pixels_first(most: int, looks: int) -> None:
    plant = np.zeros((192, 768), np.float32)
    for number in range(6):
        plant[30 : 44 + 8 * number, 64 + 120 * number : 67 + 120 * number] = 1
    seen: list[int] = []
    photo = np.zeros((3, 384, 1536), np.uint8)
    photo[0] = np.repeat(np.arange(768) // 120 * 10, 2)[None]

    def look(tile: NDArray[np.uint8]) -> Map:
        seen.append(int(np.median(tile[0])) // 10)
        return np.ones(tile.shape[1:], np.float32)

    looked(photo, plant, 0.5, most, look)
    assert len(seen) == looks
    assert seen == [5, 4, 3, 2, 1, 0][:looks]


def test_a_leaf_longer_than_a_square_is_looked_at_in_several() -> None:
    plant = np.zeros((256, 256), np.float32)
    plant[10:250, 100:103] = 1
    plant[60:90, 180:183] = 1  # a shorter one

    def look(tile: NDArray[np.uint8]) -> Map:
        return np.full(tile.shape[1:], 0.25, np.float32)

    after = looked(np.zeros((3, 512, 512), np.uint8), plant, 0.5, 5, look)
    assert after[plant > 0] == pytest.approx(0.25)
    after = looked(np.zeros((3, 512, 512), np.uint8), plant, 0.5, 3, look)  # of four
    assert (after[:, 100:103] == plant[:, 100:103]).all()  # in part it is never
    assert after[60:90, 180:183] == pytest.approx(0.25)


def test_a_part_for_which_there_is_no_time_is_not_looked_at():
    plant = np.zeros((256, 256), np.float32)
    plant[10:250, 100:103] = 1
    plant[60:90, 180:183] = 1  # a shorter one
    asked: list[int] = []

    def time_for(squares: int) -> bool:
        asked.append(squares)
        return squares < 4

    after = looked(np.zeros((3, 512, 512), np.uint8), plant, 0.5, 50, lambda tile: np.full(tile.shape[1:], 0.25, np.float32), time_for)
    assert (after[:, 100:103] == plant[:, 100:103]).all()
    assert after[60:90, 180:183] == pytest.approx(0.25)
    assert asked == [4, 1]


def test_it_stops_before_each_square():
    plant = np.zeros((256, 256), np.float32)
    plant[10:250, 100:103] = 1
    looks: list[int] = []
    steps = close_up.seen(
        np.zeros((3, 512, 512), np.uint8), plant, 0.5, 50, lambda tile: looks.append(1) or np.ones(tile.shape[1:], np.float32)
    )
    assert [len(looks) for _ in steps] == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [(1540, 1026), (1026, 1540), (1600, 300), (300, 1600)])
def test_the_longer_side_says_whether_there_is_more_to_see(size: tuple[int, int]) -> None:
    """The shorter side of a map is rounded more."""
    width, height = plants.map_size(*size, PhotoInput(side=1024, multiple=64, enlarged=1.5))
    looks = 0

    def look(tile: NDArray[np.uint8]) -> Map:
        nonlocal looks
        looks += 1
        return np.ones(tile.shape[1:], np.float32)

    plant = np.zeros((height, width), np.float32)
    plant[40:70, 50:53] = 1
    looked(np.zeros((3, size[1], size[0]), np.uint8), plant, 0.5, 50, look)
    assert looks == 1


@pytest.mark.parametrize("size", [(128, 128), (180, 180)])
def test_a_photo_with_hardly_more_pixels_is_not_looked_at(size: tuple[int, int]) -> None:
    plant = np.eye(128, dtype=np.float32)

    def never(_: NDArray[np.uint8]) -> Map:
        raise AssertionError

    assert looked(np.zeros((3, *size), np.uint8), plant, 0.5, 50, never) is plant
    assert looked(np.zeros((3, 256, 256), np.uint8), plant * 0, 0.5, 50, never).max() == 0
    assert looked(np.zeros((3, 256, 256), np.uint8), np.eye(64, dtype=np.float32), 0.5, 50, never).shape == (64, 64)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("most", [5, 256])
def test_a_mirrored_photo_has_the_mirrored_map(seed: int, most: int) -> None:
    green = leaves(768, 512, 4, 30, seed)
    photo, before = photo_of(green), smaller(green)
    after = looked(photo, before, 0.5, most, by_green)
    for rows, columns in ((-1, 1), (1, -1), (-1, -1)):
        mirrored = looked(photo[:, ::rows, ::columns], before[::rows, ::columns], 0.5, most, by_green)
        assert (mirrored == after[::rows, ::columns]).all()

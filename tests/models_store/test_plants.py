"""From a segmenter's maps to plants."""

import math

import numpy as np
import pytest
from PIL import Image

from models_store import plants
from models_store.manifest import PhotoInput, PlantThresholds

THRESHOLDS = PlantThresholds(plant=0.5, centre=0.5, doubt=0.2)
WANTED = PhotoInput(side=1024, multiple=64, enlarged=2)


def maps(discs, size=(256, 320), centres=(), afar=()):
    """A map of discs, each of row, column and radius, and peaks of row, column and value on the maps of centres."""
    rows, columns = np.indices(size)
    plant = np.zeros(size, np.float32)
    for y, x, radius in discs:
        plant[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = 0.9
    near, far = np.zeros((size[0] // 4, size[1] // 4), np.float32), np.zeros((size[0] // 16, size[1] // 16), np.float32)
    for map_, stride, peaks in ((near, 4, centres), (far, 16, afar)):
        for y, x, value in peaks:
            map_[y // stride, x // stride] = value
    return plant, near, far


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4000, 3000), (1024, 768)),
        ((3000, 4000), (768, 1024)),
        ((350, 350), (704, 704)),
        ((150, 150), (320, 320)),
        ((5000, 20), (1024, 64)),
    ],
)
def test_the_size_of_the_map(size, expected):
    assert plants.map_size(*size, WANTED) == expected


def test_each_part_is_a_plant_largest_first():
    found = plants.find(*maps([(60, 50, 10), (150, 200, 30)], centres=[(60, 50, 0.9), (150, 200, 0.9)]), THRESHOLDS)
    assert [(one.left, one.top, one.width, one.height, one.clump) for one in found] == [(170, 120, 61, 61, False), (40, 50, 21, 21, False)]
    assert found[1].area == found[1].mask.sum() == pytest.approx(np.pi * 100, rel=0.05)


def test_the_score_is_the_mean_of_the_highest_values_around_each_pixel_of_the_plant():
    plant, near, far = maps([(60, 50, 10), (150, 200, 30)])
    plant[150, 170:231] = 0.55  # a dim vein costs nothing
    plant[130:141, 190:211] = 0.6
    large, small = plants.find(plant, near, far, THRESHOLDS)
    assert small.score == pytest.approx(0.9)
    inside = plant[120:181, 170:231] > 0
    assert large.score == pytest.approx((0.9 * inside.sum() - 0.3 * 9 * 19) / inside.sum())  # what of the dim block has no edge


def test_parts_joined_by_a_faint_bridge_are_one():
    plant, near, far = maps([(60, 50, 10), (60, 90, 10)])
    plant[60, 50:90] = np.maximum(plant[60, 50:90], 0.3)
    assert [(one.left, one.width) for one in plants.find(plant, near, far, THRESHOLDS)] == [(40, 61)]
    plant[60, 62:80] = 0.1
    assert len(plants.find(plant, near, far, THRESHOLDS)) == 2


def test_leaves_that_nearly_touch_are_one_plant():
    for gap, plants_found in ((5, 1), (14, 1), (15, 2)):  # half as long as they are
        leaves = [((60, 90), (60, 90)), ((60, 90), (90 + gap, 120 + gap))]
        assert len(plants.find(*bars(*leaves), THRESHOLDS)) == plants_found, gap
    long = [((60, 120), (60, 80)), ((60, 120), (97, 117))]
    assert len(plants.find(*bars(*long), THRESHOLDS)) == 2  # half would be 30, but it is 16 at most
    uneven = [((60, 90), (60, 90)), ((60, 72), (98, 110))]
    assert len(plants.find(*bars(*uneven), THRESHOLDS)) == 2  # half of the shorter one counts
    small = [((60, 69), (60, 69)), ((60, 69), (71, 80))]
    assert len(plants.find(*bars(*small), THRESHOLDS)) == 2  # seedlings may stand as near as that
    shares = maps([(60, 50, 14), (60, 82, 14)], centres=[(60, 50, 0.9), (60, 82, 0.9)])
    assert [one.clump for one in plants.find(*shares, THRESHOLDS)] == [False, False]  # each has a centre of its own


def test_a_row_of_parts_is_no_plant():
    row = [((60, 90), (60 + 35 * step, 90 + 35 * step)) for step in range(4)]
    assert sorted(one.left for one in plants.find(*bars(*row), THRESHOLDS)) == [60, 95, 130, 165]


def test_two_sure_centres_divide_a_part():
    found = plants.find(*maps([(60, 50, 12), (60, 70, 12)], centres=[(60, 50, 0.9), (60, 70, 0.8)]), THRESHOLDS)
    assert [one.clump for one in found] == [False, False]
    assert sorted(one.left for one in found) == [38, 60]  # the middle between the centres, which lie in places of 4 pixels
    assert sum(one.area for one in found) == (maps([(60, 50, 12), (60, 70, 12)])[0] > 0.5).sum()


def test_a_likely_second_centre_makes_a_clump():
    (found,) = plants.find(*maps([(60, 50, 12), (60, 70, 12)], centres=[(60, 50, 0.9), (60, 70, 0.3)]), THRESHOLDS)
    assert found.clump
    assert (found.left, found.width) == (38, 45)


def test_a_large_part_without_a_centre_is_a_clump_and_a_small_one_a_plant():
    found = plants.find(*maps([(120, 110, 100), (200, 280, 20)]), THRESHOLDS)  # 201 and 193 pixels are 0.785 and 0.754 of 256
    assert [one.clump for one in found] == [True, False]
    (found,) = plants.find(*maps([(120, 110, 90)]), THRESHOLDS)  # 181 pixels are 0.707
    assert not found.clump


def bars(*parts, value=0.97):
    """A map of bars, each of its rows and columns, with a centre in the middle of each one's first."""
    plant, near, far = maps([])
    for rows, columns in parts:
        plant[rows[0] : rows[1], columns[0] : columns[1]] = value
    (top, bottom), (left, right) = parts[0]
    near[(top + bottom) // 8, (left + right) // 8] = 0.9
    return plant, near, far


@pytest.mark.parametrize(
    ("shape", "clump"),
    [
        ([((60, 90), (60, 90))], False),  # a square
        ([((60, 66), (40, 140))], False),  # a blade
        ([((60, 66), (40, 140)), ((90, 96), (40, 140)), ((60, 96), (84, 90))], True),  # two blades and one across
        ([((60, 66), (40, 140)), ((20, 106), (87, 93))], True),  # two that cross
    ],
)
def test_a_shape_of_several_plants_makes_a_clump(shape, clump):
    (found,) = plants.find(*bars(*shape), THRESHOLDS)
    assert found.clump == clump


def test_a_part_much_larger_than_the_photos_others_is_sooner_a_clump():
    small = [((200, 206), (20 + 30 * place, 30 + 30 * place)) for place in range(5)]
    star = [((60, 72), (40, 100)), ((36, 96), (64, 76))]
    (alone,) = plants.find(*bars(*star), THRESHOLDS)
    beside = plants.find(*bars(*star, *small), THRESHOLDS)
    assert [one.clump for one in (alone, *beside)] == [False, True] + 5 * [False]


def test_how_small_the_plants_are_that_are_asked_for_does_not_change_the_others():
    specks = [((200 + 4 * row, 201 + 4 * row), (10 + 4 * column, 12 + 4 * column)) for row in range(5) for column in range(20)]
    many = plants.find(*bars(((60, 72), (40, 100)), ((36, 96), (64, 76)), *specks), THRESHOLDS)
    (large,) = plants.find(*bars(((60, 72), (40, 100)), ((36, 96), (64, 76)), *specks), THRESHOLDS, least_px=10)
    assert len(many) == 101
    assert not many[0].clump
    assert not large.clump


def test_signs_of_several_plants_by_hand():
    square = np.ones((10, 10), bool)
    hull, spread, outline, size = plants.signs(square, 50)
    assert hull == pytest.approx(0)
    assert spread == pytest.approx(math.log(2 * math.pi * (2 * (100 - 1) / 12 + 1 / 6) / 100))  # a side of 10 has a variance of 99/12
    assert outline == pytest.approx(math.log(40**2 / (4 * math.pi * 100)))
    assert size == pytest.approx(math.log(2))
    corner = square.copy()
    corner[:5, :5] = False  # the hull cuts the corner: half of 5×5 pixels more than the part
    assert plants.signs(corner, 75)[0] == pytest.approx(math.log(87.5 / 75))


def test_large_plants_have_their_centres_in_the_map_from_afar():
    (found,) = plants.find(*maps([(128, 160, 90)], afar=[(128, 160, 0.9)], centres=[(100, 120, 0.9), (150, 200, 0.9)]), THRESHOLDS)
    assert not found.clump


def test_small_ones_are_left_out():
    assert len(plants.find(*maps([(60, 50, 4), (60, 90, 10)]), THRESHOLDS, least_px=10)) == 1


def test_a_mirrored_map_gives_mirrored_plants():
    made = maps([(60, 50, 12), (60, 72, 12), (180, 200, 30)], centres=[(60, 48, 0.9), (60, 72, 0.8), (180, 200, 0.9)])
    ahead = plants.find(*made, THRESHOLDS)
    back = plants.find(*(values[:, ::-1].copy() for values in made), THRESHOLDS)
    mirrored = [(320 - one.left - one.width, one.top, one.width) for one in back]
    assert sorted(mirrored) == sorted((one.left, one.top, one.width) for one in ahead)


def test_what_is_looked_at_for_leaves_is_bounded(monkeypatch):
    """Nested frames: each has the box of all that is in it."""
    looked_at: list[int] = []
    distances = plants.ndimage.distance_transform_edt
    monkeypatch.setattr(plants.ndimage, "distance_transform_edt", lambda mask: looked_at.append(mask.size) or distances(mask))
    plant = np.zeros((768, 1024), np.float32)
    for inset in range(0, 380, 4):
        plant[inset : 768 - inset, inset : 1024 - inset] = 0.9 if inset % 8 == 0 else 0.0
    assert plants.find(plant, np.zeros((192, 256), np.float32), np.zeros((48, 64), np.float32), THRESHOLDS)
    assert 0 < sum(looked_at) <= 4 * plant.size


def test_noise_and_lawns_are_answered_in_time():
    random = np.random.default_rng(0)
    noise = random.random((768, 1024)).astype(np.float32)
    found = plants.find(noise, noise[::4, ::4].copy(), noise[::16, ::16].copy(), THRESHOLDS, least_px=10)
    assert found
    lawn = np.full((768, 1024), 0.9, np.float32)
    (whole,) = plants.find(lawn, np.zeros((192, 256), np.float32), np.zeros((48, 64), np.float32), THRESHOLDS, 10)
    assert whole.clump
    assert whole.area == lawn.size
    assert plants.find(0 * lawn, np.zeros((192, 256), np.float32), np.zeros((48, 64), np.float32), THRESHOLDS) == []


def test_a_mask_ends_where_leaves_do_and_is_never_empty():
    plant, near, afar = maps([(60, 50, 10)])
    (found,) = plants.find(plant, near, afar, THRESHOLDS)
    leaf = np.zeros((256, 320), np.float32)
    leaf[55:66, 45:70], leaf[0:9, 0:9] = THRESHOLDS.plant, 1
    leaf = np.minimum(leaf, plant)
    ended = plants.trimmed(found, plant, leaf, THRESHOLDS)
    assert (ended.left, ended.top, ended.mask.shape, ended.score) == (found.left, found.top, found.mask.shape, found.score)
    assert (np.argwhere(ended.mask) == np.argwhere(found.mask & (leaf[50:71, 40:61] > 0))).all()
    assert 0 < ended.area < found.area
    assert (plants.trimmed(found, plant, 0 * leaf, THRESHOLDS).mask == found.mask).all()


@pytest.mark.parametrize("size", [(512, 640), (500, 625), (384, 480), (700, 641)])
def test_on_a_map_with_more_pixels_leaves_of_two_plants_are_told_apart_and_lie_in_their_boxes(size):
    plant, near, afar = maps([(60, 50, 12), (60, 70, 12)], centres=[(60, 50, 0.9), (60, 70, 0.9)])
    found = plants.find(plant, near, afar, THRESHOLDS)
    assert len(found) == 2
    leaf = np.asarray(Image.fromarray(plant).resize(size[::-1], Image.Resampling.BILINEAR))
    times = np.array(size) / plant.shape
    together = np.zeros(size, int)
    for one in found:
        ended = plants.trimmed(one, plant, leaf, THRESHOLDS)
        first, stop = (ended.top, ended.left), (ended.top + ended.height, ended.left + ended.width)
        assert (np.array([one.top, one.left]) * times <= first).all()
        assert (stop <= np.array([one.top + one.height, one.left + one.width]) * times).all()
        together[first[0] : stop[0], first[1] : stop[1]] += ended.mask
    assert together.max() == 1  # none is of both
    assert np.count_nonzero(together) == pytest.approx(np.count_nonzero(leaf >= THRESHOLDS.plant), rel=0.03)

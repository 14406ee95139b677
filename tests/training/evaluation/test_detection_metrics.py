"""How well plants are found, on photos whose plants are known."""

import numpy as np
import pytest
from PIL import Image

from models_store.greenness import excess_green
from models_store.manifest import PlantThresholds
from models_store.photo_maps import Maps
from tests import fakes
from training.errors import DataError
from training.evaluation import detection_metrics
from training.evaluation.detection_metrics import boxes_of, compare, iou, otsu

THRESHOLDS = PlantThresholds(plant=0.5, centre=0.5, doubt=0.2)
DISCS = ((100, 90, 40), (300, 120, 20), (400, 300, 12))


@pytest.fixture
def photos(tmp_path):
    """Two photos of three discs; on the second one the mask says that there is a fourth."""
    for name in ("field", "field/frames", "field/masks"):
        (tmp_path / name).mkdir()
    for name, more in (("a", ()), ("b", ((460, 60, 30),))):
        fakes.field(DISCS).save(tmp_path / "field" / "frames" / f"{name}.png")
        drawn = np.asarray(fakes.field((*DISCS, *more)))[..., 1] > 100
        Image.fromarray(drawn.astype(np.uint8)).save(tmp_path / "field" / "masks" / f"{name}.png")
    return tmp_path / "field" / "frames"


def by_green(photo):
    plant = (photo[1] > 100).astype(np.float32)
    height, width = plant.shape
    return Maps(plant, np.zeros((height // 4, width // 4), np.float32), np.zeros((height // 16, width // 16), np.float32), plant)


def test_figures_by_hand(photos):
    found = detection_metrics.figures(by_green, photos, THRESHOLDS, single=True, learnt_from="nothing")
    areas = [int((np.asarray(fakes.field([disc]))[..., 1] > 100).sum()) for disc in (*DISCS, (460, 60, 30))]
    seen = sum(areas[:3])
    assert found.iou == pytest.approx(2 * seen / (2 * seen + areas[3]), abs=0.001)
    assert found.green_fixed_iou == pytest.approx(found.iou, abs=0.001)
    assert (found.folder, found.photos, found.plants) == ("field", 2, 5)  # the discs of 12 pixels are too small to count
    assert (found.precision, found.recall, found.count_error) == (1, 0.8, 0.5)
    assert found.f1 == pytest.approx(2 * 0.8 / 1.8)
    assert "F1 0.889" in detection_metrics.text(found)
    half = detection_metrics.figures(by_green, photos, THRESHOLDS, single=False, learnt_from="nothing", half="first")
    assert (half.photos, half.iou, half.plants, half.f1) == (1, 1, None, None)


def test_where_nothing_is_drawn_and_nothing_found_there_is_no_precision(photos):
    for name in ("a", "b"):
        Image.new("L", (512, 384)).save(photos.parent / "masks" / f"{name}.png")
    bare = [
        detection_metrics.figures(segment, photos, THRESHOLDS, single=True, learnt_from="nothing")
        for segment in (lambda photo: by_green(0 * photo), by_green)
    ]
    assert "0 plants over 30 px: precision –, recall –, F1 –, count wrong by 0.00" in detection_metrics.text(bare[0])
    assert "0 plants over 30 px: precision 0.000, recall 0.000, F1 0.000, count wrong by 2.00" in detection_metrics.text(bare[1])
    with pytest.raises(DataError, match="frames: by their masks there is no plant on these photos, so nothing to measure by"):
        detection_metrics.figures(by_green, photos, THRESHOLDS, single=False, learnt_from="nothing")


def test_one_photo_with_one_plant_is_said_so(photos):
    disc = fakes.field(DISCS[:1])
    disc.save(photos / "a.png")
    Image.fromarray((np.asarray(disc)[..., 1] > 100).astype(np.uint8)).save(photos.parent / "masks" / "a.png")
    found = detection_metrics.figures(by_green, photos, THRESHOLDS, single=True, learnt_from="nothing", half="first")
    assert "on 1 photo; excess green" in detection_metrics.text(found)
    assert "; 1 plant over 30 px" in detection_metrics.text(found)


def test_boxes_are_matched_one_to_one():
    drawn = [(0.0, 0.0, 40.0, 40.0), (100.0, 0.0, 140.0, 40.0), (200.0, 0.0, 220.0, 20.0)]
    found = [(2.0, 0.0, 42.0, 40.0), (0.0, 4.0, 40.0, 44.0), (300.0, 0.0, 340.0, 40.0), (200.0, 0.0, 220.0, 20.0), (400.0, 0.0, 410.0, 9.0)]
    assert compare(found, drawn) == (1, 2, 1, 1)
    assert compare([], drawn) == (0, 0, 2, 2)


def test_iou_of_boxes():
    assert iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0


def test_parts_of_two_values_are_two_plants():
    mask = np.zeros((20, 20), np.uint8)
    mask[2:6, 2:6], mask[6:9, 2:6], mask[15, 15] = 1, 2, 1
    assert sorted(boxes_of(mask)) == [(2, 2, 6, 6), (2, 6, 6, 9), (15, 15, 16, 16)]
    assert boxes_of(0 * mask) == []


def test_leaves_of_one_plant_lie_apart_on_its_mask():
    mask = np.zeros((40, 40), np.uint8)
    mask[5:10, 5:10], mask[5:10, 17:20], mask[25:30, 5:10] = 1, 1, 1  # 7 bare pixels between the first two, 15 to the third
    assert sorted(boxes_of(mask)) == [(5, 5, 20, 10), (5, 25, 10, 30)]


def test_otsu_divides_two_hills():
    values = np.concatenate([np.random.default_rng(0).normal(0, 0.05, 900), np.random.default_rng(1).normal(1, 0.05, 100)])
    assert 0.15 < otsu(values.astype(np.float32)) < 0.85


def test_a_photo_without_colours_has_no_plants_by_otsu():
    grey = np.broadcast_to(np.arange(16, dtype=np.uint8) * 16, (3, 16, 16))
    green = excess_green(np.ascontiguousarray(grey))
    assert not (green >= otsu(green)).any()

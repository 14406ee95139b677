"""Lawns and closed canopies are told from green cloth and from plants on soil."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_store import canopy, pixels, plants
from models_store.manifest import PhotoInput, PlantThresholds
from tests import drawn

WANTED = PhotoInput(side=1024, multiple=64, enlarged=1.5)
THRESHOLDS = PlantThresholds(plant=0.5, centre=0.5, doubt=0.2)


def scaled(photo: Image.Image) -> np.ndarray:
    """As a segmenter sees it."""
    return pixels.resized(np.ascontiguousarray(np.asarray(photo).transpose(2, 0, 1)), plants.map_size(*photo.size, WANTED))


def jpeg(photo: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(drawn.encoded(photo, "JPEG", quality=quality)))


@pytest.mark.parametrize(
    "lawn",
    [
        {},
        {"width": (1, 2), "length": (10, 30), "size": (1200, 900)},  # mown
        {"width": (6, 14), "length": (90, 250)},  # near
        {"dry": 0.3},
        {"shadow": 0.7},
        {"colour": (50, 85, 35), "shadow": 0.5},
        {"colour": (135, 175, 70)},
        {"colour": (60, 110, 75)},  # as wheat
        {"size": (300, 300)},
    ],
    ids=str,
)
def test_a_lawn_is_vegetation_nearly_everywhere(lawn: dict) -> None:
    where = canopy.vegetation(scaled(jpeg(drawn.lawn(1, **lawn), 75)))
    assert where is not None
    assert where.mean() > 0.9


@pytest.mark.parametrize("colour", [(40, 120, 55), (25, 60, 35), (0, 177, 64), (120, 160, 70)])
@pytest.mark.parametrize(
    "cloth",
    [
        {},
        {"noise": 15},
        {"weave": 0.15},
        {"weave": 0.15, "thread": 14, "noise": 4},
        {"folds": 0.3},
        {"folds": 0.2, "weave": 0.1, "noise": 8},
    ],
    ids=str,
)
def test_green_cloth_is_not(cloth: dict, colour: tuple[int, int, int]) -> None:
    photo = drawn.cloth(1, colour=colour, **cloth)
    assert canopy.vegetation(scaled(photo)) is None
    assert canopy.vegetation(scaled(jpeg(photo, 75))) is None


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (30, 60, 200), (110, 85, 60)])
def test_pages_of_one_colour_and_stones_are_not(colour: tuple[int, int, int]) -> None:
    assert canopy.vegetation(scaled(Image.new("RGB", (640, 480), colour))) is None
    rough = np.asarray(drawn.lawn(1, dry=0)).mean(2, keepdims=True) / 110 * np.array(colour)
    assert canopy.vegetation(scaled(Image.fromarray(rough.clip(0, 255).astype(np.uint8)))) is None


def beside(lawn: Image.Image, share: float) -> Image.Image:
    """A lawn with bare soil on the left."""
    soil = drawn.cloth(2, lawn.size, colour=(110, 85, 60), noise=12)
    lawn.paste(soil.crop((0, 0, round(share * lawn.width), lawn.height)))
    return lawn


@pytest.mark.parametrize("share", [0.3, 0.5, 0.75])
def test_a_lawn_beside_soil_is_vegetation_where_it_is(share: float) -> None:
    photo = scaled(beside(drawn.lawn(1), share))
    where = canopy.vegetation(photo)
    assert where is not None
    edge = round(share * photo.shape[2])
    assert where[:, : edge - 32].mean() < 0.01
    assert where[:, edge + 32 :].mean() > 0.98
    height, width = photo.shape[1:]
    plant, near, afar = (np.full((height // stride, width // stride), 0.3, np.float32) for stride in (1, 4, 16))
    of_all, of_near, of_afar = canopy.seen(where, (plant, near, afar))
    assert (of_all == np.where(where, 1, 0.3).astype(np.float32)).all()  # beside it the segmenter's say stands
    assert ((of_near == 0) == where[::4, ::4]).all()
    assert ((of_afar == 0) == where[::16, ::16]).all()


def test_a_strip_of_lawn_is_left_to_the_segmenter() -> None:
    assert canopy.vegetation(scaled(beside(drawn.lawn(1), 0.9))) is None


def test_a_bare_strip_of_a_lawn_stays_bare() -> None:
    where = canopy.vegetation(scaled(beside(drawn.lawn(1), 0.1)))
    assert where is not None
    assert where[:, :80].mean() < 0.05  # of 1,024 columns the strip has 102
    assert where[:, 130:].mean() > 0.95


def test_plants_on_soil_are_left_to_the_segmenter() -> None:
    assert canopy.vegetation(scaled(drawn.plant(2, 1, 400))) is None


@pytest.mark.slow
def test_plants_of_training_photos_are_left_to_the_segmenter(real_images: Path) -> None:
    files = [file for folder in sorted(real_images.iterdir()) if folder.is_dir() for file in sorted(folder.glob("*.png"))[:8]]
    taken = [file for file in files if canopy.vegetation(scaled(Image.open(file).convert("RGB"))) is not None]
    assert len(taken) <= 0.03 * len(files), taken


def test_mirrored_and_turned_lawns_give_the_same_exactly() -> None:
    photo = scaled(beside(drawn.lawn(3, dry=0.3), 0.1))
    where = canopy.vegetation(photo)
    assert where is not None
    for changed in (lambda values: values[..., ::-1], lambda values: values[..., ::-1, :], lambda values: np.swapaxes(values, -1, -2)):
        assert (canopy.vegetation(np.ascontiguousarray(changed(photo))) == changed(where)).all()


def test_its_maps_are_one_clump() -> None:
    photo = scaled(drawn.lawn(1))
    height, width = photo.shape[1:]
    maps = tuple(np.full((height // stride, width // stride), 0.3, np.float32) for stride in (1, 4, 16))
    (whole,) = plants.find(*canopy.seen(canopy.vegetation(photo), maps), THRESHOLDS)
    assert whole.clump
    assert whole.area > 0.9 * width * height
    page = np.full_like(photo, 90)
    assert canopy.seen(canopy.vegetation(page), maps) == maps

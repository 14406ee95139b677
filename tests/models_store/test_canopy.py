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
    photo = lawn.copy()
    photo.paste(soil.crop((0, 0, round(share * lawn.width), lawn.height)))
    return photo


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


def dense(green: float) -> tuple[np.ndarray, np.ndarray]:
    """Leaves over 0.4 of a soil, in light of so much green: uint8 [3,768,1024], and where leaves are, bool [768,1024]."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:768, :1024]
    leaf = np.zeros((768, 1024), bool)
    for down, across in random.uniform((0, 0), (768, 1024), (160, 2)):
        leaf |= np.hypot(y - down, x - across) < 32
    colours = (
        np.where(leaf[..., None], (75, 120, 50), (110, 92, 68))
        * np.exp(random.normal(0, 0.12, (96, 128))).repeat(8, 0).repeat(8, 1)[..., None]
    )
    tinted = colours * (1, green, 1) + random.normal(0, 6, (96, 128, 3)).repeat(8, 0).repeat(8, 1)
    return np.ascontiguousarray(tinted.clip(0, 255).astype(np.uint8).transpose(2, 0, 1)), leaf


@pytest.mark.parametrize("green", [1.2, 1.4])
def test_plants_on_soil_in_greenish_light_are_left_to_the_segmenter_that_sees_them(green: float) -> None:
    photo, leaf = dense(green)
    assert 0.3 < leaf.mean() < 0.5
    where = canopy.vegetation(photo)
    assert canopy.is_all(where)  # by colour and texture it could be a lawn
    assert canopy.confirmed(where, photo, leaf) is None


@pytest.mark.parametrize("lawn", [{}, {"width": (1, 2), "length": (10, 30), "size": (1200, 900)}, {"colour": (60, 110, 75)}], ids=str)
def test_a_lawn_is_confirmed_however_much_of_it_a_segmenter_sees(lawn: dict) -> None:
    """It sees blades here and there; what lies between them are blades, too."""
    photo = scaled(drawn.lawn(1, **lawn))
    where = canopy.vegetation(photo)
    height, width = photo.shape[1:]
    assert where is not None
    for share in (0, 0.2, 0.5, 0.9):
        blades = (np.random.default_rng(0).random((height // 4, width // 4)) < share).repeat(4, 0).repeat(4, 1)
        assert (canopy.confirmed(where, photo, blades) == where).all()
    assert canopy.confirmed(None, photo, blades) is None


def test_each_part_is_confirmed_for_itself() -> None:
    """A lawn on the left, a bare strip, dense plants in greenish light on the right."""
    photo, leaf = dense(1.3)
    photo[:, :, :400] = np.asarray(drawn.lawn(1, (400, 768))).transpose(2, 0, 1)
    photo[:, :, 400:500] = 90
    leaf[:, :400], leaf[:, 400:500] = False, False
    where = canopy.vegetation(photo)
    assert where is not None
    assert where[:, :380].mean() > 0.95
    assert where[:, 520:].mean() > 0.95
    kept = canopy.confirmed(where, photo, leaf)
    assert kept is not None
    assert (kept[:, :400] == where[:, :400]).all()
    assert not kept[:, 500:].any()
    mirrored = canopy.confirmed(where[:, ::-1], np.ascontiguousarray(photo[..., ::-1]), leaf[:, ::-1])
    assert mirrored is not None
    assert (mirrored == kept[:, ::-1]).all()


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

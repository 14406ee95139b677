"""Photos with masks."""

import numpy as np
import pytest
import torch
from PIL import Image

from training.data import masked_photos
from training.errors import DataError


@pytest.fixture
def patches(tmp_path):
    """Two photos of a green stripe on brown, their masks beside the folder."""
    for name in ("patches", "masks"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        picture = np.full((240, 300, 3), (120, 90, 60), np.uint8)
        picture[100:120] = (40, 160, 40)
        Image.fromarray(picture).save(tmp_path / "patches" / f"{name}.png")
        Image.fromarray((picture[..., 1] > 100).astype(np.uint8) * 2).save(tmp_path / "masks" / f"{name}.png")
    return tmp_path / "patches"


def test_masks_lie_on_their_plants(patches):
    masked = masked_photos.squares(patches, 64)
    assert len(masked.pixels) == len(masked.plants) > 8
    assert masked.pixels.nbytes + masked.plants.nbytes == len(masked.pixels) * 4 * 64 * 64
    green = (masked.pixels[:, 1].float() - masked.pixels[:, 0].float()) > 60
    drawn = masked.plants[:, 0] > 230
    assert float((green & drawn).sum() / drawn.sum()) > 0.95
    assert (masked.plants.float().mean((1, 2, 3)) / 255 >= 0.009).all()


def test_masks_are_no_photos(patches):
    with pytest.raises(DataError, match="holds the masks themselves; name the folder of their photos"):
        masked_photos.files(patches.parent / "masks")
    with pytest.raises(DataError, match=r"photo-segmenter masks .*coco\.json --photos DIR"):
        masked_photos.files(patches.parent / "coco.json")


def test_the_folder_above_photos_and_masks_is_the_same_one(patches):
    assert masked_photos.files(patches.parent) == masked_photos.files(patches)
    assert masked_photos.home(patches.parent) == masked_photos.home(patches) == patches.parent


def test_plants_of_two_numbers_that_touch_are_not_one(patches):
    assert masked_photos.squares(patches, 32).apart.all()
    mask = np.zeros((240, 300), np.uint8)
    mask[100:120, :150], mask[100:120, 150:] = 1, 2
    Image.fromarray(mask).save(patches.parent / "masks" / "a.png")
    masked = masked_photos.squares(patches, 32)
    assert 0 < int((~masked.apart).sum()) < len(masked.apart)
    assert masked.apart[len(masked.apart) // 2 :].all()  # of the other photo


def test_photos_without_masks_are_told_before_any_is_read(patches):
    masked_photos.check(patches)
    (patches / "c.png").write_bytes(b"")
    (patches / "d e.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"c\.png has no mask .*masks/c\.png; draw one, .*; nor have 1 more of these 4 photos"):
        masked_photos.check(patches)
    masked_photos.check(patches, "first")
    (patches / "c.png").unlink()
    for name in ("d e.jpg", "d e.jpg.png", "d e_mask.png", "D E.png"):
        file = patches.parent / "masks" / name
        file.touch()
        with pytest.raises(DataError, match=f"{name} lies there, but a mask is a PNG with the name of its photo$"):
            masked_photos.check(patches)
        file.unlink()


def test_half_of_one_photo_is_none(patches):
    first, second = masked_photos.files(patches)
    assert (masked_photos.files(patches, "first"), masked_photos.files(patches, "second")) == ([first], [second])
    second.unlink()
    for half in ("first", "second"):
        with pytest.raises(DataError, match="patches holds one photo, of which there is no half"):
            masked_photos.files(patches, half)


def test_the_seed_decides(patches):
    assert torch.equal(masked_photos.squares(patches, 32, 1).pixels, masked_photos.squares(patches, 32, 1).pixels)


@pytest.mark.parametrize("anywhere", [0, 4, 8])
def test_photos_without_any_plant_teach_nothing(patches, anywhere):
    for name in "ab":
        Image.new("L", (300, 240)).save(patches.parent / "masks" / f"{name}.png")
    with pytest.raises(DataError, match=r"hardly a plant on the photos.*--background-photos"):
        masked_photos.squares(patches, 32, anywhere=anywhere)


def test_what_is_wrong_is_said(patches, tmp_path):
    with pytest.raises(DataError, match="nowhere is not there"):
        masked_photos.squares(tmp_path / "nowhere")
    Image.new("L", (10, 10)).save(patches.parent / "masks" / "b.png")
    with pytest.raises(DataError, match=r"b\.png is 10×10, its photo 300×240"):
        masked_photos.squares(patches)
    (patches.parent / "masks" / "b.png").unlink()
    with pytest.raises(DataError, match=r"has no mask .*b\.png"):
        masked_photos.squares(patches)
    (patches / "b.png").unlink()
    Image.new("L", (300, 240)).save(patches.parent / "masks" / "a.png")
    with pytest.raises(DataError, match="hardly a plant"):
        masked_photos.squares(patches)

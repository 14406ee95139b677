"""Squares of photos to set plants on."""

import numpy as np
import pytest
import torch
from PIL import Image

from training.data import background_photos
from training.errors import DataError
from training.recipe import FieldScenes


@pytest.fixture
def photos(tmp_path):
    """A photo, brown on the left, green on the right, with a mask of the green beside its folder."""
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[:, :100], picture[:, 100:] = (120, 90, 60), (40, 160, 40)
    (tmp_path / "frames").mkdir()
    Image.fromarray(picture).save(tmp_path / "frames" / "one.png")
    (tmp_path / "masks").mkdir()
    Image.fromarray((picture[..., 1] > 100).astype(np.uint8)).save(tmp_path / "masks" / "one.png")
    return tmp_path / "frames"


def test_where_there_is_a_mask_only_bare_ground_is_taken(photos):
    squares = background_photos.squares([photos], 32)
    assert squares.shape[1:] == (3, 32, 32)
    assert 0 < len(squares) <= 12
    assert (squares[:, 0] > 110).all()


def test_of_many_photos_fewer_squares_are_taken(photos, monkeypatch):
    monkeypatch.setattr(background_photos, "MOST_SQUARES", 5)
    assert 1 <= len(background_photos.squares([photos], 32)) <= 5
    (photos / "two.png").write_bytes((photos / "one.png").read_bytes())
    assert 2 <= len(background_photos.squares([photos], 32)) <= 4


def test_without_a_mask_all_is_background(photos):
    (photos.parent / "masks" / "one.png").unlink()
    squares = background_photos.squares([photos], 32)
    assert len(squares) == 12
    assert (squares[:, 0] < 60).any()


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_mask_is_as_large_as_its_photo(photos, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (200, 120), (120, 90, 60)).save(photos / "one.png", exif=exif)
    upright = (200, 120) if orientation == 1 else (120, 200)
    Image.new("L", upright).save(photos.parent / "masks" / "one.png")
    assert len(background_photos.squares([photos], 32)) == 12
    Image.new("L", upright[::-1]).save(photos.parent / "masks" / "one.png")
    with pytest.raises(
        DataError, match=rf"one\.png is {upright[1]}×{upright[0]}, its photo {upright[0]}×{upright[1]}; turn it as the photo"
    ):
        background_photos.squares([photos])


def test_photos_wanted_for_their_plants_may_be_overgrown(photos, tmp_path):
    assert torch.equal(background_photos.squares_and_of([], [photos / "one.png"], 32), background_photos.squares([photos], 32))
    Image.new("L", (200, 200), 1).save(photos.parent / "masks" / "one.png")
    assert background_photos.squares_and_of([], [photos / "one.png"]) is None
    assert background_photos.squares_and_of([], []) is None
    for squares in (background_photos.squares, lambda folders: background_photos.squares_and_of(folders, [photos / "one.png"])):
        with pytest.raises(DataError, match="frames: plants cover every part of the photos by their masks"):
            squares([photos])


def test_the_seed_decides(photos):
    assert torch.equal(background_photos.squares([photos], 32, 1), background_photos.squares([photos], 32, 1))
    assert not torch.equal(background_photos.squares([photos], 32, 1), background_photos.squares([photos], 32, 2))


def test_what_is_wrong_is_said(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no photos"):
        background_photos.squares([tmp_path / "empty"])
    with pytest.raises(DataError, match="sets no plants on photos"):
        background_photos.for_recipe([photos], FieldScenes())
    assert background_photos.for_recipe([], FieldScenes()) is None
    (photos / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        background_photos.squares([photos])

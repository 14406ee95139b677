"""Where masks lie, and what PNGs of any kind say."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data import background_photos, masked_photos, masks
from training.errors import DataError

BROWN, GREEN = (120, 90, 60), (40, 160, 40)
KINDS = [
    "0 and 255",
    "one bit",
    "16 bits",
    "dark blue",
    "transparent white",
    "opaque black",
    "grey and transparent",
    "palette",
    "palette, white first",
    "palette, ground transparent",
    "grey, 200 transparent",
]


@pytest.fixture
def photo(tmp_path):
    """A photo, brown on the left, green on the right, without a mask."""
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[:, :150], picture[:, 150:] = BROWN, GREEN
    for name in ("frames", "masks"):
        (tmp_path / name).mkdir()
    Image.fromarray(picture).save(tmp_path / "frames" / "a.png")
    return tmp_path / "frames" / "a.png"


def palette(values: np.ndarray, colours: list[int]) -> Image.Image:
    picture = Image.fromarray(values, "P")
    picture.putpalette(colours)
    return picture


def painted(kind: str) -> Image.Image:
    plant = np.zeros((200, 300), bool)
    plant[:, 150:] = True
    values = plant.astype(np.uint8)
    white, black = np.full((200, 300, 3), 255, np.uint8), np.zeros((200, 300, 3), np.uint8)
    return {
        "0 and 255": lambda: Image.fromarray(255 * values),
        "one bit": lambda: Image.fromarray(plant),
        "16 bits": lambda: Image.fromarray(values.astype(np.uint16) * 300),
        "dark blue": lambda: Image.fromarray(values[..., None] * np.array([0, 0, 3], np.uint8)),
        "transparent white": lambda: Image.fromarray(np.dstack([white, 255 * values])),
        "opaque black": lambda: Image.fromarray(np.dstack([black + values[..., None] * 200, black[..., 0] + 255])),
        "grey and transparent": lambda: Image.fromarray(np.dstack([black[..., 0] + 200, 255 * values])),
        "palette": lambda: palette(values, [0, 0, 0, 9, 9, 9]),
        "palette, white first": lambda: palette(1 - values, [255, 255, 255, 0, 0, 0]),
        "palette, ground transparent": lambda: palette(2 - values, [0, 0, 0, 9, 9, 9, 255, 255, 255]),
        "grey, 200 transparent": lambda: Image.fromarray((200 - 150 * values).astype(np.uint8)),
    }[kind]()


@pytest.mark.parametrize("kind", KINDS)
def test_all_readers_take_masks_of_any_kind_alike(photo, kind):
    transparent = {"palette, ground transparent": 2, "grey, 200 transparent": 200}.get(kind)  # a value, in place of a channel
    painted(kind).save(photo.parent.parent / "masks" / "a.png", transparency=transparent)
    mask = masked_photos.read(photo)[1] > 0
    assert mask[:, 150:].all()
    assert not mask[:, :150].any()
    bare = background_photos.squares([photo.parent], 32)
    assert 0 < len(bare) <= 12
    assert (bare[:, 0] > 110).all()


def damaged(kind: str, file) -> bytes:
    whole = bytearray(file.read_bytes())
    if kind == "a flipped byte":  # in the name of the block with the pixels: a SyntaxError of Pillow
        whole[37] ^= 0x80
        return bytes(whole)
    return {"no picture": b"no picture", "empty": b"", "cut off": bytes(whole[:60])}[kind]


@pytest.mark.parametrize("kind", ["no picture", "empty", "cut off", "a flipped byte"])
def test_a_damaged_mask_is_named(photo, kind):
    mask = photo.parent.parent / "masks" / "a.png"
    painted("0 and 255").save(mask)
    mask.write_bytes(damaged(kind, mask))
    for read in (masked_photos.read, lambda file: background_photos.squares([file.parent])):
        with pytest.raises(DataError, match=r"masks/a\.png cannot be read .* draw this mask anew"):
            read(photo)


def test_of_what_is_no_picture_the_name_is_said_once(photo):
    mask = photo.parent.parent / "masks" / "a.png"
    mask.write_bytes(b"no picture")
    with pytest.raises(DataError) as raised:
        masks.read(mask)
    assert str(raised.value) == f"{mask} cannot be read (it is no PNG); draw this mask anew as a PNG, or copy it again"


def test_they_lie_beside_their_photos_whatever_those_are_called_by(photo, monkeypatch):
    mask = photo.parent.parent / "masks" / "a.png"
    painted("0 and 255").save(mask)
    (photo.parent / "more").mkdir()
    for place, named in ((photo.parent, "."), (photo.parent / "more", ".."), (photo.parent.parent, "frames")):
        monkeypatch.chdir(place)
        (found,) = masked_photos.files(Path(named))
        assert masks.file(found) == mask
        assert masked_photos.read(found)[1].any()
        assert masks.home(Path(named), [found])[0] == mask.parent.parent


@pytest.mark.parametrize("place", ["masks/tray 1", "frames/masks/tray 1", "frames/masks", "frames/tray 1/masks"])
def test_photos_in_folders_have_masks_in_folders_of_the_same_names(photo, place):
    inside = photo.parent / "tray 1" / "a.png"
    inside.parent.mkdir()
    photo.rename(inside)
    mask = photo.parent.parent / place / "a.png"
    mask.parent.mkdir(parents=True, exist_ok=True)
    painted("0 and 255").save(mask)
    for folder in (inside.parent, photo.parent, photo.parent.parent):
        assert [masks.file(found) for found in masked_photos.files(folder)] == [mask]
    assert masked_photos.read(inside)[1].any()


def test_letters_may_be_composed_in_another_way(photo):
    photo = photo.rename(photo.with_name(unicodedata.normalize("NFD", "Größe.png")))
    painted("0 and 255").save(photo.parent.parent / "masks" / unicodedata.normalize("NFC", "Größe.png"))
    assert masked_photos.read(photo)[1].any()


def test_plants_that_touch_are_told_by_their_numbers():
    mask = np.zeros((20, 30), np.uint8)
    mask[4:10, 2:8], mask[4:10, 8:14] = 1, 2  # side by side
    mask[12:18, 2:8], mask[12:18, 9:14] = 1, 2  # a pixel apart
    mask[4:10, 20:26], mask[3, 20:26], mask[10, 20:26] = 255, 90, 200  # one with soft edges
    found = masks.touching(mask)
    assert found[4:10, 8].all()
    assert found.sum() == 6


def test_the_suffix_may_be_in_capitals(photo):
    painted("0 and 255").save(photo.parent.parent / "masks" / "a.PNG")
    assert masked_photos.read(photo)[1].any()

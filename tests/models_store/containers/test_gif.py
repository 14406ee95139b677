"""GIFs written by hand: frames that leave some of the picture free, what stands before them, and profiles."""

import struct

import numpy as np
import pytest

from models_store import colour, pixels
from models_store.pixels import UndecodableImage

SIDE = 40
PALETTE = np.random.default_rng(0).integers(0, 256, (256, 3))
INDICES = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE))
COLOURS = PALETTE[INDICES].transpose(2, 0, 1)


def packed(indices: np.ndarray) -> bytes:
    """GIF's compression without compressing: every code has 9 bits, and the table is cleared before it grows."""
    codes = [256]
    for number, index in enumerate(indices.ravel().tolist()):
        codes += [index] if number % 250 or not number else [256, index]
    bits = np.array([[(code >> bit) & 1 for bit in range(9)] for code in [*codes, 257]], np.uint8).ravel()
    content = np.packbits(bits, bitorder="little").tobytes()
    return b"\x08" + blocks(content)


def blocks(content: bytes) -> bytes:
    parts = [content[at : at + 255] for at in range(0, len(content), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def frame(indices: np.ndarray, left: int = 0, top: int = 0, control: bytes = b"", interlaced: bool = False) -> bytes:
    height, width = indices.shape
    rows = np.concatenate([indices[0::8], indices[4::8], indices[2::4], indices[1::2]]) if interlaced else indices
    head = b"!\xf9\4" + control + b"\0" if control else b""
    return head + b"," + struct.pack("<4HB", left, top, width, height, 0x40 * interlaced) + packed(rows)


def gif(*parts: bytes, screen: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    return b"GIF89a" + struct.pack("<2HBBB", *screen, 0xF7, 7, 0) + PALETTE.astype(np.uint8).tobytes() + b"".join(parts) + b";"


@pytest.mark.parametrize(
    "before", [b"", b"!\xfe" + blocks(b"a comment"), b"!\xff" + blocks(b"XMP DataXMP<x/>"), b"!\1" + blocks(b"text" * 99)]
)
@pytest.mark.parametrize("interlaced", [False, True])
def test_every_pixel(before: bytes, interlaced: bool) -> None:
    body = gif(before, frame(INDICES, interlaced=interlaced), frame(255 - INDICES))
    assert (pixels.decode(body, SIDE) == COLOURS).all()


@pytest.mark.parametrize(
    "control", [b"", bytes([1, 0, 0, 9]), bytes([9, 0, 0, 9]), bytes([13, 5, 0, 9])], ids=["none", "key", "to ground", "back"]
)
def test_what_the_first_frame_leaves_free_is_white(control: bytes) -> None:
    """Whatever the background's number says, as in browsers. Pillow alone would take the first colour of the palette."""
    part = INDICES[:20, :10]
    expected = np.full_like(COLOURS, 255)
    expected[:, 5:25, 12:22] = COLOURS[:, :20, :10]
    if control:
        expected[:, 5:25, 12:22][:, part == 9] = 255
    assert (pixels.decode(gif(frame(part, 12, 5, control), frame(INDICES)), SIDE) == expected).all()


def test_a_frame_beyond_the_screen_widens_it() -> None:
    found = pixels.decode(gif(frame(INDICES), screen=(20, 20)), SIDE)
    assert (found == COLOURS).all()


def test_a_profile() -> None:
    """Linear light: the curve is sRGB's own definition."""
    linear = colour.of_gamma(1.0) or b""
    body = gif(b"!\xff\x0bICCRGBG1012" + blocks(linear), frame(INDICES))
    light = COLOURS / 255
    expected = 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(pixels.decode(body, SIDE) - expected).max() <= 2


def test_more_pixels_than_pillow_allows() -> None:
    body = gif(frame(INDICES, control=bytes([9, 0, 0, 0])), screen=(20_000, 10_000))
    with pixels.opened(body, 200_000_000) as picture:
        assert (picture.width, picture.height) == (20_000, 10_000)
    with pytest.raises(UndecodableImage, match="20000×10000 pixels, more than the 199999999"):
        pixels.decode(body, 32, 199_999_999)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (gif(), "holds no image"),
        (gif(frame(INDICES))[:-300], "cannot be decoded"),
        (gif(frame(INDICES))[:783], "cut off before its first frame"),
        (gif(frame(INDICES))[:12], "holds no image"),
        (gif(b"!\xfe" + b"\1x" * 60_000 + b"\0", frame(INDICES)), "more than 50000 blocks"),
        (gif(b"!\xfe\0" * 60_000, frame(INDICES)), "more than 50000 blocks"),
        (gif(b"?" * 60_000, frame(INDICES)), "more than 50000 blocks"),
    ],
)
def test_what_is_no_picture_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(UndecodableImage, match=said):
        pixels.decode(body)

"""BMPs written by hand: every header, depth and mask of colours, against the values that went in."""

import struct

import numpy as np
import pytest

from models_store import colour, pixels
from models_store.containers import bmp as bmp_module
from models_store.pixels import UndecodableImage

SIDE = 40
COLOURS = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3))
ALPHA = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE))
HEADERS = (40, 52, 56, 64, 108, 124)
MASKS = {
    "565": (2, 0xF800, 0x7E0, 0x1F, 0),
    "555": (2, 0x7C00, 0x3E0, 0x1F, 0),
    "444": (2, 0xF00, 0xF0, 0xF, 0),
    "1555": (2, 0x7C00, 0x3E0, 0x1F, 0x8000),
    "4444": (2, 0xF00, 0xF0, 0xF, 0xF000),
    "bgrx": (4, 0xFF0000, 0xFF00, 0xFF, 0),
    "rgbx": (4, 0xFF, 0xFF00, 0xFF0000, 0),
    "bgra": (4, 0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    "abgr": (4, 0xFF000000, 0xFF0000, 0xFF00, 0xFF),
    "of 10 bits": (4, 0x3FF00000, 0xFFC00, 0x3FF, 0),
}


def bmp(rows: np.ndarray, bits: int, compression: int, header: int, top_down: bool, masks: bytes = b"", fields: bytes = b"") -> bytes:
    """Rows from the top, uint8 [H, bytes]."""
    content = np.pad(rows if top_down else rows[::-1], ((0, 0), (0, -rows.shape[1] % 4))).tobytes()
    height = -SIDE if top_down else SIDE
    head = struct.pack("<IiiHHIIiiII", header, SIDE, height, 1, bits, compression, len(content), 2835, 2835, 0, 0) + masks
    head = (head + fields).ljust(header, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(content), 0, 0, 14 + len(head)) + head + content


def spread(values: np.ndarray, mask: int) -> tuple[np.ndarray, np.ndarray]:
    """8 bits as so many as the mask has, at its place; and what is left of them."""
    low = (mask & -mask).bit_length() - 1
    largest = mask >> low
    few = (values * largest + 127) // 255
    return few << low, few * 255 / largest


@pytest.mark.parametrize(("bits", "compression"), [(8, 1), (4, 2)])
def test_run_lengths_are_read_up_to_a_length(bits: int, compression: int) -> None:
    """One colour of the palette; what follows the end of the runs makes the file long."""
    colours = bytes([30, 60, 90, 0]) + bytes(4 * (2**bits - 1))  # blue, green, red
    runs = b"".join(bytes([SIDE, 0, 0, 0]) for _ in range(SIDE)) + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, bits, compression, len(runs), 0, 0, 2**bits, 0) + colours
    file = b"BM" + struct.pack("<IHHI", 14 + len(head) + len(runs), 0, 0, 14 + len(head)) + head + runs
    whole = file.ljust(bmp_module.MAX_RUNS_BYTES, b"\0")
    assert (pixels.decode(whole).reshape(3, -1).T == (90, 60, 30)).all()
    with pytest.raises(UndecodableImage, match="run lengths and longer"):
        pixels.decode(whole + b"\0")


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("name", MASKS)
def test_masks_of_colours(name: str, header: int, top_down: bool) -> None:
    item, *masks = MASKS[name]
    with_alpha = masks[3] > 0
    packed, expected = zip(*(spread(COLOURS[..., band], masks[band]) for band in range(3)), strict=True)
    values, found = sum(packed), np.stack(expected)
    if with_alpha:
        opacity, cover = spread(ALPHA, masks[3])
        values, found = values + opacity, found * cover / 255 + 255 - cover
    compression = 6 if with_alpha and header < 56 else 3
    written = struct.pack("<4I", *masks) if header >= 56 or compression == 6 else struct.pack("<3I", *masks[:3])
    body = bmp(np.asarray(values).astype(f"<u{item}").view(np.uint8), 8 * item, compression, header, top_down, written)
    assert np.abs(pixels.decode(body, SIDE) - found).max() <= 1.1


def test_transparency_everywhere_is_none() -> None:
    values = sum(spread(COLOURS[..., band], MASKS["bgra"][1 + band])[0] for band in range(3))
    body = bmp(np.asarray(values).astype("<u4").view(np.uint8), 32, 3, 124, False, struct.pack("<4I", *MASKS["bgra"][1:]))
    assert (pixels.decode(body, SIDE) == COLOURS.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("name", [b"sRGB", b"Win ", b"MBED", b"LINK"])
def test_an_embedded_profile(name: bytes) -> None:
    linear = colour.of_gamma(1.0) or b""
    rows = COLOURS[..., ::-1].astype(np.uint8).reshape(SIDE, -1)
    fields = bytes(16) + name[::-1] + bytes(48) + struct.pack("<4I", 4, 124 + rows.size, len(linear), 0)
    found = pixels.decode(bmp(rows, 24, 0, 124, False, fields=fields) + linear, SIDE)
    light = COLOURS.transpose(2, 0, 1) / 255
    as_srgb = 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(found - (as_srgb if name == b"MBED" else 255 * light)).max() <= 2


@pytest.mark.parametrize("masks", [(0, 0, 0), (0xFF, 0xFF, 0xFF00), (0xF0F, 0xF0, 0xF000), (2**17 - 1, 1 << 18, 1 << 20)])
def test_masks_that_cannot_be(masks: tuple[int, ...]) -> None:
    with pytest.raises(UndecodableImage, match="masks of colours"):
        pixels.decode(bmp(np.zeros((SIDE, 4 * SIDE), np.uint8), 32, 3, 40, False, struct.pack("<3I", *masks)))


def test_a_bmp_cut_off_is_refused() -> None:
    body = bmp(np.zeros((SIDE, 4 * SIDE), np.uint8), 32, 3, 40, False, struct.pack("<3I", *MASKS["bgrx"][1:4]))
    with pytest.raises(UndecodableImage, match="cut off"):
        pixels.decode(body[:-20])

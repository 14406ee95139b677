"""What stands in a PNG beside its pixels, and the pixels that Pillow takes wrongly."""

import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_store import pixels
from models_store.pixels import UndecodableImage
from tests.drawn import encoded

HARD_CASES = Path(__file__).parent.parent / "hard_cases"
PLAIN = pixels.decode(HARD_CASES / "seedling_srgb.png").astype(int)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(samples: np.ndarray, bits: int, *chunks: bytes) -> bytes:
    """Grey [H,W] or RGB [H,W,3], packed by hand, with chunks before the pixels."""
    height, width = samples.shape[:2]
    if bits == 16:
        rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    else:
        each_bit = np.unpackbits(samples.astype(np.uint8).reshape(height, -1, 1), axis=2)[..., 8 - bits :]
        rows = np.packbits(each_bit.reshape(height, -1), axis=1)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", width, height, bits, 2 if samples.ndim == 3 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["long_xmp.png", "wrong_crc_of_text.png"])
def test_files_of_real_programs(name: str) -> None:
    assert np.abs(pixels.decode(HARD_CASES / name).astype(int) - PLAIN).mean() < 1


def test_every_kind_of_long_or_broken_text() -> None:
    body = encoded(Image.new("RGB", (20, 20), (60, 140, 50)), "PNG")
    bomb = zlib.compress(bytes(200_000_000))
    texts = [
        chunk(b"zTXt", b"a\0\0" + bomb),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb),
        chunk(b"tEXt", b"a\0" + b"x" * 3_000_000),
    ]
    texts += [chunk(b"iCCP", b"a\0\0" + bomb), chunk(b"iCCP", b"a\0\0no deflate"), chunk(b"eXIf", b"nonsense"), chunk(b"tIME", b"")]
    texts += [chunk(name, b"x" * 9)[:-4] + b"none" for name in (b"tEXt", b"pHYs", b"bKGD", b"gAMA", b"acTL", b"sPLT")]
    started = time.monotonic()
    for text in texts:
        for at in (33, len(body) - 12):
            assert (pixels.decode(body[:at] + text + body[at:], 8)[:, 4, 4] == (60, 140, 50)).all(), text[4:8]
    assert time.monotonic() - started < 5


def test_chunks_without_end_are_refused() -> None:
    body = encoded(Image.new("RGB", (20, 20)), "PNG")
    with pytest.raises(UndecodableImage, match="more than 100000 chunks"):
        pixels.decode(body[:33] + chunk(b"tEXt", b"") * 100_000 + body[33:])


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_white(bits: int) -> None:
    low, high = (0, 1) if bits == 1 else (2 ** (bits - 1) - 1, 2**bits - 1)
    samples = np.full((40, 40), high)
    samples[:, :20] = low
    for key, (left, right) in ((low, (255, 255)), (high, (round(low * 255 / (2**bits - 1) - 0.01), 255))):
        found = pixels.decode(png(samples, bits, chunk(b"tRNS", struct.pack(">H", key))), 40)
        assert abs(int(found[0, 20, 10]) - left) <= 1
        assert found[0, 20, 30] == right
    wide, narrow = (pixels.decode(HARD_CASES / f"grey{n}_transparent.png") for n in (16, 8))
    assert (wide == narrow).all()


@pytest.mark.parametrize(("bits", "unit"), [(8, 1), (16, 257), (16, 1)])
def test_a_transparent_colour_is_white_to_its_last_bit(bits: int, unit: int) -> None:
    samples = np.zeros((40, 40, 3), int)
    samples[:, :20], samples[:, 20:] = np.array([10, 20, 30]) * unit, np.array([11, 20, 30]) * unit
    found = pixels.decode(png(samples, bits, chunk(b"tRNS", struct.pack(">3H", *samples[0, 0]))), 40)
    assert (found[:, 20, 10] == 255).all()
    assert np.abs(found[:, 20, 30] - samples[0, 30] / (257 if bits == 16 else 1)).max() <= 1


def test_wide_colours_take_no_more_memory_than_the_limit_of_pixels_allows() -> None:
    body = png(np.zeros((1200, 1200, 3), np.uint16), 16, chunk(b"gAMA", struct.pack(">I", 100_000)))
    tracemalloc.start()
    assert pixels.decode(body, 40, 2_160_000).max() == 0
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 9 * 1200 * 1200  # of Python and numpy; Pillow takes 8 more while both halves are there
    with pytest.raises(UndecodableImage, match="1200×1200 pixels of 16-bit colours, too much to decode; scale it down"):
        pixels.decode(body, 40, 2_159_999)
    plain = png(np.zeros((1200, 1200, 3), np.uint16), 16)
    assert pixels.decode(plain, 40, 1_440_000).max() == 0  # in sRGB 8 bits are enough


def test_a_png_cut_off_is_refused() -> None:
    body = (HARD_CASES / "seedling_srgb.png").read_bytes()
    for cut in (len(body) // 2, len(body) - 200, 40, 20):
        with pytest.raises(UndecodableImage):
            pixels.decode(body[:cut])
    assert (pixels.decode(body[:-12]) == PLAIN).all()  # the mark of its end is all that lacks


def test_a_critical_chunk_that_is_unknown_is_refused_by_name() -> None:
    """CgBI is what Xcode makes of PNGs: other pixels under the same signature."""
    body = (HARD_CASES / "seedling_srgb.png").read_bytes()
    with pytest.raises(UndecodableImage, match="chunk CgBI"):
        pixels.decode(body[:8] + chunk(b"CgBI", bytes(4)) + body[8:])
    for name in (b"vpAg", b"npOl", b"caNv"):
        assert (pixels.decode(body[:33] + chunk(name, b"x") + body[33:]) == PLAIN).all()


@pytest.mark.parametrize("gamma", [0, 1, 15, 625_000_001, 2**32 - 1])
def test_a_gamma_that_cannot_be_is_ignored(gamma: int) -> None:
    body = (HARD_CASES / "seedling_srgb.png").read_bytes()
    assert (pixels.decode(body[:33] + chunk(b"gAMA", struct.pack(">I", gamma)) + body[33:]) == PLAIN).all()

"""Every kind of TIFF that Pillow reads wrongly or not at all, as tifffile writes it."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from models_store import pixels
from models_store.pixels import UndecodableImage
from tests.drawn import encoded

HEIGHT, WIDTH = 90, 110
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
COLOURS = np.stack([255 * x / WIDTH, 255 * y / HEIGHT, 127 + 120 * np.sin(x / 20) * np.cos(y / 30)], -1)  # float64 [H,W,3], 0–255
GREYS = COLOURS[..., 1]
RGB = pixels.decode(encoded(Image.fromarray(COLOURS.astype(np.uint8)), "PNG")).astype(int)
GREY = pixels.decode(encoded(Image.fromarray(GREYS.astype(np.uint8)), "PNG")).astype(int)


def written(samples: np.ndarray, photometric: str = "rgb", **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, photometric=photometric, **options)
    return stream.getvalue()


def difference(body: bytes, expected: np.ndarray) -> float:
    return float(np.abs(pixels.decode(body).astype(int) - expected).mean())


def planes(samples: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(samples.transpose(2, 0, 1))


U16 = (COLOURS * 257).astype(np.uint16)
KINDS = {
    "8": COLOURS.astype(np.uint8),
    "16": U16,
    "32": U16.astype(np.uint32) * 65537,
    "half": (COLOURS / 255).astype(np.float16),
    "float": (COLOURS / 255).astype(np.float32),
    "double": COLOURS / 255,
    "float to 255": COLOURS.astype(np.float32),
    "float to 65535": (COLOURS * 257).astype(np.float32),
    "signed": (COLOURS / 255 * 32767).astype(np.int16),
    "signed 8": (COLOURS / 255 * 127).astype(np.int8),
    "signed to 255": COLOURS.astype(np.int32),
}


@pytest.mark.parametrize("layout", ["strips", "tiles", "planes", "planes in tiles", "deflate", "deflate in tiles", "big-endian", "bigtiff"])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_layouts(kind: str, layout: str) -> None:
    samples = KINDS[kind]
    options: dict[str, Any] = {"rowsperstrip": 17}
    if "tiles" in layout:
        options = {"tile": (32, 48)}
    if "planes" in layout:
        samples, options["planarconfig"] = planes(samples), "separate"
    if "deflate" in layout:
        options["compression"] = "zlib"
    if layout == "big-endian":
        options["byteorder"] = ">"
    if layout == "bigtiff":
        options |= {"bigtiff": True, "byteorder": ">"}
    assert difference(written(samples, **options), RGB) < 1.5


def predicted(samples: np.ndarray, predictor: int, **options: Any) -> bytes:
    """What is stored already, under the name of a predictor."""
    body = written(samples, compression="zlib", extratags=[(65_000, 3, 1, predictor, True)], **options)
    order = options.get("byteorder", "<")
    return body.replace(struct.pack(order + "HHI", 65_000, 3, 1), struct.pack(order + "HHI", 317, 3, 1))


def differences(values: np.ndarray, columns: int) -> np.ndarray:
    """What TIFF's predictor 2 stores of [H,W,bands]: the first pixel of each row of a block, then steps."""
    steps = values.copy()
    for start in range(0, values.shape[1], columns):
        block = values[:, start : start + columns]
        steps[:, start : start + columns] = np.concatenate([block[:, :1], np.diff(block, axis=1)], 1)
    return steps


@pytest.mark.parametrize("tile", [None, (32, 48)])
@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<u4"])
def test_predictor_of_differences(dtype: str, tile: tuple[int, int] | None) -> None:
    samples = U16 if dtype.endswith("2") else U16.astype(np.uint32) * 65537
    with np.errstate(over="ignore"):
        steps = differences(samples, 48 if tile else WIDTH)
    options: dict[str, Any] = {"tile": tile} if tile else {"rowsperstrip": 17}
    assert difference(predicted(steps, 2, byteorder=dtype[0], **options), RGB) < 1.5


def test_predictor_of_floating_point() -> None:
    """Adobe Photoshop's technical note 3: each row by significance of its bytes, then differences of bytes, bands apart."""
    wide = (COLOURS / 255).astype(">f4")
    by_significance = wide.view(np.uint8).reshape(HEIGHT, WIDTH * 3, 4).swapaxes(1, 2).reshape(HEIGHT, -1, 3)
    stored = differences(by_significance, by_significance.shape[1]).reshape(HEIGHT, -1)
    body = predicted(np.ascontiguousarray(stored).view("<f4").reshape(HEIGHT, WIDTH, 3), 3)
    assert difference(body, RGB) < 1.5


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (written((255 - GREYS).astype(np.uint8), "miniswhite"), GREY),
        (written((65535 - GREYS * 257).astype(np.uint16), "miniswhite"), GREY),
        (written((1 - GREYS / 255).astype(np.float32), "miniswhite"), GREY),
        (written(np.dstack([65535 - U16, np.zeros_like(U16[..., :1])]), "separated"), RGB),
        (written(planes(np.dstack([255 - KINDS["8"], np.zeros_like(KINDS["8"][..., :1])])), "separated", planarconfig="separate"), RGB),
        (written(np.dstack([U16, U16[..., :1]]), extrasamples=["unspecified"]), RGB),
        (written(np.dstack([U16[..., 1], U16[..., 1]]), "minisblack", extrasamples=["unspecified"]), GREY),
    ],
    ids=["white 0", "white 0 of 16", "white 0 of float", "cmyk 16", "cmyk in planes", "RGB and another band", "grey and another band"],
)
def test_photometrics(body: bytes, expected: np.ndarray) -> None:
    assert difference(body, expected) < 1.5


@pytest.mark.parametrize("kind", ["16", "float"])
@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha"])
def test_transparency_is_laid_on_white(kind: str, alpha: str) -> None:
    samples = KINDS[kind]
    opaque = np.where(x < WIDTH // 2, 65535 if kind == "16" else 1.0, 0).astype(samples.dtype)
    hidden = np.where(opaque[..., None] > 0, samples, 0 if alpha == "assocalpha" else samples)
    on_white = np.where(opaque[..., None] > 0, COLOURS, 255).astype(np.uint8)
    body = written(np.dstack([hidden, opaque]), extrasamples=[alpha])
    assert difference(body, pixels.decode(encoded(Image.fromarray(on_white), "PNG")).astype(int)) < 1.5


@pytest.mark.parametrize("odd", [1.02, 1e30, -9999.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("top", [1.0, 255.0])
def test_one_odd_pixel_changes_itself_alone(odd: float, top: float) -> None:
    samples = (COLOURS / 255 * top).astype(np.float32)
    samples[40, 50] = odd
    found = pixels.decode(written(samples)).astype(int)
    assert (np.abs(found - RGB) > 3).any(0).sum() <= 16  # the pixels it is blended into
    assert difference(written(np.full((20, 20), np.nan, np.float32), "minisblack"), np.zeros(1)) == 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (written(np.zeros((20, 20, 5), np.uint16), extrasamples=["unspecified"] * 2), "5 bands of 16-bit whole numbers"),
        (written(np.zeros((20, 20, 5), np.uint8), extrasamples=["unspecified"] * 2), "5 bands of 8-bit"),
        (
            written(np.zeros((5, 20, 20), np.float32), "minisblack", planarconfig="separate"),
            "5 bands of 32-bit floating-point.*planes",
        ),
        (written(np.zeros((20, 20, 3), np.uint16), "minisblack", planarconfig="contig"), "3 bands of 16-bit whole numbers .grey"),
        (written(np.zeros((20, 20), np.complex64), "minisblack"), "1 band of 64-bit numbers"),
        (written(np.zeros((20, 20), np.uint16), "cfa"), "raw sensor data"),
    ],
)
def test_what_is_no_photo_is_refused_by_name(body: bytes, named: str) -> None:
    with pytest.raises(UndecodableImage, match=named + ".*save it as RGB of 8 bits"):
        pixels.decode(body)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["8", "16"])
def test_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encoded(Image.fromarray(KINDS["8"]), "PNG", exif=exif)
    body = written(KINDS[kind], extratags=[(274, 3, 1, orientation, True)])
    assert difference(body, pixels.decode(turned).astype(int)) < 1.5


def test_directories_in_a_loop_and_values_that_overlap_end() -> None:
    good = bytearray(written(KINDS["8"]))
    first = int.from_bytes(good[4:8], "little")
    entries = int.from_bytes(good[first : first + 2], "little")
    looped = good.copy()
    looped[first + 2 + 12 * entries :][:4] = first.to_bytes(4, "little")
    assert difference(bytes(looped), RGB) < 1
    swollen = good.copy()
    for entry in range(entries):  # every entry claims all of the file
        at = first + 2 + 12 * entry
        swollen[at + 2 : at + 12] = (1).to_bytes(2, "little") + len(good).to_bytes(4, "little") + bytes(4)
    with pytest.raises(UndecodableImage, match="damaged"):
        pixels.decode(bytes(swollen))
    for cut in (8, 9, first + 3):
        with pytest.raises(UndecodableImage):
            pixels.decode(bytes(good[:cut]))


def test_samples_of_many_bytes_count_for_more_pixels() -> None:
    body = written(np.zeros((100, 100, 3)), compression="zlib")
    with pytest.raises(UndecodableImage, match="too much to decode; scale it down"):
        pixels.decode(body, 32, 10_000)
    assert pixels.decode(body, 32, 60_000).max() == 0

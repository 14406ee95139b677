"""Every kind of TIFF that Pillow reads wrongly or not at all, as tifffile writes it."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmarks import hostile_images
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


def raw(content: bytes, bands: int, bits: int, photometric: int, *more: tuple[int, int, tuple[int, ...]], order: str = "<") -> bytes:
    """A TIFF of one strip, written by hand. `more`: (tag, type, values); fractions are given as their parts."""
    fields = {256: (4, (WIDTH,)), 257: (4, (HEIGHT,)), 258: (3, (bits,) * bands), 259: (3, (1,)), 262: (3, (photometric,))}
    fields |= {273: (4, (8,)), 277: (3, (bands,)), 278: (4, (HEIGHT,)), 279: (4, (len(content),))} | {tag: (k, v) for tag, k, v in more}
    content += bytes(len(content) % 2)
    index, behind, at = struct.pack(order + "H", len(fields)), b"", 8 + len(content) + 2 + 12 * len(fields) + 4
    for tag, (kind, values) in sorted(fields.items()):
        data = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        place = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", at + len(behind))
        index += struct.pack(order + "HHI", tag, kind, len(values) // (2 if kind == 5 else 1)) + place
        behind += data if len(data) > 4 else b""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(content)) + content + index + bytes(4) + behind


U8 = COLOURS.astype(np.uint8)
OPACITY = np.clip(40 + x + y, 0, 255).astype(np.uint8)
GREY_ON_WHITE = pixels.decode(encoded(Image.fromarray((GREYS * (OPACITY / 255) + 255 - OPACITY + 0.5).astype(np.uint8)), "PNG"))
YCBCR = np.asarray(Image.fromarray(U8).convert("YCbCr"))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("unit", [1, 257])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_colour_maps_of_16_and_of_8_bits(bits: int, unit: int, order: str) -> None:
    """Some programs write their palette as 0–255 instead of 0–65535: Pillow shows it black."""
    colours = np.random.default_rng(bits).integers(0, 256, (3, 2**bits))
    few = (GREYS / 255.01 * 2**bits).astype(np.uint8)
    each_bit = np.unpackbits(few.reshape(HEIGHT, WIDTH, 1), axis=2)[..., 8 - bits :]
    rows = np.packbits(each_bit.reshape(HEIGHT, -1), axis=1).tobytes()
    body = raw(rows, 1, bits, 3, (320, 3, tuple((colours * unit).ravel().tolist())), order=order)
    expected = pixels.decode(encoded(Image.fromarray(colours.T[few].astype(np.uint8)), "PNG")).astype(int)
    assert difference(body, expected) < 1


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize(("kind", "unit"), [("<u1", 1), ("<u2", 257), (">u2", 257)])
@pytest.mark.parametrize("extra", [0, 1, 2, None])
def test_grey_with_another_band(extra: int | None, kind: str, unit: int, photometric: int) -> None:
    grey = GREYS.astype(np.uint8)
    grey = grey if photometric else 255 - grey
    if extra == 1:
        if not photometric:
            return  # white at 0, multiplied by alpha: nobody says what that is
        grey = (grey * (OPACITY / 255) + 0.5).astype(np.uint8)
    more = [] if extra is None else [(338, 3, (extra,))]
    content = (np.dstack([grey, OPACITY]).astype(int) * unit).astype(kind).tobytes()
    body = raw(content, 2, 8 * int(kind[2]), photometric, *more, order=kind[0] if kind[0] == ">" else "<")
    assert difference(body, GREY_ON_WHITE.astype(int) if extra else GREY) < 1.5


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (raw(bytes(WIDTH * HEIGHT * 5), 5, 8, 5, (338, 3, (2,))), "CMYK with transparency"),
        (raw(bytes(WIDTH * HEIGHT * 10), 5, 16, 5, (338, 3, (2,))), "CMYK with transparency"),
        (raw(bytes(WIDTH * HEIGHT * 4), 4, 8, 5, (332, 3, (2,))), "CMYK with other inks"),
        (raw(bytes(WIDTH * HEIGHT * 8), 4, 16, 5, (332, 3, (2,))), "CMYK with other inks"),
        (raw(YCBCR.tobytes(), 3, 8, 6, (530, 3, (1, 1)), (529, 5, (2126, 10000, 7152, 10000, 722, 10000))), "YCbCr of an unusual kind"),
        (
            raw(YCBCR.tobytes(), 3, 8, 6, (530, 3, (1, 1)), (532, 5, (15, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1))),
            "YCbCr of an unusual kind",
        ),
        (raw(YCBCR.tobytes(), 3, 8, 6), "YCbCr of an unusual kind"),
        (raw(bytes(99), 3, 8, 2, (259, 3, (50001,))), "compression WebP"),
        (raw(bytes(99), 3, 8, 2, (259, 3, (34712,))), "compression JPEG 2000"),
        (raw(bytes(99), 3, 8, 2, (258, 3, (5, 6, 5))), "3 bands of 5/6/5-bit whole numbers"),
        (raw(U8.tobytes(), 3, 8, 2, (254, 4, (1,))), "begins with a small preview"),
    ],
)
def test_what_pillow_takes_for_something_else_is_refused(body: bytes, named: str) -> None:
    with pytest.raises(UndecodableImage, match=named + ".*save"):
        pixels.decode(body)


def test_what_says_the_usual_is_read() -> None:
    ratios = [(529, 5, (299, 1000, 587, 1000, 114, 1000)), (532, 5, (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1))]
    assert difference(raw(YCBCR.tobytes(), 3, 8, 6, (530, 3, (1, 1)), *ratios), RGB) < 1.5
    assert difference(raw(U8.tobytes(), 3, 8, 2, (339, 3, (4, 4, 4))), RGB) < 0.1  # a kind of numbers that is not said
    assert difference(raw(U8.tobytes(), 3, 8, 2, (254, 4, (2,))), RGB) < 0.1  # a page of several


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("more", "whole"),
    [
        (((278, 4, (HEIGHT + 50,)),), True),
        (((278, 4, (2**32 - 1,)),), True),
        (((278, 4, (HEIGHT // 2,)),), False),  # one strip of two
        (((322, 3, (WIDTH,)), (323, 3, (HEIGHT,)), (324, 4, (8,)), (325, 4, (99,))), True),
        (((322, 3, (WIDTH // 2,)), (323, 3, (HEIGHT,)), (324, 4, (8,)), (325, 4, (99,))), False),  # one tile of two
    ],
)
def test_parts_that_the_directory_lacks_are_not_black(more: tuple[Any, ...], whole: bool, bits: int) -> None:
    content = U8.tobytes() if bits == 8 else U16.astype("<u2").tobytes()
    counts = tuple((tag, kind, (len(content),) if tag == 325 else values) for tag, kind, values in more)
    body = raw(content, 3, bits, 2, *counts)
    if whole:
        assert difference(body, RGB) < 1
    else:
        with pytest.raises(UndecodableImage, match="lacks a part of its pixels"):
            pixels.decode(body)


@pytest.mark.parametrize("share", [1.0, 0.99, 0.6])
def test_a_jpeg_in_a_tiff_cut_off_is_refused(share: float) -> None:
    stored = encoded(Image.fromarray(U8), "JPEG", quality=95)
    body = raw(stored[: int(len(stored) * share)], 3, 8, 6, (259, 3, (7,)), (530, 3, (2, 2)))
    if share == 1:
        assert difference(body, RGB) < 3
    else:
        with pytest.raises(UndecodableImage, match="cut off"):
            pixels.decode(body)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["8", "16"])
def test_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encoded(Image.fromarray(KINDS["8"]), "PNG", exif=exif)
    body = written(KINDS[kind], extratags=[(274, 3, 1, orientation, True)])
    assert difference(body, pixels.decode(turned).astype(int)) < 1.5


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="libtiff is found by /proc")
def test_what_libtiff_finds_wrong_is_raised_and_not_written(capfd: pytest.CaptureFixture[str]) -> None:
    for bits in (8, 16):
        with pytest.raises(UndecodableImage, match="compressed pixels are damaged or cut off; save the photo anew"):
            pixels.decode(raw(b"no deflate" * 50, 3, bits, 2, (259, 3, (8,))))
    assert capfd.readouterr().err == ""


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


@pytest.mark.parametrize(
    ("body", "what"),
    [
        pytest.param(hostile_images.tiff_of_strips(70_000), "70000 strips", id="strips"),
        pytest.param(hostile_images.tiff_of_strips(300_000), "values in its tag 273", id="numbers"),
    ],
)
def test_what_takes_a_decoder_seconds_is_refused(body: bytes, what: str) -> None:
    with pytest.raises(pixels.UndecodableImage, match=what):
        pixels.decode(body)


def test_a_strip_for_each_row_is_read() -> None:
    assert pixels.decode(hostile_images.tiff_of_strips(9000)).shape == (3, 150, 150)

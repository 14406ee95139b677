"""Decoding: every format and mode that is read, every way of being broken, and the bound that makes training and service agree."""

import contextlib
import io
import random
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import IFDRational

from models_store import pixels
from models_store.pixels import UndecodableImage, UnsupportedFormat
from tests.drawn import encoded


def plant(width: int = 400, height: int = 400) -> Image.Image:
    """A smooth colourful picture that is another one when it is turned or mirrored."""
    y, x = np.mgrid[0:height, 0:width]
    red, green, blue = 255 * x / width, 255 * y / height, 127 + 120 * np.sin(x / 40) * np.cos(y / 60)
    return Image.fromarray(np.stack([red, green, blue], -1).astype(np.uint8))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


PLAIN = pixels.decode(encoded(plant(), "PNG"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF"])
def test_reads_its_formats(kind: str) -> None:
    options = {} if kind in ("PNG", "TIFF", "BMP") else {"quality": 95}
    found = pixels.decode(encoded(plant(), kind, **options))
    assert found.shape == (3, pixels.SIZE, pixels.SIZE)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert difference(found, PLAIN) < 3


def test_the_first_frame_counts() -> None:
    frames = [plant(), Image.new("RGB", (400, 400))]
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        found = pixels.decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
        assert difference(found, PLAIN) < 12  # a GIF has 256 colours


GREY = pixels.decode(encoded(plant().convert("L"), "PNG"))


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (plant().convert("L"), "JPEG", GREY),
        (plant().convert("CMYK"), "JPEG", PLAIN),
        (plant().convert("YCbCr"), "JPEG", PLAIN),
        (plant().convert("LA"), "PNG", GREY),
        (plant().convert("RGBA"), "PNG", PLAIN),
        (plant().convert("P", palette=Image.Palette.ADAPTIVE), "PNG", PLAIN),
        (Image.fromarray(np.asarray(plant().convert("L")).astype(np.uint16) * 257), "PNG", GREY),
        (Image.fromarray(np.asarray(plant().convert("L")).astype(np.uint16) * 257), "TIFF", GREY),
        (Image.fromarray(np.asarray(plant().convert("L")).astype(np.int32)), "TIFF", GREY),
        (Image.fromarray(np.asarray(plant().convert("L")).astype(np.float32) / 255), "TIFF", GREY),
        (plant().convert("CMYK"), "TIFF", PLAIN),
    ],
    ids=["grey", "cmyk", "ycbcr", "grey+alpha", "alpha", "palette", "png16", "tiff16", "int32", "float", "cmyk-tiff"],
)
def test_reads_every_mode(image: Image.Image, kind: str, expected: np.ndarray) -> None:
    assert difference(pixels.decode(encoded(image, kind)), expected) < 6


def test_one_bit_images() -> None:
    found = pixels.decode(encoded(Image.new("1", (20, 20), 1), "PNG"))
    assert found.min() == 255


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (50, 50), (10, 200, 10, 0))
    assert pixels.decode(encoded(clear, "PNG")).min() == 255
    palette = Image.new("P", (50, 50), 0)
    assert pixels.decode(encoded(palette, "PNG", transparency=0)).min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_obeys_exif_orientation(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = encoded(plant(600, 400), "JPEG", exif=exif, quality=95)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    assert difference(pixels.decode(body), pixels.decode(encoded(upright, "PNG"))) < 2


@pytest.mark.parametrize(("width", "height"), [(600, 400), (400, 600), (1001, 8), (151, 150)])
def test_takes_the_central_square(width: int, height: int) -> None:
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    image = plant(width, height)
    cut = image.crop((left, top, left + side, top + side))
    assert difference(pixels.decode(encoded(image, "PNG")), pixels.decode(encoded(cut, "PNG"))) < 2


def test_an_image_of_the_very_size_is_untouched() -> None:
    image = plant(150, 150)
    assert (pixels.decode(encoded(image, "PNG")) == np.asarray(image).transpose(2, 0, 1)).all()


def test_a_jpeg_decoded_at_scale_is_the_same_within_a_bound() -> None:
    """The service reads JPEGs small, training reads PNGs whole: they must see the same plant."""
    image = plant(4000, 3000)
    body = encoded(image, "JPEG", quality=90)
    whole = Image.open(io.BytesIO(body)).convert("RGB")
    assert difference(pixels.decode(body), pixels.decode(encoded(whole, "BMP"))) < 0.5


def test_more_pixels_than_allowed_are_refused_before_they_are_allocated() -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")  # 400 megapixels in 50 KB
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for limit in (pixels.MAX_PIXELS, 100_000_000):
            with pytest.raises(UndecodableImage, match="pixels"):
                pixels.decode(bomb, max_pixels=limit)
    with pytest.raises(UndecodableImage, match="400×400"):
        pixels.decode(encoded(plant(), "PNG"), max_pixels=399 * 400)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_wide_channels_are_narrowed_once_they_are_few(kind: str) -> None:
    body = encoded(Image.fromarray(np.zeros((2000, 2000), np.uint16)), kind)
    tracemalloc.start()
    pixels.decode(body)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 2000 * 2000 * 7  # of Python and numpy; Pillow's own are not counted


@pytest.mark.parametrize("side", [(7, 100), (100, 7), (1, 1)])
def test_too_small_is_refused(side: tuple[int, int]) -> None:
    with pytest.raises(UndecodableImage, match="at least 8"):
        pixels.decode(encoded(Image.new("RGB", side), "PNG"))


@pytest.mark.parametrize("body", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", b"\x00" * 1000])
def test_no_image_is_refused(body: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        pixels.decode(body)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"%PDF-1.4", "PDF"),
        (b"8BPS", "Photoshop document"),
        (b"\0\0\0\x18ftypcrx ", "film or raw file of a camera"),
        (b"\0\0\0\x18ftypisom", "film or raw file of a camera"),
    ],
)
def test_other_formats_are_named(start: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormat, match=f"a {name} is not read here; save it as one of JPEG, PNG"):
        pixels.decode(start + bytes(100))


def test_a_whole_image_is_what_the_square_is_cut_from() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = plant(60, 40)
    for body in (encoded(image, "PNG", exif=exif), encoded(image, "TIFF", exif=exif)):
        with pixels.opened(body) as picture:
            assert (picture.whole() == np.rot90(np.asarray(image).transpose(2, 0, 1), -1, (1, 2))).all()


def test_formats_outside_the_list_are_refused() -> None:
    for kind in ("PPM", "ICO", "TGA", "PCX"):
        with pytest.raises(UnsupportedFormat):
            pixels.decode(encoded(plant(64, 64), kind))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
def test_mutated_images_give_pixels_or_an_error_of_ours(kind: str) -> None:
    generator = random.Random(0)
    good = encoded(plant(64, 48), kind)
    for _ in range(150):
        bad = bytearray(good)
        for _ in range(generator.choice([1, 3, 20])):
            bad[generator.randrange(min(len(bad), generator.choice([64, len(bad)])))] = generator.randrange(256)
        if generator.random() < 0.3:
            del bad[generator.randrange(len(bad)) :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(pixels.PixelsError):
                assert pixels.decode(bytes(bad), 32, 10**6).shape == (3, 32, 32)


def test_threads_decode_the_same(tmp_path: Path) -> None:
    bodies = [encoded(plant(), kind) for kind in ("HEIF", "PNG", "JPEG", "AVIF")] * 4
    with ThreadPoolExecutor(4) as pool:
        for body, found in zip(bodies, pool.map(pixels.decode, bodies), strict=True):
            assert (found == pixels.decode(body)).all()
    file = tmp_path / "photo.png"
    file.write_bytes(bodies[1])
    assert (pixels.decode(file) == pixels.decode(bodies[1])).all()


def test_real_images_come_as_they_are_stored(real_images: Path) -> None:
    """They are plain RGB of the very size: no colour, scale or limit may touch them, or every network would see others than it learnt."""
    found = sorted(real_images.glob("*/*"))[::50]
    assert found
    for file in found:
        with Image.open(file) as image:
            assert (pixels.decode(file) == np.asarray(image).transpose(2, 0, 1)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_crop_is_of_the_upright_image(kind: str, orientation: int) -> None:
    """It is what cutting the upright image by hand gives, whatever the orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = encoded(plant(600, 400), kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(body))).convert("RGB")
    x, y, side = 30, 170, 200
    with pixels.opened(body) as picture:
        square = picture.square(64, pixels.Crop(x, y, side, side))
    assert square.crop == (x, y, side, side)
    by_hand = upright.crop((x, y, x + side, y + side))
    assert difference(square.pixels, pixels.decode(encoded(by_hand, "PNG"), 64)) < 1


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "I;16", "1", "P"])
def test_a_crop_of_any_kind_of_pixels(mode: str) -> None:
    image = plant(300, 200)
    image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    with pixels.opened(encoded(image, kind)) as picture:
        square = picture.square(32, pixels.Crop(180, 20, 100, 100))
    by_hand = pixels.decode(encoded(image.crop((180, 20, 280, 120)), kind), 32)
    assert difference(square.pixels, by_hand) < 1


@pytest.mark.slow
def test_a_crop_of_a_large_jpeg_is_as_sharp_as_a_photo_of_that_part() -> None:
    """Decoded at a scale for the whole, a small part would be a blur."""
    image = plant(4000, 3000)
    body = encoded(image, "JPEG", quality=95)
    whole = Image.open(io.BytesIO(body)).convert("RGB")
    for x, y, side in ((3301, 77, 300), (1000, 1203, 700), (0, 0, 3000), (1000, 0, 3000)):
        crop = pixels.Crop(x, y, side, side)
        with pixels.opened(body) as picture:
            held = picture.to_decode(150, crop)
            square = picture.square(150, crop)
        assert held == (4000 * 3000 if side == 300 else 4000 * 3000 / 4 if side == 700 else 500 * 375)
        assert difference(square.pixels, pixels.decode(encoded(whole.crop((x, y, x + side, y + side)), "PNG"))) < 0.6


@pytest.mark.parametrize(("width", "height"), [(600, 400), (401, 600), (4033, 3025)])
def test_the_crop_of_an_answer_gives_the_same_pixels_again(width: int, height: int) -> None:
    body = encoded(plant(width, height), "JPEG")
    with pixels.opened(body) as picture:
        first = picture.square(150)
    side = min(width, height)
    assert first.crop == ((width - side) / 2, (height - side) / 2, side, side)
    with pixels.opened(body) as picture:
        again = picture.square(150, first.crop)
    assert again.crop == first.crop
    assert (again.pixels == first.pixels).all()


@pytest.mark.parametrize(
    ("crop", "central"),
    [
        (None, True),
        ((0, 0, 301, 200), True),
        ((50.5, 0, 200, 200), True),
        ((50, 0, 200, 200), True),  # half pixels, rounded
        ((51, 0, 199, 199), True),
        ((52, 0, 199, 199), False),
        ((50.5, 1, 198, 198), False),
        ((0, 0, 200, 200), False),
        ((100, 50, 100, 100), False),
    ],
)
def test_the_central_square_is_known_by_whatever_name(crop: tuple[float, ...] | None, central: bool) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    for body in (encoded(plant(301, 200), "PNG"), encoded(plant(200, 301), "JPEG", exif=turned)):
        with pixels.opened(body) as picture:
            square = picture.square(32, crop and pixels.Crop(*crop))
        assert square.central is central
        with pixels.opened(body) as picture:
            whole = picture.square(32)
        assert (square.crop == whole.crop) is central
        assert np.array_equal(square.pixels, whole.pixels) is central


def test_of_a_crop_that_is_not_square_the_centre_is_taken() -> None:
    with pixels.opened(encoded(plant(600, 400), "PNG")) as picture:
        assert picture.square(32, pixels.Crop(10, 20, 301, 100)).crop == (110.5, 20, 100, 100)


@pytest.mark.parametrize(
    "crop", [(501, 0, 100, 100), (0, 301, 100, 100), (-1, 0, 50, 50), (0, -0.5, 50, 50), (0, 0, 7, 100), (0, 0, 601, 400)]
)
def test_a_crop_that_is_not_in_the_image_is_refused(crop: tuple[float, float, float, float]) -> None:
    with pixels.opened(encoded(plant(600, 400), "PNG")) as picture, pytest.raises(pixels.CropOutside, match="crop"):
        picture.square(32, pixels.Crop(*crop))


def test_a_limit_above_pillows_own_holds() -> None:
    for kind, options in (("PNG", {}), ("TIFF", {"compression": "group4"})):
        body = encoded(Image.new("1", (20_000, 10_000), 1), kind, **options)
        assert pixels.decode(body, 32, 200_000_000).min() == 255
        with pytest.raises(UndecodableImage, match="20000×10000 pixels, more than the 199999999"):
            pixels.decode(body, 32, 199_999_999)


def test_a_large_jpeg_holds_few_pixels() -> None:
    with pixels.opened(encoded(plant(4000, 3000), "JPEG")) as picture:
        assert (picture.width, picture.height) == (4000, 3000)
        assert picture.to_decode(150) == 500 * 375
    with pixels.opened(encoded(plant(), "PNG")) as picture:
        assert picture.to_decode(150) == 400 * 400


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "HEIF"])
def test_all_of_a_photo_fits(kind: str) -> None:
    with pixels.opened(encoded(plant(900, 600), kind)) as picture:
        fitted = picture.fitted(300)
    assert fitted[1:] == (900, 600, None)
    assert fitted.pixels.shape == (3, 200, 300)
    assert difference(fitted.pixels, pixels.resized(np.asarray(plant(900, 600)).transpose(2, 0, 1), (300, 200))) < 3
    with pixels.opened(encoded(plant(90, 60), kind)) as picture:
        assert picture.fitted(300).pixels.shape == (3, 60, 90)  # never enlarged


def test_a_large_jpeg_is_decoded_at_a_scale_that_fits() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with pixels.opened(encoded(plant(4000, 3000), "JPEG", exif=exif)) as picture:
        assert picture.fitted_pixels(2000) == 2000 * 1500
        fitted = picture.fitted(2000)
    assert fitted[1:] == (3000, 4000, None)
    assert fitted.pixels.shape == (3, 2000, 1500)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_turned_by_exif_fits_in_the_same_way(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = plant(307, 211)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(stored, "PNG", exif=exif))))
    with pixels.opened(encoded(stored, "PNG", exif=exif)) as one, pixels.opened(encoded(upright, "PNG")) as other:
        ours, theirs = one.fitted(200), other.fitted(200)
    assert (ours.pixels == theirs.pixels).all()
    assert ours[1:] == theirs[1:] == (*upright.size, None)


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        ({1: "N", 2: (47.0, 27.0, 0.0), 3: "E", 4: (8.0, 40.0, 48.0)}, (47.45, 8.68)),
        ({1: "S", 2: (33.0, 51.0, 36.0), 3: "W", 4: (151.0, 12.0, 0.0)}, (-33.86, -151.2)),
        ({1: "N", 2: (97.0, 0.0, 0.0), 3: "E", 4: (8.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (47.0, 0.0, 0.0)}, None),
        ({1: "X", 2: (47.0, 0.0, 0.0), 3: "E", 4: (8.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (47.0, 27.0, IFDRational(0, 0)), 3: "E", 4: (8.0, IFDRational(4080, 100))}, (47.45, 8.68)),
        ({1: "N", 2: (IFDRational(4745, 100), IFDRational(0, 0), IFDRational(0, 0)), 3: "E", 4: (8.68,)}, (47.45, 8.68)),
        ({1: "N", 2: (47.0, IFDRational(27, 0), 0.0), 3: "E", 4: (8.0, 40.0, 48.0)}, None),
        ({1: "N", 2: (IFDRational(0, 0), 27.0, 0.0), 3: "E", 4: (8.0, 40.0, 48.0)}, None),
        ({1: " s", 2: (33.0, 51.0, 36.0), 3: "west", 4: (151.0, 12.0, 0.0)}, (-33.86, -151.2)),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)}, None),
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (9.5, 0.0, 0.0)}, (0.0, 9.5)),
        ({1: "N", 2: (47.0, 27.0, 0.0), 3: "E", 4: (8.0, 40.0, 48.0), 9: "A"}, (47.45, 8.68)),
        ({1: "N", 2: (47.0, 27.0, 0.0), 3: "E", 4: (8.0, 40.0, 48.0), 9: "V"}, None),
        ({1: "N", 2: (47.0, 99.0, 0.0), 3: "E", 4: (8.0, 40.0, 48.0)}, None),
        ({1: "N", 2: (47.0, 26.0, 60.0), 3: "E", 4: (8.0, 40.0, 48.0)}, (47.45, 8.68)),  # rounded from 59.999
        ({1: "N", 2: (47.0, 27.0, 61.0), 3: "E", 4: (8.0, 40.0, 48.0)}, None),
        ({}, None),
    ],
)
def test_where_a_photo_was_taken(gps: dict[int, object], expected: tuple[float, float] | None) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update(gps)
    exif[0x8825] = exif.get_ifd(0x8825)
    with pixels.opened(encoded(plant(), "JPEG", exif=exif)) as picture:
        position = picture.fitted(200).position
    assert position == (None if expected is None else pytest.approx(expected))

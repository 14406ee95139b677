"""Photos as they are kept: the same pixels, and nothing of where and with what they were taken."""

import datetime
import io
import struct

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin, PngImagePlugin

from corrections.metadata import as_sent, stripped
from models_store import colour, pixels

SECRET = b"SN-4711-SECRET"
RNG = np.random.default_rng(0)
NOISE = np.kron(RNG.integers(0, 255, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))  # 48 × 64


def exif(orientation: int = 6, **values: object) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = SECRET.decode()  # the maker
    block.get_ifd(0x8769).update({0x9003: "2024:05:17 11:30:00", 0xA431: SECRET.decode(), 0x927C: b"maker's note " + SECRET})
    block.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 7.0), 3: "E", 4: (13.0, 24.0, 30.0), 29: "2024:05:17"})
    return block


def file(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(NOISE).save(stream, kind, **options)
    return stream.getvalue()


def png_with_texts() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", SECRET.decode())
    texts.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    texts.add(b"prVt", SECRET, True)  # a chunk of nobody's
    return file("PNG", exif=exif(), pnginfo=texts) + SECRET


def jpeg_with_all() -> bytes:
    body = file("JPEG", exif=exif(), quality=90, comment=SECRET, xmp=SECRET)
    app13 = b"\xff\xed" + struct.pack(">H", 2 + 14 + len(SECRET)) + b"Photoshop 3.0\0" + SECRET
    preview = b"\xff\xe2" + struct.pack(">H", 2 + 4 + len(SECRET)) + b"MPF\0" + SECRET
    return body[:2] + app13 + preview + body[2:] + SECRET + file("JPEG", exif=exif())  # a second picture behind the first


PHOTOS = {
    "JPEG": jpeg_with_all(),
    "progressive JPEG": file("JPEG", exif=exif(8), progressive=True, comment=SECRET),
    "PNG": png_with_texts(),
    "WebP": file("WEBP", exif=exif(3), xmp=SECRET, quality=90),
    "WebP without loss": file("WEBP", exif=exif(), lossless=True),
    "TIFF": file("TIFF", exif=exif(), description=SECRET.decode()),
    "GIF": file("GIF", comment=SECRET),
    "BMP": file("BMP") + SECRET,
    "AVIF": file("AVIF", exif=exif(), quality=95),
}


@pytest.mark.parametrize("kind", PHOTOS)
def test_nothing_is_left_but_what_is_seen(kind: str) -> None:
    body = PHOTOS[kind]
    photo = stripped(body)
    assert SECRET in body or kind == "AVIF"  # which compresses nothing either, but lies in boxes
    assert SECRET not in photo.content
    with Image.open(io.BytesIO(photo.content)) as image:
        left = image.getexif()
        assert set(left) <= {0x0112, 0x8769}
        assert dict(left.get_ifd(0x8825)) == {}
        assert not {"comment", "xmp", "photoshop", "Comment"} & set(image.info)
        assert photo.suffix == f".{(image.format or '').lower().replace('jpeg', 'jpg')}"
    before, after = (pixels.decode(one, 48).astype(int) for one in (body, photo.content))
    assert np.abs(before - after).mean() < (3 if kind == "AVIF" else 0.01)  # turned the same way, too
    if kind not in ("GIF", "BMP"):
        assert photo.taken == (datetime.date(2024, 5, 17) if kind != "TIFF" else photo.taken)
    assert stripped(photo.content).content == photo.content


def test_colours_that_are_not_srgb_stay_what_they_are() -> None:
    block = exif(1)
    block.get_ifd(0x8769)[0xA001] = 2  # Adobe RGB, by EXIF alone
    by_profile = file("JPEG", icc_profile=colour.adobe_rgb(), exif=exif())
    for body in (file("JPEG", exif=block), by_profile, file("PNG", icc_profile=colour.adobe_rgb())):
        kept = stripped(body).content
        assert (pixels.decode(kept, 48) == pixels.decode(body, 48)).all()
        assert SECRET not in kept


def test_the_pixels_of_a_jpeg_are_those_that_were_sent() -> None:
    body, kept = PHOTOS["JPEG"], stripped(PHOTOS["JPEG"]).content
    with JpegImagePlugin.JpegImageFile(io.BytesIO(body)) as one, JpegImagePlugin.JpegImageFile(io.BytesIO(kept)) as other:
        assert (np.asarray(one) == np.asarray(other)).all()


def test_a_jpeg_without_its_end_is_whole_afterwards() -> None:
    kept = stripped(file("JPEG", quality=90)[:-2]).content
    assert kept.endswith(b"\xff\xd9")
    pixels.decode(kept, 48)


def test_where_it_is_asked_for_all_stays() -> None:
    photo = as_sent(PHOTOS["JPEG"])
    assert photo.content == PHOTOS["JPEG"]
    assert (photo.suffix, photo.taken) == (".jpg", datetime.date(2024, 5, 17))


@pytest.mark.parametrize("written", ["0000:00:00 00:00:00", "1970:01:01 00:00:00", "2024-05-17", "nonsense", "2024:13:40 00:00:00"])
def test_a_day_that_cannot_be_is_none(written: str) -> None:
    block = Image.Exif()
    block[0x0132] = written
    assert stripped(file("JPEG", exif=block)).taken is None


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(pixels.UnsupportedFormat):
        stripped(b"nonsense")
    with pytest.raises(pixels.UndecodableImage):
        stripped(file("JPEG")[:200])

"""WebP animations put together by hand, and sizes that a header claims."""

import struct

import numpy as np
import pytest
from PIL import Image

from models_store import colour, pixels
from models_store.pixels import UndecodableImage
from tests.drawn import encoded, plant

SIDE = 40
PICTURE = plant(1, 1, SIDE)
COLOURS = np.asarray(PICTURE).transpose(2, 0, 1)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def u24(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(3, "little") for number in numbers)


def riff(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def frame(image: Image.Image, left: int = 0, top: int = 0) -> bytes:
    still = encoded(image, "WEBP", lossless=True, exact=True)
    at = still.index(b"VP8L")
    return chunk(b"ANMF", u24(left // 2, top // 2, image.width - 1, image.height - 1, 100) + b"\2" + still[at:])


def animation(*frames: bytes, canvas: tuple[int, int] = (SIDE, SIDE), flags: int = 2, behind: bytes = b"") -> bytes:
    head = chunk(b"VP8X", bytes([flags, 0, 0, 0]) + u24(canvas[0] - 1, canvas[1] - 1))
    return riff(head, chunk(b"ANIM", b"\0\xff\0\xff\0\0"), *frames, behind)


def test_the_first_frame_alone_is_decoded() -> None:
    body = animation(frame(PICTURE), *[chunk(b"ANMF", b"no frame")] * 50)
    assert (pixels.decode(body, SIDE) == COLOURS).all()
    whole = encoded(PICTURE, "WEBP", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE), "red")], lossless=True)
    assert (pixels.decode(whole, SIDE) == COLOURS).all()


def test_what_it_leaves_free_is_white() -> None:
    """Not black, as Pillow has it for frames without transparency."""
    expected = np.full_like(COLOURS, 255)
    expected[:, 6:26, 10:40] = COLOURS[:, :20, :30]
    body = animation(frame(PICTURE.crop((0, 0, 30, 20)), 10, 6), frame(PICTURE))
    assert (pixels.decode(body, SIDE) == expected).all()


def test_transparency_and_orientation_of_an_animation() -> None:
    clear = PICTURE.convert("RGBA")
    clear.putalpha(Image.fromarray(np.where(np.arange(SIDE) < 20, 255, 0).astype(np.uint8)[None].repeat(SIDE, 0)))
    exif = Image.Exif()
    exif[0x0112] = 6
    expected = COLOURS.copy()
    expected[:, :, 20:] = 255
    body = animation(frame(clear), flags=2 | 0x10 | 8, behind=chunk(b"EXIF", exif.tobytes()[6:]))
    assert (pixels.decode(body, SIDE) == np.rot90(expected, -1, (1, 2))).all()


def test_a_profile_of_an_animation() -> None:
    linear = colour.of_gamma(1.0) or b""
    body = encoded(PICTURE, "WEBP", lossless=True, save_all=True, append_images=[PICTURE.rotate(90)], icc_profile=linear)
    light = COLOURS / 255
    expected = 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(pixels.decode(body, SIDE) - expected).max() <= 2


def test_sizes_are_looked_at_before_memory_is_taken() -> None:
    for body in (animation(frame(PICTURE), canvas=(16_000, 16_000)), riff(chunk(b"VP8X", bytes(4) + u24(15_999, 15_999)))):
        with pytest.raises(UndecodableImage, match="16000×16000 pixels, more than the 64000000"):
            pixels.decode(body)


def claiming(width: int, height: int) -> bytes:
    """A still whose header says another size than its pixels have."""
    body = bytearray(encoded(PICTURE, "WEBP", lossless=True))
    (sides,) = struct.unpack_from("<I", body, 21)  # 14 bits each
    struct.pack_into("<I", body, 21, sides & ~(2**28 - 1) | width - 1 | height - 1 << 14)
    return bytes(body)


def test_it_has_a_limit_of_its_own() -> None:
    """However many pixels are allowed: it cannot be decoded at a smaller scale, as a JPEG is."""
    with pixels.opened(claiming(6250, 4000), 200_000_000) as picture:
        assert (picture.width, picture.height) == (6250, 4000)
    for body in (claiming(6251, 4000), animation(frame(PICTURE), canvas=(6251, 4000))):
        with pytest.raises(UndecodableImage, match="6251×4000 pixels, more than the 25000000 allowed in this format"):
            pixels.decode(body, 32, 200_000_000)
    with pytest.raises(UndecodableImage, match="more than the 24999999 allowed; scale it down"):
        pixels.decode(claiming(6250, 4000), 32, 24_999_999)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (animation(), "without a frame"),
        (animation(frame(PICTURE, 10, 6)), "outside of its picture"),
        (animation(frame(PICTURE))[:-200], "cannot be decoded"),
        (riff(chunk(b"VP8 ", b"")), "no header"),
        (riff(), "no header"),
    ],
)
def test_what_is_no_picture_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(UndecodableImage, match=said):
        pixels.decode(body)

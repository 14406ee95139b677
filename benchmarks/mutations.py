"""Image files as they should not be: cut, flipped, mixed up, with headers that lie. The same `Random` gives the same bytes."""

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image

from benchmarks.images import encoded
from models_store import colour

_RGB: tuple[tuple[str, dict[str, object]], ...] = (
    ("JPEG", {}),
    ("JPEG", {"progressive": True, "quality": 60}),
    ("PNG", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("BMP", {}),
    ("AVIF", {"speed": 10}),
    ("HEIF", {"quality": 50}),
)
_OTHERS = (("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("I;16", "PNG"), ("RGBA", "PNG"), ("RGBA", "WEBP"), ("1", "TIFF"), ("F", "TIFF"))
_NUMBERS = (0, 1, 7, 8, 255, 7999, 8001, 32767, 65535, 2**31 - 1, 2**32 - 1)  # 7999² is just within the limit of pixels
_HEADER = 64  # bytes at the start that hold what a file says of itself


@dataclass(frozen=True)
class File:
    """A whole image file."""

    content: bytes
    size: tuple[int, int]  # width and height in pixels


def files(image: Image.Image) -> list[File]:
    """An image in every format that is read, and in several kinds of some."""
    rgb = image.convert("RGB")
    found = [File(encoded(rgb, kind, **options), image.size) for kind, options in _RGB]
    found += [
        File(encoded(rgb.convert("I").convert(mode) if mode == "I;16" else rgb.convert(mode), kind), image.size) for mode, kind in _OTHERS
    ]
    found.append(File(encoded(rgb, "GIF", save_all=True, append_images=[rgb.rotate(90), rgb.rotate(180)]), image.size))
    found.append(File(encoded(rgb, "JPEG", exif=_exif()), image.size))
    found.append(File(encoded(rgb, "PNG", icc_profile=colour.adobe_rgb()), image.size))
    found.append(File(encoded(rgb.convert("I").convert("I;16"), "TIFF", icc_profile=colour.of_gamma(1.0)), image.size))
    return found


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    return exif


def mutated(random: Random, choice: Sequence[File]) -> bytes:
    """One of the files, changed in one to three ways."""
    file = random.choice(choice)
    content = file.content
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        content = random.choice(_WAYS)(random, File(content, file.size), random.choice(choice).content)
    return content


def flip_bits(random: Random, file: File, _: bytes = b"") -> bytes:
    """Some bits turned over, near the start or anywhere."""
    changed = bytearray(file.content)
    reach = random.choice((_HEADER, 16 * _HEADER, len(changed)))
    for _flip in range(random.choice((1, 2, 8, 64)) if changed else 0):
        changed[random.randrange(min(reach, len(changed)))] ^= 1 << random.randrange(8)
    return bytes(changed)


def truncate(random: Random, file: File, _: bytes) -> bytes:
    """The beginning only."""
    return file.content[: random.choice((random.randrange(_HEADER), random.randrange(len(file.content) + 1)))]


def insert(random: Random, file: File, _: bytes) -> bytes:
    """Random bytes in between."""
    at, n = random.randrange(len(file.content) + 1), random.choice((1, 4, 100, 5000))
    return file.content[:at] + random.randbytes(n) + file.content[at:]


def delete(random: Random, file: File, _: bytes) -> bytes:
    """A piece left out."""
    start, end = _piece(random, file.content)
    return file.content[:start] + file.content[end:]


def duplicate(random: Random, file: File, _: bytes) -> bytes:
    """A piece that comes again."""
    start, end = _piece(random, file.content)
    return file.content[:end] + file.content[start:end] * random.choice((1, 2, 20)) + file.content[end:]


def swap_header(random: Random, file: File, other: bytes) -> bytes:
    """The beginning of one file, the rest of another."""
    n = random.choice((4, 12, 32, _HEADER, 10 * _HEADER))
    return other[:n] + file.content[n:]


def resize_header(random: Random, file: File, _: bytes) -> bytes:
    """Another width, height or both wherever the file states them, in the byte order of any format; sums are mended."""
    content = file.content
    head, rest = content[: 32 * _HEADER], content[32 * _HEADER :]
    for side in random.choice((file.size[:1], file.size[1:], file.size)):
        for length, order in ((4, "big"), (4, "little"), (2, "big"), (2, "little")):
            value = random.choice(_NUMBERS) % 256**length
            head = head.replace(_number(side, length, order), _number(value, length, order), 2)
    content = head + rest
    if content.startswith(b"\x89PNG") and len(content) > 33:  # else nobody reads further than the wrong sum
        content = content[:29] + zlib.crc32(content[12:29]).to_bytes(4, "big") + content[33:]
    return content


def lie_in_a_number(random: Random, file: File, _: bytes) -> bytes:
    """A length, an offset or a count that cannot be."""
    length = random.choice((2, 4))
    at = random.randrange(max(1, min(len(file.content) - length, random.choice((_HEADER, 16 * _HEADER)))))
    value = random.choice(_NUMBERS) % 256**length
    return file.content[:at] + _number(value, length, random.choice(("big", "little"))) + file.content[at + length :]


def concatenate(random: Random, file: File, other: bytes) -> bytes:
    """One file behind another."""
    return file.content + other * random.choice((1, 1, 5))


def noise(random: Random, file: File, _: bytes) -> bytes:
    """Random bytes, behind the true signature or not."""
    return file.content[: random.choice((0, 4, 12, 40))] + random.randbytes(random.choice((1, 50, 5000)))


def nothing(*_: object) -> bytes:
    """An empty file."""
    return b""


def unchanged(_: Random, file: File, __: bytes) -> bytes:
    """The file as it was: the good ones have to be answered among the bad."""
    return file.content


Way = Callable[[Random, File, bytes], bytes]
_RARE: tuple[Way, ...] = (nothing, noise, unchanged, concatenate)
_OFTEN: tuple[Way, ...] = (flip_bits, truncate, insert, delete, duplicate, swap_header, resize_header, lie_in_a_number)
_WAYS: tuple[Way, ...] = (*_RARE, *_OFTEN, *_OFTEN, *_OFTEN)


def _piece(random: Random, content: bytes) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.choice((1, 4, 200, len(content) // 3 + 1)))


def _number(value: int, length: int, order: str) -> bytes:
    return value.to_bytes(length, "big" if order == "big" else "little")


def opened(content: bytes) -> Image.Image:
    """An image from a file, at most 320 pixels a side, so that thousands of them are quick."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    image.thumbnail((320, 320))
    return image

"""A photo without its metadata: where it was taken, by whose camera, what was noted in it.

What pixels depend on is kept, by a list of what may stay; all else goes, known or not. JPEG, PNG and WebP keep their
compressed pixels as they are. Other formats are decoded and written anew, upright and in sRGB.
"""

import datetime
import hashlib
import io
import re
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models_store import pixels
from models_store.pixels import ImageMetadata

_LOOK = 64  # pixels a side at which a stripped photo is compared with what it was
_QUALITY = 95  # of a JPEG written anew
_PHOTOGRAPHS = ("AVIF", "HEIF")  # lossy already: a PNG of them would be many times as large
_SUFFIXES = {kind: f".{kind.lower().replace('jpeg', 'jpg')}" for kind in pixels.FORMATS}
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_SCAN, _END, _EXIF_SEGMENT = 0xDA, 0xD9, 0xE1
_OF_PIXELS = frozenset([*range(0xC0, 0xD0), _SCAN, *range(0xDB, 0xE0)]) - {0xC8}  # tables, frames, scans
_OF_COLOURS = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"sBIT")
_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"ALPH", b"ICCP")
_ANIMATED, _HAS_EXIF, _HAS_XMP = 0x02, 0x08, 0x04  # flags of VP8X


@dataclass(frozen=True)
class Photo:
    """A photo as a file to keep."""

    content: bytes
    suffix: str  # of its format, such as .jpg
    taken: datetime.date | None  # the day, as the camera says

    @property
    def sha256(self) -> str:
        """Of the content: the file's name."""
        return hashlib.sha256(self.content).hexdigest()


def as_sent(body: bytes, max_pixels: int = pixels.MAX_PIXELS) -> Photo:
    """`body` with all that it says. Raises pixels.UnsupportedFormat or pixels.UndecodableImage."""
    with pixels.opened(body, max_pixels) as picture:
        return Photo(body, _SUFFIXES[picture.kind], picture.about.taken)


def stripped(body: bytes, max_pixels: int = pixels.MAX_PIXELS) -> Photo:
    """`body`, an image file of a format read here, without positions, serial numbers, comments, previews.

    Raises pixels.UnsupportedFormat or pixels.UndecodableImage.
    """
    with pixels.opened(body, max_pixels) as picture:
        kind, about = picture.kind, picture.about
    strip = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}.get(kind)
    if strip is not None:
        try:
            content = strip(body, about)
            if np.array_equal(pixels.decode(content, _LOOK, max_pixels), pixels.decode(body, _LOOK, max_pixels)):
                return Photo(content, _SUFFIXES[kind], about.taken)
        except (ValueError, struct.error, IndexError, pixels.PixelsError):
            pass  # damaged in a way that decoders mend: written anew, it is whole
    return _anew(body, kind in (*_PHOTOGRAPHS, "JPEG", "WEBP"), about, max_pixels)


def _anew(body: bytes, photograph: bool, about: ImageMetadata, max_pixels: int) -> Photo:
    with pixels.opened(body, max_pixels) as picture:
        image = Image.fromarray(np.ascontiguousarray(picture.whole().transpose(1, 2, 0)))
    stream = io.BytesIO()
    if photograph:
        image.save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    else:
        image.save(stream, "PNG", compress_level=6)
    return Photo(stream.getvalue(), ".jpg" if photograph else ".png", about.taken)


def _exif(about: ImageMetadata) -> bytes:
    """The two facts that pixels depend on, as an EXIF block; nothing where they are the usual ones."""
    if about.orientation == 1 and not about.adobe_rgb:
        return b""
    exif = Image.Exif()
    exif[0x0112] = about.orientation
    if about.adobe_rgb:
        exif.get_ifd(0x8769)[0xA001] = 2
    return exif.tobytes()


def _jpeg(body: bytes, about: ImageMetadata) -> bytes:
    kept = [b"\xff\xd8"]
    if exif := _exif(about):
        kept.append(struct.pack(">BBH", 0xFF, _EXIF_SEGMENT, 2 + len(exif)) + exif)
    at = 2
    while found := _MARKER.search(body, at):
        marker = found[1][0]
        if marker == _END:
            break
        start = found.start()
        (length,) = struct.unpack_from(">H", body, found.end())
        end = found.end() + length
        if marker == _SCAN:
            following = _MARKER.search(body, end)
            end = following.start() if following else len(body)
            kept.append(body[start:end])
        elif marker in _OF_PIXELS or ((name := _OF_COLOURS.get(marker)) and body.startswith(name, found.end() + 2)):
            kept.append(_without_thumbnail(body[start:end]) if marker == 0xE0 else body[start:end])
        at = end
    return b"".join([*kept, b"\xff\xd9"])


def _without_thumbnail(jfif: bytes) -> bytes:
    """The segment with its version and density alone: what follows is a small picture."""
    return b"\xff\xe0" + struct.pack(">H", 16) + jfif[4:16] + b"\0\0"


def _png(body: bytes, about: ImageMetadata) -> bytes:
    kept, at = [_PNG], len(_PNG)
    while at + 8 <= len(body):
        (length,) = struct.unpack_from(">I", body, at)
        name, end = body[at + 4 : at + 8], at + 12 + length
        if name in _CHUNKS:
            kept.append(_named_icc(body[at + 8 : end - 4]) if name == b"iCCP" else body[at:end])
        if name == b"IHDR" and (exif := _exif(about)):
            kept.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
        if name == b"IEND":
            break
        at = end
    return b"".join(kept)


def _named_icc(data: bytes) -> bytes:
    """A colour profile under a name that says nothing."""
    return _chunk(b"iCCP", b"icc\0" + data.partition(b"\0")[2])


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _webp(body: bytes, about: ImageMetadata) -> bytes:
    kept: list[bytes] = []
    flags, canvas, at = 0, b"", 12
    while at + 8 <= len(body):
        name, length = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8], "little")
        data = body[at + 8 : at + 8 + length]
        if name == b"VP8X":
            flags, canvas = data[0], data[1:]
        elif name in _WEBP_CHUNKS:
            kept.append(_riff(name, data))
        at += 8 + length + length % 2
    if flags & _ANIMATED:
        raise ValueError("an animation: its first frame is written anew")
    exif = _exif(about)
    if canvas:
        kept.insert(0, _riff(b"VP8X", bytes([flags & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if exif else 0)]) + canvas))
        if exif:
            kept.append(_riff(b"EXIF", exif))
    content = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

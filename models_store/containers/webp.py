"""WebP: of an animation, the first frame as an image of its own; its size is known before memory is taken for it.

It has a limit of its own. Pillow decodes it whole, in some 16 bytes a pixel, and copies the pixels while no other thread runs.
"""

import io
import struct
from collections.abc import Iterator
from itertools import islice

from PIL import WebPImagePlugin

from models_store.containers.opened import Frame, Opened, check_size
from models_store.errors import UndecodableImage

MAX_PIXELS = 25_000_000  # a camera's 24 megapixels; their copies hold the other threads for some 70 ms
_MAX_CHUNKS = 100_000  # of an animation; what stands behind more is not looked at
_ANIMATED, _ALPHA = 0x02, 0x10  # flags of VP8X


def opened(body: bytes, max_pixels: int) -> Opened:
    """Read the header. Raises UndecodableImage, or what Pillow raises."""
    if body[12:16] == b"VP8X" and len(body) >= 30 and body[20] & _ANIMATED:
        return _first_frame(body, max_pixels)
    size = WebPImagePlugin._get_size(body[:30])
    if size is None:
        raise UndecodableImage("the WEBP has no header that can be read; it is damaged or cut off")
    _check_size(size, max_pixels)
    return Opened(WebPImagePlugin.WebPImageFile(io.BytesIO(body)))


def _first_frame(body: bytes, max_pixels: int) -> Opened:
    canvas = _size(body, 24)
    _check_size(canvas, max_pixels)
    frame: bytes = b""
    beside: dict[bytes, bytes] = {}
    for name, content in islice(_chunks(body), _MAX_CHUNKS):
        if name == b"ANMF" and not frame:
            frame = content
        elif name in (b"ICCP", b"EXIF"):
            beside.setdefault(name, content)
    if len(frame) < 24:
        raise UndecodableImage("the WEBP is an animation without a frame; it is damaged or cut off")
    corner = (2 * int.from_bytes(frame[0:3], "little"), 2 * int.from_bytes(frame[3:6], "little"))
    size = _size(frame, 6)
    if corner[0] + size[0] > canvas[0] or corner[1] + size[1] > canvas[1]:
        raise UndecodableImage("the WEBP's first frame lies outside of its picture; it is damaged")
    flags = _ALPHA | 0x20 * (b"ICCP" in beside) | 0x08 * (b"EXIF" in beside)
    header = bytes([flags, 0, 0, 0]) + b"".join((side - 1).to_bytes(3, "little") for side in size)
    parts = [b"WEBP", _chunk(b"VP8X", header)]
    if b"ICCP" in beside:
        parts.append(_chunk(b"ICCP", beside[b"ICCP"]))
    parts.append(frame[16:])
    if b"EXIF" in beside:
        parts.append(_chunk(b"EXIF", beside[b"EXIF"]))
    still = b"".join(parts)
    whole = io.BytesIO(b"RIFF" + struct.pack("<I", len(still)) + still)
    return Frame(WebPImagePlugin.WebPImageFile(whole), None, canvas, corner)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    check_size(size, max_pixels)
    width, height = size
    if width * height > MAX_PIXELS:
        most = f"more than the {MAX_PIXELS} allowed in this format"
        raise UndecodableImage(f"the WEBP has {width}×{height} pixels, {most}; scale it down or save it as a JPEG")


def _size(content: bytes, at: int) -> tuple[int, int]:
    width, height = (1 + int.from_bytes(content[place : place + 3], "little") for place in (at, at + 3))
    return width, height


def _chunks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(body):
        name, length = struct.unpack_from("<4sI", body, at)
        yield name, body[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

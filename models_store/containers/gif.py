"""GIF: its first frame, handed to Pillow as an image of its own, and the ICC profile that Pillow does not look for."""

import io
import struct

from PIL import GifImagePlugin

from models_store.containers.opened import Frame, Opened
from models_store.errors import UndecodableImage

SIGNATURES = (b"GIF87a", b"GIF89a")
_IMAGE, _EXTENSION, _END = b",", b"!", b";"
_CONTROL, _APPLICATION = b"\xf9", b"\xff"
_ICC = b"ICCRGBG1012"  # by the ICC's specification, annex B.4
_MAX_BLOCKS = 50_000  # before the first frame; the largest profiles take half


def opened(body: bytes) -> Opened:
    """Read what stands before the pixels of the first frame. Raises UndecodableImage, or what Pillow raises."""
    palette = 3 << ((body[10] & 7) + 1) if len(body) > 10 and body[10] & 0x80 else 0
    start, at = 13 + palette, 13 + palette
    control = profile = b""
    blocks = 0
    while (kind := body[at : at + 1]) != _IMAGE:
        if kind in (_END, b""):
            raise UndecodableImage("the GIF holds no image, or is cut off before it")
        at += 1
        if kind == _EXTENSION:
            label = body[at : at + 1]
            parts, at = _sub_blocks(body, at + 1, _MAX_BLOCKS - blocks)
            data = b"".join(parts)
            blocks += len(parts)
            if label == _CONTROL and len(data) >= 4:
                control = data[:4]
            if label == _APPLICATION and data.startswith(_ICC):
                profile = data[len(_ICC) :]
        blocks += 1
        if blocks >= _MAX_BLOCKS:
            raise UndecodableImage(f"the GIF has more than {_MAX_BLOCKS} blocks before its first frame; save it anew")
    if at + 10 > len(body):
        raise UndecodableImage("the GIF is cut off before its first frame")
    width, height = struct.unpack_from("<HH", body, 6)
    left, top, frame_width, frame_height = struct.unpack_from("<4H", body, at + 1)
    head = [body[:6], struct.pack("<HH", frame_width, frame_height), body[10:start]]
    if control:
        head.append(b"!\xf9\4" + bytes([control[0] & 1]) + control[1:] + b"\0")  # what comes after the frame is of no matter
    head.append(b"," + struct.pack("<4H", 0, 0, frame_width, frame_height))
    image = GifImagePlugin.GifImageFile(io.BytesIO(b"".join([*head, memoryview(body)[at + 9 :]])))
    return Frame(image, profile or None, (max(width, left + frame_width), max(height, top + frame_height)), (left, top))


def _sub_blocks(body: bytes, at: int, most: int) -> tuple[list[bytes], int]:
    """The contents of a row of sub-blocks, and where it ends; no more than `most` of them."""
    parts: list[bytes] = []
    while len(parts) < most and at < len(body) and body[at]:
        parts.append(body[at + 1 : at + 1 + body[at]])
        at += 1 + body[at]
    return parts, at + 1

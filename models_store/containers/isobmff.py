"""HEIC and AVIF: what stands beside their pixels and is not read by the decoders (ISO/IEC 14496-12 and 23008-12).

Turns and mirrors of the container are the decoders' work. An EXIF orientation beside them does not count, as the standard has it.
"""

import io
import struct
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pillow_heif
from PIL import AvifImagePlugin, Image

from models_store import colour
from models_store.containers.opened import Opened
from models_store.errors import UndecodableImage

_AVIF, _HEIF = (b"avif", b"avis"), (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_MAX_BOXES = 10_000  # of a level; what stands behind more is not looked at
MAX_FRAMES = 20_000  # of a sequence; libavif makes a list of all before the first, while no other thread runs
MAX_TABLE_BYTES = 64 * 2**10  # libavif's time grows with the square of the entries; phones' photos of 200 tiles take some 5 KB
_HOLD_BOXES = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0}  # after so many bytes
_TABLES = frozenset([b"iinf", b"iloc", b"iref", b"ipma", b"stts", b"stsc", b"stco", b"co64", b"stsz", b"stss"])
Box = tuple[bytes, bytes]  # name, content


def kind(body: bytes) -> str | None:
    """`AVIF`, `HEIF`, or None for neither, by the brands of the file."""
    if body[4:8] != b"ftyp":
        return None
    (length,) = struct.unpack_from(">I", body)
    content = body[8 : min(length, 512)]
    brands = [content[:4], *(content[at : at + 4] for at in range(8, len(content), 4))]
    return "AVIF" if any(brand in _AVIF for brand in brands) else "HEIF" if any(brand in _HEIF for brand in brands) else None


def avif(body: bytes) -> Opened:
    """Read the header. Raises UndecodableImage, or what Pillow raises."""
    _check_tables(body, "AVIF")
    return _Avif(AvifImagePlugin.AvifImageFile(io.BytesIO(body)), properties(body))


def heif(body: bytes) -> Opened:
    """Read the header. Raises UndecodableImage, or what pillow-heif raises."""
    _check_tables(body, "HEIF")
    image: Image.Image = pillow_heif.HeifImageFile(io.BytesIO(body))  # type: ignore[no-untyped-call]
    return Opened(image, None if image.info.get("icc_profile") else _profile(properties(body)))


def _check_tables(body: bytes, kind: str) -> None:
    """Raises UndecodableImage where a decoder would work long on what stands before the pixels, or on a number that stands there."""
    sizes: Counter[bytes] = Counter()
    frames = boxes = 0
    levels = [body]
    while levels:
        for name, content in _boxes(levels.pop()):
            boxes += 1
            if name in _HOLD_BOXES:
                levels.append(content[_HOLD_BOXES[name] :])
            elif name in _TABLES:
                sizes[name] += len(content)
                frames += int.from_bytes(content[8:12]) if name == b"stsz" else 0
            if boxes > _MAX_BOXES or sizes[name] > MAX_TABLE_BYTES:
                raise UndecodableImage(f"the {kind} describes far more parts than a photo has; save the photo anew, as a PNG or a JPEG")
            if frames > MAX_FRAMES:
                raise UndecodableImage(f"the {kind} has {frames} frames, more than the {MAX_FRAMES} allowed; save one of them as a picture")


class _Avif(Opened):
    """An AVIF, cut to its clean aperture: libheif does that for HEIC, but libavif leaves it to its callers."""

    def __init__(self, image: AvifImagePlugin.AvifImageFile, found: list[Box]) -> None:
        super().__init__(image, None if image.info.get("icc_profile") else _profile(found))
        self._aperture = next((data for name, data in found if name == b"clap"), b"")

    def load(self) -> None:
        super().load()
        box = _aperture(self._aperture, self.image.size)
        if box is not None:
            self.image = self.image.crop(box)


def _aperture(clap: bytes, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of a clean aperture; None where there is none that lies in the image."""
    if len(clap) < 32:
        return None
    numbers = struct.unpack(">iIiIiIiI", clap[:32])
    if not all(numbers[1::2]):
        return None
    width, height, across, down = (numbers[at] / numbers[at + 1] for at in (0, 2, 4, 6))
    left, top = (size[0] - width) / 2 + across, (size[1] - height) / 2 + down
    box = (round(left), round(top), round(left + width), round(top + height))
    inside = 0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]
    return box if inside else None


def properties(body: bytes) -> list[Box]:
    """The properties of the primary item; those of all items where it is not said which are its own."""
    meta = _first(islice(_boxes(body), _MAX_BOXES), b"meta")
    inside = list(islice(_boxes(meta[4:]), _MAX_BOXES))
    both = list(islice(_boxes(_first(inside, b"iprp")), _MAX_BOXES))
    every = list(islice(_boxes(_first(both, b"ipco")), _MAX_BOXES))
    try:
        own = _associated(_first(inside, b"pitm"), _first(both, b"ipma"))
    except (struct.error, IndexError):
        own = []
    return [every[index - 1] for index in own if 0 < index <= len(every)] or every


def _associated(primary: bytes, associations: bytes) -> list[int]:
    """The numbers of the primary item's properties, from 1. Raises struct.error or IndexError for boxes that are cut off."""
    (wanted,) = struct.unpack_from(">I" if primary[0] else ">H", primary, 4)
    wide_items, wide_indices = associations[0] > 0, associations[3] & 1
    (count,) = struct.unpack_from(">I", associations, 4)
    at = 8
    for _ in range(min(count, _MAX_BOXES)):
        (item,) = struct.unpack_from(">I" if wide_items else ">H", associations, at)
        at += 4 if wide_items else 2
        indices = associations[at]
        at += 1
        if item == wanted:
            numbers = struct.unpack_from(f">{indices}{'H' if wide_indices else 'B'}", associations, at)
            return [number & (0x7FFF if wide_indices else 0x7F) for number in numbers]
        at += indices * (2 if wide_indices else 1)
    return []


def _profile(found: list[Box]) -> bytes | None:
    """The profile of the first *nclx*; None where there is none, or it is sRGB's."""
    for name, data in found:
        if name == b"colr" and data[:4] == b"nclx" and len(data) >= 11:
            primaries, transfer = struct.unpack_from(">HH", data, 4)
            return colour.coded(primaries, transfer)  # the decoders widen a narrow range themselves
    return None


def _first(boxes: Iterator[Box] | list[Box], name: bytes) -> bytes:
    return next((data for box, data in boxes if box == name), b"")


def _boxes(content: bytes) -> Iterator[Box]:
    at = 0
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        start = at + 8
        if length == 1 and at + 16 <= len(content):
            (length,) = struct.unpack_from(">Q", content, start)
            start += 8
        end = len(content) if length == 0 else at + length
        if end < start:
            return
        yield name, content[start:end]
        at = end

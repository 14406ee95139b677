"""JPEG: read by Pillow; one that lacks its end is read when the end is all that it lacks, or nearly.

Kinds of JPEG that Pillow does not read, or that do not say what their colours are, are refused by name.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, JpegImagePlugin

from models_store.containers.opened import Crop, Opened
from models_store.errors import UndecodableImage

SIGNATURE = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_FRAMES = frozenset([0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
_PROGRESSIVE = (0xC2, 0xCA)
_ARITHMETIC = (0xC9, 0xCA)
_HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)
_LS_FRAME = 0xF7  # of JPEG-LS
_SCAN, _RESTART_INTERVAL = 0xDA, 0xDD
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # among compressed data, where FF 00 is a byte FF and D0–D7 are restarts
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_WITHOUT_LENGTH = frozenset([0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)])  # as Pillow sees it
MAX_SCANS = 100  # encoders make some ten
_MAX_SEGMENTS = 10_000
_MAX_PASSED_BYTES = 64 * 2**10  # between segments
_MISSING = 99
_SCAN_HEADER_BYTES = 2 + 2 + 1 + 2 * 4 + 3
_FILLERS = (b"", b"\x00" * 64, b"\xaa" * 64, b"\x35" * 64)
_BLOCK = 16  # pixels a side, at most
_MOST_MISSING = 0.02  # of the picture's area


class Jpeg(Opened):
    """A JPEG, decoded at the smallest scale that still has twice the pixels needed on each side."""

    def __init__(self, body: bytes) -> None:
        self._scans = _scans(body)
        self._arithmetic = _frame(body) in _ARITHMETIC
        super().__init__(self._opened(body))
        if self.image.mode == "CMYK" and "adobe" not in self.image.info:  # by ITU-T T.872 0 is paper, many programs take it for ink
            raise UndecodableImage("the JPEG has four inks and does not say whether 0 is paper or ink; save it as RGB")
        self._body = body
        self._full_size = self.image.size
        self._least: tuple[int, int] | None = None  # pixels that the decoded image needs
        self._scale = 1.0

    @property
    def full_size(self) -> tuple[int, int]:
        return self._full_size

    @property
    def scale(self) -> float:
        return self._scale

    def reduce(self, size: int, crop: Crop | None = None) -> None:
        self._least = (2 * size, 2 * size)
        if crop is not None and not self.is_central(crop):
            times = max(1, int(min(crop.width, crop.height)) // (2 * size))
            self._least = (max(1, self._full_size[0] // times), max(1, self._full_size[1] // times))
        self._draft()

    def reduce_to(self, side: int) -> None:
        longest = max(self._full_size)
        self._least = (max(1, self._full_size[0] * side // longest), max(1, self._full_size[1] * side // longest))
        self._draft()

    def _draft(self) -> None:
        if drafted := self.image.draft(None, self._least):
            self._scale = drafted[1][2] / self._full_size[0]

    def load(self) -> None:
        try:
            self.image.load()
        except OSError:
            mended = self._ended()
            if mended is None:
                raise
            self.image.close()
            self.image = mended
            return
        if self._scans and self._scans.end >= 0 and not self._whole(self.image, self._scans):
            raise UndecodableImage("the JPEG is cut off or damaged: a part of its pixels is missing; take the file from its source again")

    def _whole(self, image: Image.Image, scans: "_Scans") -> bool:
        """Whether an image that has an end has all of its pixels, too: an end may have been set to what was left of it."""
        body = self._body[: scans.end]
        if _MISSING in _lowest_bits(body if scans.count > 1 else body[: scans.first + _SCAN_HEADER_BYTES]):
            return False
        progressive = "progressive" in image.info
        if scans.count == 1 and _lacks_restarts(body, scans):
            return False
        # A decoder that finds nothing more goes on in one colour, as does a plain background; but not with arithmetic, nor in bands' scans.
        if progressive or (scans.count == 1 and not self._arithmetic and not _ends_flat(image)):
            return True
        others = [self._with(filled) for filled in _fillings(body, _FILLERS[2:3])]
        return _missing([image, *others]) <= _MOST_MISSING

    def _ended(self) -> Image.Image | None:
        """The image with an end set to it; None when more than its end is missing.

        What follows the last block is skipped by the decoder. So bytes set before the end change the picture only from the place on
        where data is missing, and where different ones change nothing, nothing is.
        """
        body = self._body.rstrip(b"\xff")
        if any(_lowest_bits(body)):
            return None
        pictures = [self._with(filled) for filled in _fillings(body, _FILLERS)]
        return pictures[0] if _missing(pictures) <= _MOST_MISSING else None

    def _opened(self, body: bytes) -> JpegImagePlugin.JpegImageFile:
        # Not Pillow's own choice of class, which looks through all frames of an MPO.
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(body))
        if self._arithmetic:
            image.decodermaxblock = len(body)  # this decoder cannot wait for more
        return image

    def _with(self, body: bytes) -> Image.Image:
        image = self._opened(body)
        if self._least is not None:
            image.draft(None, self._least)
        image.load()
        return image


def _fillings(body: bytes, fillers: Sequence[bytes]) -> Iterator[bytes]:
    """A JPEG without its end, with bytes and an end set to it."""
    restarts = _RESTART.findall(body[-(1 << 20) :])
    following = bytes([0xFF, 0xD0 + (restarts[-1][0] - 0xD0 + 1) % 8 if restarts else 0xD0])
    for filler in fillers:
        yield body + filler + (following + filler if filler else b"") + _END


def _missing(pictures: Sequence[Image.Image]) -> float:
    """The share of a picture from the first place on where these differ."""
    first, *others = (np.atleast_3d(np.asarray(image)) for image in pictures)
    unsure = np.any([(other != first).any(-1) for other in others], axis=0)  # [H,W]
    if not unsure.any():
        return 0.0
    top = int(unsure.any(1).argmax())  # the row of blocks that begins here is the first to lack something
    left = int(unsure[top : top + _BLOCK].any(0).argmax())
    return float((unsure[top:].size - left * min(_BLOCK, len(unsure) - top)) / unsure.size)


def _ends_flat(image: Image.Image) -> bool:
    """Whether the last quarter of the last row is of one colour."""
    row = np.asarray(image.crop((image.width * 3 // 4, image.height - 1, image.width, image.height)))[0]
    return bool((row == row[0]).all())


def _segments(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment, whatever lies between them."""
    at = 0
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(body, at)
        if found is None:
            return
        marker, at = found[1][0], found.end()
        length = 0 if marker in _WITHOUT_LENGTH and marker != _LS_FRAME else int.from_bytes(body[at : at + 2])
        yield marker, body[at + 2 : at + length]
        at += length


def _frame(body: bytes) -> int | None:
    """The marker of the frame. Raises UndecodableImage for a kind of JPEG that is not read."""
    for marker, data in _segments(body):
        if marker == _SCAN:
            return None
        if (marker in _FRAMES or marker == _LS_FRAME) and len(data) >= 6:
            bits, rows, bands = data[0], int.from_bytes(data[1:3]), data[5]
            named = {
                "of the kind JPEG-LS": marker == _LS_FRAME,
                "hierarchical": marker in _HIERARCHICAL,
                f"of {bits} bits": bits != 8,
                f"of {bands} bands": bands not in (1, 3, 4),
                "one that says its height only behind its pixels": rows == 0,
            }
            if found := next((name for name, true in named.items() if true), None):
                raise UndecodableImage(f"the JPEG is {found}, which is not read here; save it as a usual JPEG of 8 bits or a PNG")
            return marker
    return None


@dataclass(frozen=True)
class _Scans:
    """Those of the first picture."""

    first: int  # its place
    count: int
    end: int  # of the picture; -1 where there is none


def _scans(body: bytes) -> _Scans | None:
    """Where the scans are; None where none is found.

    Raises UndecodableImage for what takes a decoder minutes: each scan goes over all pixels, and each segment takes Pillow a while.
    """
    at = passed_bytes = 0
    for _ in range(_MAX_SEGMENTS):
        end = at + _MAX_PASSED_BYTES + 2
        found = _MARKER.search(body, at, end)  # no further: nothing else in this process runs meanwhile
        passed_bytes += (found.start() if found else min(end, len(body))) - at
        if passed_bytes > _MAX_PASSED_BYTES:
            break
        if found is not None and found[1][0] == _SCAN:
            end = body.find(_END, found.start())  # what cameras add behind it may hold anything
            scans = body.count(bytes([0xFF, _SCAN]), found.start(), end if end >= 0 else len(body))
            if scans > MAX_SCANS:
                raise UndecodableImage(f"the JPEG has {scans} scans, more than the {MAX_SCANS} allowed; save it anew")
            return _Scans(found.start(), scans, end)
        if found is None:
            return None
        at = found.end()
        if found[1][0] not in _WITHOUT_LENGTH:
            at += int.from_bytes(body[at : at + 2])
    raise UndecodableImage(f"the JPEG has more than {_MAX_SEGMENTS} segments, or much that is none, before its pixels; save it anew")


def _lowest_bits(body: bytes) -> list[int]:
    """For each coefficient of each band the lowest bit that a scan brought, `_MISSING` for none. The last scan may be cut off."""
    bits: dict[int, list[int]] = {}
    progressive = False
    for marker, data in _segments(body):
        if marker in _FRAMES and len(data) >= 6:
            progressive = marker in _PROGRESSIVE
            bits = {component: [_MISSING] * 64 for component in data[6::3]}
        if marker == _SCAN and data:
            first, last, low = (data[-3], data[-2], data[-1] & 15) if progressive and len(data) >= 4 else (0, 63, 0)
            for component in data[1 : 1 + 2 * data[0] : 2]:
                if component in bits:
                    bits[component][first : last + 1] = [low] * (last + 1 - first)
    return [low for lows in bits.values() for low in lows] or [_MISSING]


def _lacks_restarts(body: bytes, scans: _Scans) -> bool:
    """Whether the one scan of a JPEG has fewer restarts than its size asks for: bytes were lost, or overwritten."""
    interval = blocks = 0
    for marker, data in _segments(body[: scans.first]):
        if marker == _RESTART_INTERVAL:
            interval = int.from_bytes(data[:2])
        if marker in _FRAMES and len(data) >= 9:
            rows, columns = int.from_bytes(data[1:3]), int.from_bytes(data[3:5])
            across, down = (max(each >> 4 for each in data[7::3]), max(each & 15 for each in data[7::3])) if data[5] > 1 else (1, 1)
            blocks = -(-columns // (8 * across)) * -(-rows // (8 * down)) if across and down else 0
    needed = -(-blocks // interval) - 1 if interval else 0
    if needed <= 0:
        return False
    there = sum(body.count(bytes([0xFF, restart]), scans.first, scans.end) for restart in range(0xD0, 0xD8))
    return there < needed * (1 - _MOST_MISSING)

"""HEIC and AVIF: their colours, where no ICC profile tells them (ISO/IEC 14496-12 and 23008-12)."""

import struct
from collections.abc import Iterator

from models_store import colour

_AVIF, _HEIF = (b"avif", b"avis"), (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def kind(body: bytes) -> str | None:
    """`AVIF`, `HEIF`, or None for neither, by the brands of the file."""
    if body[4:8] != b"ftyp":
        return None
    (length,) = struct.unpack_from(">I", body)
    content = body[8 : min(length, 512)]
    brands = [content[:4], *(content[at : at + 4] for at in range(8, len(content), 4))]
    return "AVIF" if any(brand in _AVIF for brand in brands) else "HEIF" if any(brand in _HEIF for brand in brands) else None


def profile(body: bytes) -> bytes | None:
    """The profile of the first *nclx* among the image's properties; None where there is none, or it is sRGB's."""
    properties = body
    for name, skipped in ((b"meta", 4), (b"iprp", 0), (b"ipco", 0)):
        found = next((data for box, data in _boxes(properties) if box == name), None)
        if found is None:
            return None
        properties = found[skipped:]
    for box, data in _boxes(properties):
        if box == b"colr" and data[:4] == b"nclx" and len(data) >= 11:
            primaries, transfer = struct.unpack_from(">HH", data, 4)
            return colour.coded(primaries, transfer)  # the decoders widen a narrow range themselves
    return None


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
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

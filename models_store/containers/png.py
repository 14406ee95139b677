"""PNG: only the chunks that pixels depend on reach Pillow, so that text, time and animation cannot break or swell it."""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin

from models_store import colour
from models_store.containers.opened import Opened
from models_store.errors import UndecodableImage
from models_store.scaling import CropSize, WideImage, square_of_samples

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS = 100_000
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")
_MIN_GAMMA, _MAX_GAMMA = 16, 625_000_000  # in 1/100,000; libpng does not believe others
_COLOURS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
_GREY, _RGB, _GREY_ALPHA, _RGBA = 0, 2, 4, 6


def opened(body: bytes, max_pixels: int) -> Opened:
    """Read the header. Raises UndecodableImage, or what Pillow raises."""
    kept: list[bytes | memoryview] = [SIGNATURE]
    named: dict[bytes, bytes] = {}
    bits, kind = 0, -1
    for name, data, chunk in _chunks(body):
        if name == b"IHDR" and len(data) == 13:
            bits, kind = data[8], data[9]
        if name in (b"tRNS", *_COLOURS):
            named.setdefault(name, bytes(data))
        if name == b"IHDR" and (bits, kind) == (16, _GREY_ALPHA):
            chunk = memoryview(_chunk(name, bytes([*data[:8], 8, _RGBA, *data[10:]])))  # four bytes a pixel, too, and none is left out
        if name == b"tRNS" and kind == _GREY and bits < 8 and len(data) == 2:
            kept.append(_chunk(name, struct.pack(">H", (data[1] & (2**bits - 1)) * 255 // (2**bits - 1))))  # as Pillow widens the pixels
        elif name in (b"tRNS", b"eXIf"):
            kept.append(_chunk(name, data))  # with a checksum that is right
        elif name in _PIXELS:
            kept.append(chunk)
        elif name.isalpha() and not name[0] & 0x20:  # critical, says the case of its first letter
            raise UndecodableImage(f"the PNG holds the chunk {name.decode()}, which changes its pixels and is not known here; save it anew")
    image = PngImagePlugin.PngImageFile(io.BytesIO(b"".join(kept)))
    profile = _profile(named)
    key = named.get(b"tRNS", b"")
    if bits == 16 and kind == _GREY and len(key) == 2:
        return _WideGrey(image, profile, struct.unpack(">H", key)[0])
    if bits == 16 and kind == _GREY_ALPHA:
        return _WideGreyAlpha(image, profile)
    if bits == 16 and kind in (_RGB, _RGBA):
        clear = struct.unpack(">3H", key) if kind == _RGB and len(key) == 6 else None
        return _WideColours(image, profile, clear, b"".join(kept), max_pixels)
    return Opened(image, profile)


class _WideGrey(Opened):
    """Grey of 16 bits, one value of it transparent."""

    def __init__(self, image: Image.Image, profile: bytes | None, key: int) -> None:
        super().__init__(image, profile)
        self._key = key

    def scaled(self, cut: CropSize | None) -> WideImage:
        grey = np.asarray(self.image)
        return square_of_samples([grey], cut, grey != self._key, white=65535)


class _WideGreyAlpha(Opened):
    """Grey and alpha of 16 bits, read as four bands of 8."""

    def scaled(self, cut: CropSize | None) -> WideImage:
        samples = np.asarray(self.image).view(">u2")
        return square_of_samples([samples[..., 0]], cut, samples[..., 1])


class _WideColours(Opened):
    """RGB or RGBA of 16 bits. Pillow keeps the upper 8, which are too few for other colours than sRGB, or to tell what is transparent."""

    def __init__(self, image: Image.Image, profile: bytes | None, key: tuple[int, ...] | None, body: bytes, max_pixels: int) -> None:
        super().__init__(image, profile)
        self._key, self._body, self._most_bytes = key, body, 4 * max_pixels

    def scaled(self, cut: CropSize | None) -> Image.Image | WideImage:
        if self._key is None and self.profile is None:
            return super().scaled(cut)
        width, height = self.size
        if width * height * 2 * len(self.image.getbands()) > self._most_bytes:
            raise UndecodableImage(f"the PNG has {width}×{height} pixels of 16-bit colours, too much to decode; scale it down")
        bands = [np.asarray(band).astype(np.uint16) << 8 for band in map(self.image.getchannel, self.image.getbands())]
        low = PngImagePlugin.PngImageFile(io.BytesIO(self._body))
        low.tile = [tile._replace(args=f"{low.mode};16L") for tile in low.tile]  # read as if the lower 8 bits were the upper ones
        low.load()
        for band, name in zip(bands, low.getbands(), strict=True):
            band |= np.asarray(low.getchannel(name))
        low.close()  # before more memory is taken
        if self._key is None:
            return square_of_samples(bands[:3], cut, bands[3] if len(bands) > 3 else None)
        clear = np.logical_and.reduce([band == value for band, value in zip(bands, self._key, strict=True)])
        return square_of_samples(bands, cut, ~clear)


def _chunks(body: bytes) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Name, data, and the whole chunk; one that is cut off comes as it is. Raises UndecodableImage for too many."""
    view, at = memoryview(body), len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(body):
            return
        (length,) = struct.unpack_from(">I", body, at)
        name, end = body[at + 4 : at + 8], at + 12 + length
        yield name, view[at + 8 : at + 8 + length], view[at:end]
        if name == b"IEND":
            return
        at = end
    raise UndecodableImage(f"the PNG has more than {_MAX_CHUNKS} chunks; save it anew")


def _chunk(name: bytes, data: bytes | memoryview) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def _profile(named: dict[bytes, bytes]) -> bytes | None:
    """The colours, by the precedence of the PNG specification (third edition, section 4.3)."""
    if len(code := named.get(b"cICP", b"")) == 4 and code[2] == 0:
        return colour.coded(code[0], code[1], full_range=code[3] == 1)
    if embedded := _inflated(named.get(b"iCCP", b"")):
        return embedded
    gamma = named.get(b"gAMA", b"")
    if b"sRGB" in named or len(gamma) != 4 or not _MIN_GAMMA <= int.from_bytes(gamma) <= _MAX_GAMMA:
        return None
    corners = named.get(b"cHRM", b"")
    exponent = 100_000 / int.from_bytes(gamma)
    if len(corners) != 32:
        return colour.of_gamma(exponent)
    white, red, green, blue = np.array(struct.unpack(">8I", corners)).reshape(4, 2) / 100_000
    return colour.of_gamma(exponent, tuple((float(x), float(y)) for x, y in (red, green, blue, white)))  # type: ignore[arg-type]


def _inflated(data: bytes) -> bytes | None:
    """The profile of an iCCP chunk; None when it is damaged or larger than any profile."""
    _, _, rest = data.partition(b"\0")
    if rest[:1] != b"\0":  # the one method of compression
        return None
    try:
        stream = zlib.decompressobj()
        profile = stream.decompress(rest[1:], colour.MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if stream.eof else None

"""TIFF: its first directory, read here, and handed to Pillow in a form that Pillow reads rightly.

Pillow reads what has 8 bits a sample or fewer, interleaved. Everything else is given to it as rows of bytes, which it only unpacks:
what the bytes mean is decided here. Other directories, and tags that pixels do not depend on, never reach Pillow.
"""

import contextlib
import ctypes
import functools
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from models_store.containers.opened import Opened
from models_store.containers.tiff_directory import Directory, Field, shorts, whole
from models_store.errors import UndecodableImage
from models_store.scaling import CropSize, WideImage, square_of_grey16, square_of_samples

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _BANDS, _PLANAR, _PREDICTOR = 256, 257, 258, 259, 262, 274, 277, 284, 317
_STRIP_OFFSETS, _STRIP_ROWS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 273, 278, 279, 322, 323, 324, 325
_EXTRA, _SAMPLE_FORMAT, _SUBSAMPLING, _PROFILE = 338, 339, 530, 34675
_PAGE, _COLOUR_MAP, _INK_SET, _COEFFICIENTS, _RANGES = 254, 320, 332, 529, 532
_OTHERS = {
    266,
    _STRIP_ROWS,
    292,
    293,
    _COLOUR_MAP,
    _TILE_HEIGHT,
    _INK_SET,
    347,
    *range(512, 522),
    _COEFFICIENTS,
    531,
    _RANGES,
}  # and fill order, tables
_PLACES = (_STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES)
_FOR_PIXELS = (
    _OTHERS
    | {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _BANDS, _PLANAR, _PREDICTOR, _TILE_WIDTH, *_PLACES}
    | {
        _EXTRA,
        _SAMPLE_FORMAT,
        _SUBSAMPLING,
    }
)
_FOR_BYTES = _FOR_PIXELS - {_PREDICTOR, _EXTRA, _SAMPLE_FORMAT, 320}
_BYTEWISE = (
    1,
    5,
    8,
    32773,
    32946,
    34925,
    50000,
)  # compressions that know nothing of samples: none, LZW, deflate, packbits, LZMA, Zstandard
_JPEG, _OLD_JPEG = 7, 6
MAX_STRIPS = 2**16  # or tiles: Pillow takes some microseconds for each
_END_OF_JPEG = b"\xff\xd9"
_COMPRESSIONS = {
    2: "CCITT",
    3: "CCITT",
    4: "CCITT",
    6: "JPEG",
    7: "JPEG",
    9: "JBIG",
    10: "JBIG",
    32809: "ThunderScan",
    32908: "PixarLog",
} | {
    34661: "JBIG",
    34676: "LogLuv",
    34677: "LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "JPEG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}  # those that know of samples
_WEBP = 50001
_PREDICTED = (5, 8, 32946, 34925, 50000)  # those that a predictor may come before
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _YCBCR = 0, 1, 2, 5, 6
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
_PHOTOMETRICS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"} | {
    32803: "raw sensor data",
    34892: "raw sensor data",
}
_TYPES = {1: "u", 2: "i", 3: "f"}
_TYPE_NAMES = {"u": "whole numbers", "i": "whole numbers with a sign", "f": "floating-point numbers"}
_PREMULTIPLIED, _ALPHA = 1, 2
_USUAL_COEFFICIENTS, _USUAL_RANGES = (0.299, 0.587, 0.114), (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)  # of YCbCr
_SMALLER = 1  # of a page: that it shows another one at less resolution


def opened(body: bytes, max_pixels: int) -> Opened:
    """Read the first directory. Raises UndecodableImage for a TIFF that is no photo, or what Pillow raises."""
    _quiet()
    directory = Directory.read(body, _FOR_PIXELS | {_ORIENTATION, _PROFILE, _PAGE})
    layout = _layout(directory)
    if directory.number(_PAGE, 0) & _SMALLER:
        raise UndecodableImage("the TIFF begins with a small preview, as raw files of cameras do; save the photo as a JPEG or a PNG")
    if layout.readable_as_samples and (layout.planar or layout.dtype != np.dtype("u1") or layout.grey_of_more_bands):
        assert layout.dtype is not None
        if layout.width * layout.height * layout.bands * layout.dtype.itemsize > 4 * max_pixels:
            raise UndecodableImage(
                f"the image has {layout.width}×{layout.height} pixels of {layout.named}, too much to decode; scale it down"
            )
        _check_parts(directory, layout)
        return _Samples(body, directory, layout, layout.dtype)
    if not layout.readable_by_pillow:
        raise layout.refusal()
    _check_parts(directory, layout)
    if layout.compression == _JPEG:
        _check_ends(body, directory)
    fields = directory.only(_FOR_PIXELS - {_SAMPLE_FORMAT}) | _wide_colour_map(directory)
    try:
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(directory.instead_in(body, fields)))
    except SyntaxError:
        raise layout.refusal() from None
    return _Whole(image, directory)


@functools.cache
def _quiet() -> None:
    """Keep libtiff from writing to stderr, past all logs, whatever it finds in an image: what it finds is raised.

    Pillow has no way to say so. Where its library is not found, as on systems without /proc, it goes on writing.
    """
    with contextlib.suppress(OSError, AttributeError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            if "/libtiff" in line:
                library = ctypes.CDLL(line.split(maxsplit=5)[5])
                library.TIFFSetErrorHandler(None)
                library.TIFFSetWarningHandler(None)
                return


def _wide_colour_map(directory: Directory) -> dict[int, Field]:
    """The colours of a palette, where a program wrote them as 0–255 instead of 0–65535: libtiff knows such files, too."""
    colours = directory.numbers(_COLOUR_MAP, ())
    return {_COLOUR_MAP: shorts(*(257 * value for value in colours))} if colours and 0 < max(colours) <= 255 else {}


def _check_parts(directory: Directory, layout: "_Layout") -> None:
    """Raises UndecodableImage where strips or tiles are missing from the directory: Pillow leaves black what they would hold."""
    if tile := directory.number(_TILE_WIDTH, 0):
        there = len(directory.numbers(_TILE_OFFSETS, ()))
        needed = -(-layout.width // tile) * -(-layout.height // max(directory.number(_TILE_HEIGHT, tile), 1))
    else:
        there = len(directory.numbers(_STRIP_OFFSETS, ()))
        needed = -(-layout.height // max(directory.number(_STRIP_ROWS, layout.height), 1))
    if there > MAX_STRIPS:
        raise UndecodableImage(f"the TIFF has {there} strips or tiles, more than the {MAX_STRIPS} allowed; save it anew")
    if 0 < there < needed * (layout.bands if layout.planar else 1):
        raise UndecodableImage("the TIFF's directory lacks a part of its pixels; save the photo anew, as a PNG or a JPEG")


def _check_ends(body: bytes, directory: Directory) -> None:
    """Raises UndecodableImage for a JPEG among the parts without an end: libtiff leaves grey what is missing."""
    for places, lengths in ((_STRIP_OFFSETS, _STRIP_BYTES), (_TILE_OFFSETS, _TILE_BYTES)):
        counts = directory.numbers(lengths, ())
        if sum(counts) > len(body):
            raise UndecodableImage("the TIFF's parts lead out of the file or overlap; it is damaged")
        for start, length in zip(directory.numbers(places, ()), counts, strict=False):
            if body.rfind(_END_OF_JPEG, start, start + length) < 0:
                raise UndecodableImage("the TIFF is cut off: a part of its pixels is missing; take the file from its source again")


@dataclass(frozen=True)
class _Layout:
    """How the samples of a TIFF lie, and what they are."""

    width: int
    height: int
    photometric: int
    compression: int
    bits: tuple[int, ...]
    kind: str  # of numpy's kinds
    bands: int
    extra: tuple[int, ...]
    planar: bool
    inks: int
    usual_ycbcr: bool

    @property
    def dtype(self) -> "np.dtype[Any] | None":
        """The samples' type, in this machine's order of bytes; None for bits that fill no bytes."""
        sizes = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}.get(self.kind, ())
        return np.dtype(f"{self.kind}{self.bits[0] // 8}") if len(set(self.bits)) == 1 and self.bits[0] in sizes else None

    @property
    def readable_as_samples(self) -> bool:
        """Whether the samples can be taken from the bytes."""
        whole = self.bands == len(self.bits) == _COLOURS.get(self.photometric, 0) + len(self.extra)
        known = self.photometric in _COLOURS and self.dtype is not None and self.compression in _BYTEWISE
        return whole and known and not (self.too_many_bands or self.odd_inks)

    @property
    def readable_by_pillow(self) -> bool:
        """Whether Pillow reads these pixels rightly, if it reads them."""
        narrow = (self.kind == "u" and max(self.bits) <= 8) or (self.kind, self.bits, self.photometric) == ("u", (12,), _BLACK_IS_ZERO)
        odd = self.odd_inks or (self.photometric == _YCBCR and not self.usual_ycbcr)
        return narrow and self.compression != _WEBP and not (self.planar or odd or self.too_many_bands)

    @property
    def grey_of_more_bands(self) -> bool:
        return self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and self.bands > 1

    @property
    def odd_inks(self) -> bool:
        """Inks other than those four, or with transparency."""
        return self.photometric == _CMYK and (self.inks != 1 or any(kind in (_PREMULTIPLIED, _ALPHA) for kind in self.extra))

    @property
    def too_many_bands(self) -> bool:
        return len(self.extra) > 1 and self.extra[0] not in (_PREMULTIPLIED, _ALPHA)

    @property
    def named(self) -> str:
        bits = "/".join(map(str, self.bits if len(set(self.bits)) > 1 else self.bits[:1])) + "-bit"
        numbers = _TYPE_NAMES.get(self.kind, "numbers of an unknown kind")
        return f"{len(self.bits)} band{'s' if len(self.bits) > 1 else ''} of {bits} {numbers}"

    def refusal(self) -> UndecodableImage:
        what = _PHOTOMETRICS.get(self.photometric, f"photometric interpretation {self.photometric}")
        if self.odd_inks:
            what = f"{what} with {'transparency' if self.inks == 1 else 'other inks'}"
        if self.photometric == _YCBCR and not self.usual_ycbcr:
            what = f"{what} of an unusual kind"
        planes = ", in separate planes" if self.planar else ""
        compression = _COMPRESSIONS.get(self.compression, self.compression)
        return UndecodableImage(
            f"the TIFF holds {self.named} ({what}{planes}, compression {compression}), which is not read as a photo here;"
            " save it as RGB of 8 bits, such as a PNG or a JPEG"
        )


def _layout(directory: Directory) -> _Layout:
    photometric, compression = directory.number(_PHOTOMETRIC, _WHITE_IS_ZERO), directory.number(_COMPRESSION, 1)
    bands = directory.number(_BANDS, 1)
    bits = directory.numbers(_BITS, (1,))
    if len(bits) == 1 and 1 < bands <= 64:
        bits *= bands
    formats = set(directory.numbers(_SAMPLE_FORMAT, (1,)))
    kind = _TYPES.get(min(formats), "u" if formats == {4} else "?") if len(formats) == 1 else "?"
    extra = directory.numbers(_EXTRA, ())
    if photometric == _RGB and bands == 4 and not extra:
        extra = (_ALPHA,)  # as many programs write it
    missing = bands - _COLOURS.get(photometric, bands) - len(extra)
    extra += (0,) * min(max(missing, 0), 2)  # two of no kind are refused, as are more
    planar = directory.number(_PLANAR, 1) == 2 and bands > 1
    return _Layout(
        width=directory.number(_WIDTH, 0),
        height=directory.number(_HEIGHT, 0),
        photometric=photometric,
        compression=compression,
        bits=bits,
        kind=kind,
        bands=bands,
        extra=extra,
        planar=planar,
        inks=directory.number(_INK_SET, 1),
        usual_ycbcr=_usual_ycbcr(directory, compression),
    )


def _usual_ycbcr(directory: Directory, compression: int) -> bool:
    """Whether YCbCr is as in JPEG, as Pillow takes it, and lies where Pillow looks for it."""
    coefficients, ranges = directory.ratios(_COEFFICIENTS), directory.ratios(_RANGES)
    usual = (not coefficients or np.allclose(coefficients, _USUAL_COEFFICIENTS, atol=0.002)) and (
        not ranges or np.allclose(ranges, _USUAL_RANGES, atol=1)
    )
    subsampling = directory.numbers(_SUBSAMPLING, ())
    if compression in (_JPEG, _OLD_JPEG):
        return usual
    return usual and (subsampling == (1, 1) or (compression != 1 and len(subsampling) == 2))


class _Whole(Opened):
    """A TIFF whose pixels are Pillow's."""

    def __init__(self, image: Image.Image, directory: Directory) -> None:
        super().__init__(image, directory.data(_PROFILE))
        self._orientation = directory.number(_ORIENTATION, 1)

    @property
    def orientation(self) -> int:
        return self._orientation

    def load(self) -> None:
        _load(self.image)

    def scaled(self, cut: CropSize | None) -> Image.Image | WideImage:
        if self.image.mode.startswith("I"):  # 12 bits
            return square_of_grey16(self.image, cut, white=4095)
        return super().scaled(cut)


class _Samples(_Whole):
    """A TIFF whose bytes are unpacked by Pillow, and whose samples are read here."""

    def __init__(self, body: bytes, directory: Directory, layout: _Layout, dtype: "np.dtype[Any]") -> None:
        self._layout, self._dtype, self._order = layout, dtype, directory.order
        self._predictor = directory.number(_PREDICTOR, 1) if layout.compression in _PREDICTED else 1
        self._in_plane = 1 if layout.planar else layout.bands
        tile = directory.number(_TILE_WIDTH, 0)
        self._block = tile or layout.width  # pixels in a row that one tile or strip holds
        self._padded = -(-layout.width // self._block) * self._block
        sample_bytes = self._in_plane * dtype.itemsize
        fields = directory.only(_FOR_BYTES) | {
            _WIDTH: whole(self._padded * sample_bytes),
            _BITS: whole(8),
            _BANDS: whole(1),
            _PHOTOMETRIC: whole(_BLACK_IS_ZERO),
            _PLANAR: whole(1),
        }
        if tile:
            fields[_TILE_WIDTH] = whole(tile * sample_bytes)
        self._planes = []
        planes = layout.bands if layout.planar else 1
        for plane in range(planes):
            parts = {}
            for tag in _PLACES:
                if numbers := directory.numbers(tag, ()):
                    count = len(numbers) // planes
                    parts[tag] = whole(*numbers[plane * count : (plane + 1) * count])
            self._planes.append(TiffImagePlugin.TiffImageFile(io.BytesIO(directory.instead_in(body, fields | parts))))
        super().__init__(self._planes[0], directory)

    @property
    def size(self) -> tuple[int, int]:
        return self._layout.width, self._layout.height

    def load(self) -> None:
        for plane in self._planes:
            _load(plane)

    def scaled(self, cut: CropSize | None) -> Image.Image | WideImage:
        layout = self._layout
        bands: list[NDArray[Any]] = []
        while self._planes:  # let go of the bytes as soon as they are samples
            samples = self._samples(np.asarray(self._planes.pop(0)))
            bands += [samples[..., band] for band in range(self._in_plane)]
        colours = bands[: _COLOURS[layout.photometric]]
        kinds = layout.extra[:1]
        alpha = bands[len(colours)] if kinds and kinds[0] in (_PREMULTIPLIED, _ALPHA) and layout.photometric != _CMYK else None
        return square_of_samples(
            colours, cut, alpha, inverted=layout.photometric == _WHITE_IS_ZERO, premultiplied=kinds == (_PREMULTIPLIED,)
        )

    def _samples(self, rows: NDArray[np.uint8]) -> NDArray[Any]:
        """Bytes [H, padded width · bands · size of a sample] → samples [H, width, bands], their predictor undone."""
        height, item = len(rows), self._dtype.itemsize
        if self._predictor == 2:
            counted = np.dtype(f"u{item}")
            values = rows.view(counted.newbyteorder(self._order)).astype(counted)
            blocks = values.reshape(height, -1, self._block, self._in_plane)
            samples = np.cumsum(blocks, axis=2, dtype=counted).view(self._dtype)
        elif self._predictor == 3:  # Adobe's technical note on floating point: bytes of a row by significance, then differences
            blocks = rows.reshape(height, -1, self._block * item, self._in_plane)
            summed = np.cumsum(blocks, axis=2, dtype=np.uint8).reshape(height, -1, item, self._block * self._in_plane)
            samples = np.ascontiguousarray(summed.swapaxes(2, 3)).view(self._dtype.newbyteorder(">"))
        else:
            samples = rows.view(self._dtype.newbyteorder(self._order))
        return samples.reshape(height, self._padded, self._in_plane)[:, : self._layout.width]


def _load(image: Image.Image) -> None:
    if image.mode not in ("P", "PA"):
        image.im = Image.new(image.mode, image.size).im  # Pillow would look at its own limit of pixels; ours was looked at
    try:
        image.load()
    except OSError as error:
        if "decoder error" in str(error):  # libtiff's number for whatever it finds
            raise UndecodableImage("the TIFF's compressed pixels are damaged or cut off; save the photo anew, as a PNG or a JPEG") from None
        raise

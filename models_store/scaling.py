"""The one resize: a square, scaled by area-weighted bilinear filtering; and samples of any type as 16 bits, or 8."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_USUAL_WHITES = {"f": (1.0, 255.0, 65535.0), "i": (255.0, 65535.0), "u": (255.0, 65535.0)}  # beside the type's own largest value
_LOOKED_AT = 1_000  # rows and columns for the brightness of a whole image
Samples = NDArray[Any]


class CropSize(NamedTuple):
    """Which square of an image is wanted, and at which size."""

    size: int | tuple[int, int]  # pixels a side of the result; or its width and height, with a box of that shape
    box: tuple[float, float, float, float] | None = None  # left, top, right, bottom, in pixels; None: the central square


class WideImage(NamedTuple):
    """An image of more than 8 bits a sample. Its colours become sRGB before they are narrowed, or dark tones would be lost."""

    colours: list[NDArray[np.uint16]]  # one of grey, three of RGB or four of CMYK: [H,W] each, white is 65535
    alpha: NDArray[np.uint16] | None = None  # [H,W]; opaque is 65535

    @property
    def mode(self) -> str:
        """Pillow's name of the colours."""
        return {1: "L", 3: "RGB", 4: "CMYK"}[len(self.colours)]

    def fitted(self, side: int) -> "WideImage":
        """The same, its longer side `side` pixels at most."""
        height, width = self.colours[0].shape
        size = size_within((width, height), side)
        return self if size == (width, height) else square_of_samples(self.colours, CropSize(size, (0, 0, width, height)), self.alpha)

    def narrowed(self) -> Image.Image:
        """The same in 8 bits a sample: L, LA, RGB, RGBA or CMYK."""
        image = Image.merge(self.mode, [narrowed(colour) for colour in self.colours])
        if self.alpha is not None:
            image.putalpha(narrowed(self.alpha))
        return image


def narrowed(samples: NDArray[np.uint16]) -> Image.Image:
    """16 bits as 8, rounded: [H,W] → L."""
    return Image.fromarray(((samples + np.uint32(128)) // 257).astype(np.uint8))


def square(image: Image.Image, cut: CropSize | None) -> Image.Image:
    """A square of an image; the image itself for None, here and below."""
    if cut is None:
        return image
    box = cut.box or central(*image.size)
    size = (cut.size, cut.size) if isinstance(cut.size, int) else cut.size
    return image.resize(size, Image.Resampling.BILINEAR, box, reducing_gap=3.0)


def size_within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height of an image scaled so that its longer side is `side` pixels at most."""
    width, height = size
    longest = max(width, height)
    return size if longest <= side else (max(1, round(width * side / longest)), max(1, round(height * side / longest)))


def central(width: float, height: float) -> tuple[float, float, float, float]:
    """The central square: left, top, right, bottom."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2  # half pixels are fine, and keep the cut symmetric
    return left, top, left + side, top + side


def square_of_grey16(image: Image.Image, cut: CropSize | None, white: int = 65535) -> WideImage:
    """A square of an image of mode I;16."""
    samples = np.asarray(square(image.convert("F"), cut), np.float32) / np.float32(white)  # only now, when the pixels are few
    return WideImage([_wide(samples)])


def square_of_samples(
    bands: Sequence[Samples],
    cut: CropSize | None,
    alpha: Samples | None = None,
    *,
    white: float | None = None,
    inverted: bool = False,
    premultiplied: bool = False,
) -> WideImage:
    """A square of bands [H,W] of any number type: grey, RGB or CMYK by their number.

    `white` is the value of full brightness, `usual_white` if it is not given. What is over it is cut off, NaN counts as 0.
    Inverted bands have white at 0. Premultiplied ones were already multiplied by alpha.
    """
    full = white if white is not None else max(usual_white(band) for band in bands)
    cover = None if alpha is None else _clean(alpha, usual_white(alpha), inverted=False)
    opacity = None if cover is None else _resized(cover, cut)
    colours = []
    for band in bands:
        one = _scaled(band, full, cut, cover=None if premultiplied else cover, inverted=inverted)
        colours.append(_wide(one if opacity is None else np.divide(one, opacity, out=np.zeros_like(one), where=opacity > 0)))
    return WideImage(colours, None if opacity is None else _wide(opacity))


def usual_white(samples: Samples) -> float:
    """The value that means full brightness in samples of this type.

    Up to 16 bits without a sign it is the largest of the type. Other types hold 0–1, 0–255 and more, and do not say which: it is
    the smallest usual one that 99 in 100 samples keep within twice of, so that a few glints, NaN or infinities decide nothing.
    """
    kind = samples.dtype.kind
    if kind == "b":
        return 1.0
    largest: tuple[float, ...] = () if kind == "f" else (float(np.iinfo(samples.dtype).max),)
    if kind == "u" and samples.dtype.itemsize <= 2:
        return largest[0]
    height, width = samples.shape[:2]
    few = samples[:: max(1, height // _LOOKED_AT), :: max(1, width // _LOOKED_AT)].astype(np.float64)
    finite = few[np.isfinite(few)]
    peak = float(np.percentile(finite, 99)) if finite.size else 0.0
    whites = [usual for usual in _USUAL_WHITES[kind] if not largest or usual < largest[0]] + list(largest)
    return next((usual for usual in whites if peak <= 2 * usual), whites[-1])


def _scaled(band: Samples, white: float, cut: CropSize | None, *, cover: Samples | None, inverted: bool) -> NDArray[np.float32]:
    if cover is None and band.dtype.kind == "u" and band.dtype.itemsize <= 2:  # holds nothing to mend: without a second copy
        narrow = np.ascontiguousarray(band.astype(band.dtype.newbyteorder("="), copy=False))
        scaled = np.asarray(square(Image.fromarray(narrow).convert("F"), cut), np.float32) / np.float32(white)
        return np.float32(1) - scaled if inverted else scaled
    clean = _clean(band, white, inverted=inverted)
    return _resized(clean if cover is None else clean * cover, cut)


def _clean(band: Samples, white: float, *, inverted: bool) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):  # infinities are meant to be met
        clean: NDArray[np.float32] = band.astype(np.float32)
        np.nan_to_num(clean, copy=False, nan=0.0, posinf=white, neginf=0.0)
        np.clip(clean, 0, white, out=clean)
        clean /= np.float32(white)
    return np.float32(1) - clean if inverted else clean


def _resized(plane: NDArray[np.float32], cut: CropSize | None) -> NDArray[np.float32]:
    resized: NDArray[np.float32] = np.asarray(square(Image.fromarray(plane), cut), np.float32)
    return resized


def _wide(plane: NDArray[np.float32]) -> NDArray[np.uint16]:
    wide: NDArray[np.uint16] = np.clip(plane * np.float32(65535) + np.float32(0.5), 0, 65535).astype(np.uint16)
    return wide

"""Where a photo is vegetation all over, as a lawn or a closed canopy is. It is decided once for the photo.

A segmenter that sees colours beside the photo's mean cannot tell: what is everywhere is the mean. So colours are taken as they are.
But then soil between dense plants, and soil in greenish light, can pass for vegetation. So the colour of what the segmenter leaves between
plants counts, too: in a lawn it is nearly as green as the plants, on soil it is not.

Green cloth, paper and screens are told by their texture. They have little of the size of blades, or only their brightness changes, as
light does on one dye (Shafer 1985, *Using color to separate reflection components*). Leaves change their hue, too.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.plants import Bools, Map

_CELL = 16  # pixels of the map a side: a few blades. Threads and noise are even there
_GREEN = 0.1  # the excess green index (Woebbecke et al. 1995); the hue is 60 to 150°, too, from yellow-green to blue-green
_EVERYWHERE = 0.85  # share of the photo
_PART = 0.15  # share of the photo that a lawn beside soil has, at least
# Contrasts of neighbouring cells at the median. Drawn lawns have 0.030 and 0.015 at least, photos of a meadow and a wood 0.058 and 0.024;
# drawn cloths lack one of them: noise 0.017 at most, weaves, folds and fleece 0.010.
_ROUGH = 0.023  # of brightness, as a share of it
_HUED = 0.011  # of green, as a share of brightness, beside what goes with brightness
_IN_PART = 1.3  # times as much in a part: one large leaf is smooth
# What lies between plants, by the segmenter. In drawn lawns it has 0.66 to 0.9 of the plants' excess green, or it is straw; in composed
# pictures of dense plants it has 0.57 at most, in wheat whose green was multiplied by 1.2 or 1.4 up to 0.82.
_AS_GREEN = 0.66
_MUCH = 0.4  # share of a part that the segmenter takes for plants; where it sees fewer of them, what lies between is greener than this:
_GREEN_IN_ANY_LIGHT = 0.27


def seen(where: Bools | None, maps: tuple[Map, Map, Map]) -> tuple[Map, Map, Map]:
    """A segmenter's maps of a photo, with vegetation where `vegetation` says that the photo is that all over, and no centres there.

    Where that is nearly the whole photo, the segmenter says nothing of the rest.
    """
    if where is None:
        return maps
    plant, near, afar = maps
    if is_all(where):
        return where.astype(np.float32), np.zeros_like(near), np.zeros_like(afar)
    strides = (len(where) // len(near), len(where) // len(afar))
    near, afar = (np.where(where[::stride, ::stride], 0, one) for stride, one in zip(strides, (near, afar), strict=True))
    return np.maximum(plant, where), near, afar


def confirmed(where: Bools | None, photo: NDArray[np.uint8], plant: Bools) -> Bools | None:
    """What of `vegetation` stays, now that a segmenter has seen where plants are: [H,W], uint8 [3,H,W], bool [H,W] → [H,W].

    A part stays if what lies between its plants is nearly as green as these. Dense plants on soil are left to the segmenter.
    """
    if where is None:
        return None
    parts, count = ndimage.label(where)
    for number in range(1, count + 1):
        part = parts == number
        between = _excess(photo, part & ~plant)
        like_them = between >= _AS_GREEN * _excess(photo, part & plant)
        if not like_them or (plant[part].mean() < _MUCH and between < _GREEN_IN_ANY_LIGHT):
            parts[part] = 0
    kept: Bools = parts > 0
    return kept if kept.any() else None


def is_all(where: Bools | None) -> bool:
    """Whether nearly the whole photo is vegetation, by what `vegetation` says of it."""
    return where is not None and bool(where.mean() >= _EVERYWHERE)


def vegetation(photo: NDArray[np.uint8]) -> Bools | None:
    """Where a photo is vegetation all over, None where it is so nowhere: uint8 [3,H,W], multiples of 16 → bool [H,W].

    That is one part of at least 85% of the photo, or parts of at least 15% that are solid within.
    What is summed are whole numbers, so that a mirrored photo gives the mirrored answer exactly.
    """
    height, width = (length // _CELL for length in photo.shape[1:])
    rows = photo.reshape(3, height, _CELL, -1).sum(2, dtype=np.uint16)  # of 16 bytes, which it holds
    red, green, blue = rows.reshape(3, height, width, _CELL).sum(3, dtype=np.int64)
    brightness, excess = red + green + blue, 2 * green - red - blue
    leaf = (excess > _GREEN * brightness) & (green > red) & (2 * (blue - red) <= green - red)
    among = ndimage.convolve(leaf.astype(np.int64), np.ones((3, 3), np.int64), mode="nearest") > 4  # between leaves are shadows and straw
    parts, count = ndimage.label(among)
    where = np.zeros_like(among)
    for number in range(1, count + 1):
        part: Bools = parts == number
        if part.mean() >= _EVERYWHERE:
            where |= part & _textured(brightness, excess, leaf, 1)
        elif part.mean() >= _PART:
            within = ndimage.binary_erosion(leaf & part, np.ones((3, 3)), border_value=1)
            where |= part & (within.mean() >= _PART / 2) & _textured(brightness, excess, within, _IN_PART)
    if not where.any():
        return None
    everywhere: Bools = where.repeat(_CELL, 0).repeat(_CELL, 1)
    return everywhere


def _excess(photo: NDArray[np.uint8], where: Bools) -> float:
    """The excess green index of the mean colour of these pixels, 0 of none: uint8 [3,H,W], bool [H,W] → -1 to 2."""
    red, green, blue = (int(total) for total in (photo * where).sum(1, dtype=np.uint32).sum(1, dtype=np.int64))
    return (2 * green - red - blue) / max(1, red + green + blue)


def _textured(brightness: NDArray[np.int64], excess: NDArray[np.int64], leaf: Bools, times: float) -> bool:
    """Whether neighbouring green cells [h,w] differ in brightness and, beside that, in green, by so many times what they must."""
    inner = leaf[1:-1, 1:-1]
    if not inner.any():
        return False
    light, hue, level = _contrast(brightness)[inner], _contrast(excess)[inner], 4 * brightness[1:-1, 1:-1][inner]
    together = (light * hue).sum() / max(1, (light * light).sum())  # least squares: what shade and folds change of green
    rough, hued = np.median(np.abs(light) / level), np.median(np.abs(hue - together * light) / level)
    return bool(rough >= times * _ROUGH and hued >= times * _HUED)


def _contrast(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """How far four times a cell is from the sum of its four neighbours: [h,w] → [h-2,w-2]. Even slopes have none."""
    beside = cells[1:-1, :-2] + cells[1:-1, 2:] + cells[:-2, 1:-1] + cells[2:, 1:-1]
    contrast: NDArray[np.int64] = 4 * cells[1:-1, 1:-1] - beside
    return contrast

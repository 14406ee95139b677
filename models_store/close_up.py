"""A second look at a large photo, from nearer, where leaves are thin.

A segmenter sees a large photo at a part of its size. There a leaf of a few pixels loses its edges. So squares of the photo are looked at
once more, at twice the size of the map, and what is seen there takes the place of what was seen before. Only so many squares are looked
at that the time stays bounded: of the plants with the most thin leaves, each whole.
"""

import math
from collections.abc import Callable, Generator, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models_store.plants import Bools, Map, with_odds

PHOTO_SIDE = 2000  # pixels of the longer side at which a photo is held; a usual one of 12 megapixels is decoded at half its size
TILE_PX = 192  # pixels a side of what is looked at
_TIMES = 2  # as large as on the map
_CORE_PX, _MARGIN_PX = 64, 16  # of the map: a side of the square whose pixels are seen anew, and what is shown around it
MOST_TILES, ALL_TILES = 12, 192  # of a photo, usually and where thin leaves are worth the time; 20 take as long as a map of 1024×768
_LARGER = 1.5  # times the map: the photo, at least; of a smaller one nothing more is to be seen
_THIN_PX = 9  # of the map: what is less wide is thin
_LEAST_THIN, _LEAST_SHARE = 8, 0.3  # thin pixels that are worth a look, and their share of a part
_MOST_PARTS = 500  # that are asked whether they are worth a look, those with the most thin pixels
_DOUBT, _AROUND_PX = 0.5, 4  # weight of what was seen before, the most that lies within so many pixels of the map
Pixels = NDArray[np.uint8]


def seen(
    photo: Pixels, plant: Map, least: float, most: int, look: Callable[[Pixels], Map], time_for: Callable[[int], bool] = lambda _: True
) -> Generator[None, None, Map]:
    """The map of plants [H,W] with what is seen from nearer: uint8 [3,h,w] → [H,W]. It yields before each square.

    least: the value from which on a pixel is plant. most: squares, at most. look: what the segmenter says of a square of the photo,
    uint8 [3,S,S] → [S,S] with S = `TILE_PX`. time_for: whether there is time for so many squares; a part for
    which there is none is not looked at.

    What was seen before is not forgotten: from nearer, crumbs of soil look like leaves. The odds of a plant are multiplied by
    the root of the highest probability that was seen around. A wide leaf is left to the first look, which sees it whole.
    """
    height, width = plant.shape
    if not is_larger(photo, plant) or min(height, width) < TILE_PX // _TIMES:
        return plant
    likely = plant >= least / 2
    mirroring = _mirroring(likely)
    photo, plant, likely = photo[:, *mirroring], plant[mirroring], likely[mirroring]
    wide = _opened(likely)
    image = Image.fromarray(np.ascontiguousarray(photo.transpose(1, 2, 0)))
    across, down = photo.shape[2] / width, photo.shape[1] / height  # pixels of the photo for each of the map
    nearer = plant.copy()
    side = TILE_PX // _TIMES
    for y, x in _places(likely, likely & ~wide, most, time_for):
        yield
        top, left = (min(max(first - _MARGIN_PX, 0), length - side) for first, length in ((y, height), (x, width)))
        box = (left * across, top * down, (left + side) * across, (top + side) * down)
        tile = np.array(image.resize((TILE_PX, TILE_PX), Image.Resampling.BILINEAR, box)).transpose(2, 0, 1)
        trust = ndimage.maximum_filter(plant[top : top + side, left : left + side], 2 * _AROUND_PX + 1) ** _DOUBT
        found = with_odds(look(tile), trust.repeat(_TIMES, 0).repeat(_TIMES, 1)).reshape(side, _TIMES, side, _TIMES).mean((1, 3))
        nearer[y : y + _CORE_PX, x : x + _CORE_PX] = found[y - top : y - top + _CORE_PX, x - left : x - left + _CORE_PX]
    return np.where(wide, np.maximum(plant, nearer), nearer)[mirroring]


def is_larger(photo: Pixels, plant: Map) -> bool:
    """Whether a photo [3,h,w] has so many more pixels than a map [H,W] that there is more to be seen on it."""
    return bool(max(photo.shape) >= _LARGER * max(plant.shape))


def _mirroring(likely: Bools) -> tuple[slice, slice]:
    """How to mirror a photo so that the first half of its rows and columns has more plants: then a mirrored photo has the mirrored map."""
    counts = likely.sum(1), likely.sum(0)
    down, across = (slice(None, None, -1 if sums[: len(sums) // 2].sum() < sums[-(len(sums) // 2) :].sum() else 1) for sums in counts)
    return down, across


def _opened(mask: Bools) -> Bools:
    """What of a mask is wide: what squares of `_THIN_PX` cover that lie in it."""
    opened: Bools = ndimage.maximum_filter(ndimage.minimum_filter(mask.view(np.uint8), _THIN_PX), _THIN_PX).view(bool)
    return opened


def _places(likely: Bools, thin: Bools, most: int, time_for: Callable[[int], bool]) -> Iterator[tuple[int, int]]:
    """Top and left of the squares to look at, around the parts of a mask, those with the most thin pixels first, each whole."""
    labels, count = ndimage.label(likely, np.ones((3, 3)))
    boxes, counts = ndimage.find_objects(labels), np.bincount(labels[thin], minlength=count + 1)
    counts[counts < _LEAST_SHARE * np.bincount(labels[likely], minlength=count + 1)] = 0
    left = thin.copy()  # to look at
    order = np.argsort(-counts, kind="stable")[: min(_MOST_PARTS, np.count_nonzero(counts >= _LEAST_THIN))]
    for number in order:
        rows, columns = (_cores(side, length) for side, length in zip(boxes[number - 1], likely.shape, strict=True))
        cores = [(y, x) for y in rows for x in columns if np.count_nonzero(left[y : y + _CORE_PX, x : x + _CORE_PX]) >= _LEAST_THIN]
        if not cores or len(cores) > most or not time_for(len(cores)):  # seen in part, a row of plants would come apart
            continue
        most -= len(cores)
        for y, x in cores:
            left[y : y + _CORE_PX, x : x + _CORE_PX] = False
            yield y, x


def _cores(side: slice, length: int) -> list[int]:
    """Where squares begin that cover a stretch, with as much beyond it on either side."""
    count = math.ceil((side.stop - side.start) / _CORE_PX)
    first = round((side.start + side.stop - count * _CORE_PX) / 2)
    return [min(max(first + number * _CORE_PX, 0), length - _CORE_PX) for number in range(count)]

"""Squares of a photo around its plants: what the classifier of species is shown."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models_store import pixels
from models_store.pixels import Crop

_NEAR = 3  # times the square around a plant: a central square of that side still shows it as the training images do
_MARGIN = 0.15  # around a plant, of its longer side, as around those of the training images
_BLUR_PX = 2  # of the map, at least around the largest plant: a tip thinner than one of them is not seen
_SPREAD = 3  # times the longer side of its largest part: a plant whose leaves lie apart is no longer
Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the upright photo


def around(boxes: Sequence[Box], photo_size: tuple[int, int], pixel: float) -> Crop | None:
    """The square around the first box, that of the largest plant; None where the central square shows it as well, or there is no box.

    boxes: of all plants that may be parts of it. photo_size: width and height. pixel: of the map, in those of the photo.
    """
    if not boxes:
        return None
    wide, high = photo_size
    x, y, width, height = box = _with_leaves(boxes, pixel)
    side = min(round(_side_around(box, pixel)), wide, high)
    central = Crop(0, 0, wide, high).square
    across = central.x <= x and x + width <= central.x + central.width
    down = central.y <= y and y + height <= central.y + central.height
    if across and down and central.width <= _NEAR * side:
        return None
    left = _inside(round(x + width / 2 - side / 2), side, wide)
    top = _inside(round(y + height / 2 - side / 2), side, high)
    return Crop(left, top, side, side)


def cropped(photo: Pixels, box: Box, scale: float, size: int) -> Pixels:
    """A square around a box with a margin, scaled: uint8 [3,H,W] → uint8 [3,size,size].

    scale: pixels of `photo` for each of the box. At an edge of the photo the square is moved inside; where it is larger than the photo,
    the edge is repeated.
    """
    height, width = photo.shape[1:]
    side = max(1, round(max(box[2:]) * scale * (1 + 2 * _MARGIN)))
    left, top = (round((box[axis] + box[axis + 2] / 2) * scale - side / 2) for axis in (0, 1))
    left, top = (_inside(first, side, length) for first, length in ((left, width), (top, height)))
    square = photo[:, max(0, top) : top + side, max(0, left) : left + side]
    if square.shape[1:] != (side, side):
        beyond = ((max(0, -first), max(0, first + side - length)) for first, length in ((top, height), (left, width)))
        square = np.pad(square, ((0, 0), *beyond), "edge")
    return pixels.resized(square, (size, size))


def _with_leaves(boxes: Sequence[Box], pixel: float) -> Box:
    """The first box, with those that the square around it would cut: where leaves of one plant lie apart, each is a part of its own.

    The first box alone where that goes on beyond the size of a plant: there plants stand close.
    """
    whole = boxes[0]
    while max(whole[2:]) <= _SPREAD * max(boxes[0][2:]):
        half = _side_around(whole, pixel) / 2
        middle = [whole[axis] + whole[axis + 2] / 2 for axis in (0, 1)]
        joined = whole
        for box in boxes:
            beyond = [max(middle[axis] - half - box[axis], box[axis] + box[axis + 2] - middle[axis] - half) for axis in (0, 1)]
            if max(beyond) > 0 and all(beyond[axis] < box[axis + 2] for axis in (0, 1)):
                joined = _joined(joined, box)
        if joined == whole:
            return whole
        whole = joined
    return boxes[0]


def _side_around(box: Box, pixel: float) -> float:
    """Of the square around a box with its margin."""
    return max(box[2:]) + 2 * max(_MARGIN * max(box[2:]), _BLUR_PX * pixel)


def _joined(one: Box, other: Box) -> Box:
    left, top = min(one[0], other[0]), min(one[1], other[1])
    right, bottom = (max(one[axis] + one[axis + 2], other[axis] + other[axis + 2]) for axis in (0, 1))
    return left, top, right - left, bottom - top


def _inside(first: int, side: int, length: int) -> int:
    """Where a stretch of `side` begins so that it lies inside of `length`; around its middle where it is longer."""
    return (length - side) // 2 if side > length else min(max(first, 0), length - side)

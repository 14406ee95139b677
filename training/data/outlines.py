"""Plants outlined on photos by people, from whichever program, become the masks that a segmenter learns from."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models_store import pixels
from training import atomic_files
from training.data.masks import Mask
from training.errors import DataError

_NUMBERS = 255  # of plants in one PNG; from then on they begin again at 1
# Labels of what is no plant; the first two are LabelMe's own.
_GROUND = ("_background_", "__ignore__", "background", "ground", "soil")
_FAR = 1e6  # pixels; corners farther out are moved there
Corners = Sequence[float]  # x and y by turns, in pixels from the upper left corner of the photo


@dataclass(frozen=True)
class Outline:
    """One shape on a photo."""

    where: str  # in the file, for people
    shape: Callable[[], Sequence[Corners] | NDArray[np.bool_]]  # polygons, or [height,width] of the photo; raises ValueError
    plant: int | None  # shapes of one photo with the same number are one plant; None: this is ground, drawn over plants
    label: str  # as it was drawn; empty where the file does not say it


@dataclass(frozen=True)
class OutlinedPhoto:
    """A photo and what was drawn on it, the later ones on top."""

    source: Path  # the file that says it
    path: str  # of the photo as far as that is known, of any system; its name at the end
    width: int
    height: int
    outlines: list[Outline]

    @property
    def name(self) -> str:
        """Of the photo's file."""
        return self.path.replace("\\", "/").rpartition("/")[2]


def is_ground(label: str) -> bool:
    """Whether what has this label is no plant, in a file of any program: background, ground or soil."""
    return label.strip().lower() in _GROUND


def write(photo: OutlinedPhoto, mask: Path) -> None:
    """Write the mask of a photo as a PNG: 0 is ground, each plant has a number of its own from 1 to 255, so plants that touch stay apart.

    A later plant lies on top. Raises DataError naming the outline, DiskError.
    """
    atomic_files.write_atomically(mask, functools.partial(Image.fromarray(drawn(photo)).save, format="PNG"))


def check_size(file: Path, photo: OutlinedPhoto) -> None:
    """Whether a photo can be read, and is as large as the file with its outlines says. Raises DataError."""
    try:
        with pixels.opened(file) as picture:
            height, width = picture.whole().shape[1:]
    except (OSError, pixels.PixelsError) as error:
        raise DataError(f"{file} cannot be read ({error})") from None
    if (width, height) != (photo.width, photo.height):
        do = "annotate the very same file"
        if (height, width) == (photo.width, photo.height):
            do += ", or one that is saved as it is shown: a program that draws outlines may not turn photos by their EXIF orientation"
        raise DataError(f"{file} is {width}×{height}, by {photo.source} {photo.width}×{photo.height}; {do}")


def drawn(photo: OutlinedPhoto) -> Mask:
    """The mask of one photo, uint8 [height,width]: of a polygon the pixels whose middle lies in it. Raises DataError naming the outline."""
    mask = np.zeros((photo.height, photo.width), np.uint8)
    for outline in photo.outlines:
        value = 0 if outline.plant is None else outline.plant % _NUMBERS + 1
        try:
            shape = outline.shape()
            if isinstance(shape, np.ndarray):
                mask[shape] = value
            else:
                for polygon in shape:
                    _fill(mask, _corners(polygon, mask.shape), value)
        except ValueError as error:
            raise DataError(f"{photo.source}: {outline.where}, of {photo.name[:100]!r}: {error}") from None
    return mask


def _corners(polygon: Corners, size: tuple[int, ...]) -> NDArray[np.float64]:
    """The corners of a polygon as x and y, [n,2]; size: height and width of the photo. Raises ValueError."""
    if len(polygon) < 6 or len(polygon) % 2 or not np.isfinite(polygon).all():
        raise ValueError("a polygon has x and y of three corners or more")
    corners = np.asarray(polygon, np.float64).reshape(-1, 2)
    if (corners.max(0) <= 0).any() or (corners.min(0) >= size[::-1]).any():
        raise ValueError("it lies outside of the photo; is it of another one?")
    return corners.clip(-_FAR, _FAR)


def _fill(mask: Mask, corners: NDArray[np.float64], value: int) -> None:
    """Give a polygon's pixels this value. Pillow would take those on its edge, too: half a pixel more on each side."""
    height, width = mask.shape
    left, top = np.floor(corners.min(0)).clip(0).astype(int)
    right, bottom = np.ceil(corners.max(0)).clip(0, (width, height)).astype(int)
    (x, y), (next_x, next_y) = corners.T, np.roll(corners, -1, 0).T
    # The rows whose middle each edge crosses, all edges in one array, and where.
    first, last = (np.ceil(ends - 0.5).clip(top, bottom).astype(int) for ends in (np.minimum(y, next_y), np.maximum(y, next_y)))
    rows_of = last - first
    edge = np.repeat(np.arange(len(corners)), rows_of)
    row = np.arange(len(edge)) - np.repeat(rows_of.cumsum() - rows_of, rows_of) + first[edge]
    crossing = x[edge] + (row + 0.5 - y[edge]) * (next_x - x)[edge] / (next_y - y)[edge]
    column = np.ceil(crossing - 0.5).clip(left, right).astype(int)
    crossed = np.zeros((bottom - top, right - left + 1), np.int64)
    np.add.at(crossed, (row - top, column - left), 1)
    inside = crossed.cumsum(1)[:, :-1] % 2 == 1
    mask[top:bottom, left:right][inside] = value

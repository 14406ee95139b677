"""Plants outlined on photos by people, from whichever program, become the masks that a segmenter learns from."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

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
        raise DataError(f"{file} is {width}×{height}, by {photo.source} {photo.width}×{photo.height}; annotate the very same file")


def drawn(photo: OutlinedPhoto) -> Mask:
    """The mask of one photo, uint8 [height,width]. Raises DataError naming the outline."""
    picture = Image.new("L", (photo.width, photo.height))
    pen = ImageDraw.Draw(picture)
    for outline in photo.outlines:
        value = 0 if outline.plant is None else outline.plant % _NUMBERS + 1
        try:
            shape = outline.shape()
            if isinstance(shape, np.ndarray):
                picture.paste(value, (0, 0), Image.fromarray(shape.astype(np.uint8) * 255))
            else:
                for polygon in shape:
                    pen.polygon(_points(polygon, picture.size), fill=value)
        except ValueError as error:
            raise DataError(f"{photo.source}: {outline.where}, of {photo.name[:100]!r}: {error}") from None
    return np.asarray(picture)


def _points(polygon: Corners, size: tuple[int, int]) -> list[tuple[float, float]]:
    if len(polygon) < 6 or len(polygon) % 2 or not np.isfinite(polygon).all():
        raise ValueError("a polygon has x and y of three corners or more")
    corners = np.asarray(polygon).reshape(-1, 2)
    if (corners.max(0) <= 0).any() or (corners.min(0) >= size).any():
        raise ValueError("it lies outside of the photo; is it of another one?")
    at = corners - 0.5  # counted from the pixel's corner, by Pillow from its middle
    return [(x, y) for x, y in at.clip(-_FAR, _FAR).tolist()]

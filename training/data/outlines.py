"""Plants outlined on photos by people, from whichever program, become the masks that a segmenter learns from."""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models_store import image_files, pixels
from training import atomic_files
from training.data import masks
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
    name: str  # of its file, in the folder of photos
    width: int
    height: int
    outlines: list[Outline]


def file_name(path: str) -> str:
    """The name of a file in a path of any system."""
    return Path(path.replace("\\", "/")).name


def is_ground(label: str) -> bool:
    """Whether what has this label is no plant, in a file of any program: background, ground or soil."""
    return label.strip().lower() in _GROUND


def write(found: Sequence[OutlinedPhoto], photos: Path) -> list[Path]:
    """Write a PNG for each photo into a folder `masks` beside the folder `photos`. Returns them.

    0 is ground, each plant has a number of its own from 1 to 255, so plants that touch stay apart; a later one lies on top. Nothing
    is written unless all of it can be. Raises DataError naming the photo or outline, DiskError.
    """
    made = [masks.file(photos / photo.name) for photo in found]
    photos_of: dict[Path, list[OutlinedPhoto]] = {}
    for photo, mask in zip(found, made, strict=True):
        photos_of.setdefault(mask, []).append(photo)
    for mask, those in photos_of.items():
        if len(those) > 1:
            sources = " and ".join(dict.fromkeys(str(photo.source) for photo in those))
            raise DataError(f"{sources}: {len(those)} photos would have the mask {mask.name}; leave one file for each, each name once")
        if os.path.isfile(mask):
            raise DataError(f"{mask} is there already; remove it, or name another folder of photos")
    for photo in found:
        _check_size(photos / photo.name, photo)
    for photo in found:  # twice, so that what is wrong is told before the first is written
        drawn(photo)
    for photo, mask in zip(found, made, strict=True):
        picture = Image.fromarray(drawn(photo))
        atomic_files.write_atomically(mask, functools.partial(picture.save, format="PNG"))
    return made


def _check_size(file: Path, photo: OutlinedPhoto) -> None:
    """Whether the photo is there, as large as the file says. Raises DataError."""
    try:
        with pixels.opened(file) as picture:
            height, width = picture.whole().shape[1:]
    except FileNotFoundError:
        raise DataError(f"{file} is not there; put the photos ({image_files.NAMED}) into that folder") from None
    except (OSError, pixels.PixelsError) as error:
        raise DataError(f"{file} cannot be read ({error})") from None
    except ValueError:
        raise DataError(f"{photo.source}: no file can have the name {photo.name[:100]!r}; name the photo anew") from None
    if (width, height) != (photo.width, photo.height):
        raise DataError(f"{file} is {width}×{height}, its annotations are for {photo.width}×{photo.height}; annotate the very same file")


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

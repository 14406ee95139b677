"""Masks of photos from a COCO file, as CVAT exports it and labelme2coco writes it: polygons, and run lengths of both forms."""

import functools
import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel, Field, ValidationError

from models_store import image_files, pixels
from training import atomic_files
from training.errors import DataError

_MOST_BYTES = 512 * 2**20  # of the file
_NUMBERS = 255  # of plants in one PNG; from then on they begin again at 1
Mask = NDArray[np.uint8]


class _RunLengths(BaseModel):
    size: tuple[int, int]  # height, width
    counts: list[int] | str  # background and plant by turns, column by column; as text in COCO's compressed form


class _Photo(BaseModel):
    id: int
    file_name: str = Field(min_length=1)
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]


class _Plant(BaseModel):
    image_id: int
    segmentation: _RunLengths | list[list[float]]


class _File(BaseModel):
    images: list[_Photo]
    annotations: list[_Plant]


def write_masks(file: Path, photos: Path) -> list[Path]:
    """Write a PNG for each photo of a COCO file into a folder `masks` beside the folder `photos`. Returns them.

    0 is background. Each annotation has a number of its own from 1 to 255, so plants that touch stay apart; a later one lies on top.
    Nothing is written unless all of it can be. Raises DataError naming the photo or annotation, DiskError.
    """
    read = _read(file)
    of_photo: dict[int, list[tuple[int, _Plant]]] = defaultdict(list)
    for number, plant in enumerate(read.annotations):
        of_photo[plant.image_id].append((number, plant))
    if unknown := sorted(of_photo.keys() - {photo.id for photo in read.images}):
        raise DataError(f"{file}: annotations are of image {unknown[0]}, which is not among its images; export the file again")
    folder = photos.parent / "masks"
    names = [Path(photo.file_name.replace("\\", "/")).name for photo in read.images]
    masks = [folder / f"{Path(name).stem}.png" for name in names]
    for mask, times in ((mask, masks.count(mask)) for mask in masks):
        if times > 1:
            raise DataError(f"{file}: {times} photos would have the mask {mask.name}; give each photo a name of its own")
        if mask.exists():
            raise DataError(f"{mask} is there already; remove it, or name another folder of photos")
    for photo, name in zip(read.images, names, strict=True):
        _check_size(photos / name, photo)
    for photo in read.images:  # twice, so that what is wrong is told before the first is written
        _drawn(file, photo, of_photo[photo.id])
    for photo, mask in zip(read.images, masks, strict=True):
        drawn = Image.fromarray(_drawn(file, photo, of_photo[photo.id]))
        atomic_files.write_atomically(mask, functools.partial(drawn.save, format="PNG"))
    return masks


def _read(file: Path) -> _File:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise DataError(f"{file} is larger than {_MOST_BYTES >> 20} MiB; export fewer photos at a time")
        document: Any = json.loads(file.read_bytes())
        read = _File.model_validate(document)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{file} is no JSON ({str(error)[:100]}); export it as COCO") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{file} is not as COCO has it: {where}: {first['msg']}; export it as COCO, with polygons or masks") from None
    if not read.images:
        raise DataError(f"{file} names no images; export it as COCO, with the photos that have annotations")
    return read


def _check_size(file: Path, photo: _Photo) -> None:
    """Whether the photo is there, as large as the file says. Raises DataError."""
    try:
        with pixels.opened(file) as picture:
            height, width = picture.whole().shape[1:]
    except FileNotFoundError:
        raise DataError(f"{file} is not there; put the photos ({image_files.NAMED}) into that folder") from None
    except (OSError, pixels.PixelsError) as error:
        raise DataError(f"{file} cannot be read ({error})") from None
    if (width, height) != (photo.width, photo.height):
        raise DataError(f"{file} is {width}×{height}, its annotations are for {photo.width}×{photo.height}; annotate the very same file")


def _drawn(file: Path, photo: _Photo, plants: list[tuple[int, _Plant]]) -> Mask:
    """The mask of one photo, uint8 [height,width]. Raises DataError naming the annotation."""
    drawn = Image.new("L", (photo.width, photo.height))
    pen = ImageDraw.Draw(drawn)
    for order, (number, plant) in enumerate(plants):
        value = order % _NUMBERS + 1
        try:
            if isinstance(plant.segmentation, _RunLengths):
                inside = _of_run_lengths(plant.segmentation, photo)
                drawn.paste(value, (0, 0), Image.fromarray(inside.astype(np.uint8) * 255))
            else:
                if not plant.segmentation:
                    raise ValueError("it has a box alone; draw the outline of the plant")
                for polygon in plant.segmentation:
                    pen.polygon(_points(polygon), fill=value)
        except ValueError as error:
            raise DataError(f"{file}: annotation {number}, of {photo.file_name[:100]!r}: {error}") from None
    return np.asarray(drawn)


def _points(polygon: list[float]) -> list[tuple[float, float]]:
    if len(polygon) < 6 or len(polygon) % 2 or not np.isfinite(polygon).all():
        raise ValueError("a polygon has x and y of three corners or more")
    at = np.asarray(polygon).reshape(-1, 2) - 0.5  # COCO counts from the pixel's corner, Pillow from its middle
    return [(x, y) for x, y in at.clip(-1e6, 1e6).tolist()]


def _of_run_lengths(runs: _RunLengths, photo: _Photo) -> NDArray[np.bool_]:
    if runs.size != (photo.height, photo.width):
        raise ValueError(f"its mask is {runs.size[1]}×{runs.size[0]}, its photo {photo.width}×{photo.height}")
    counts = _counts(runs.counts) if isinstance(runs.counts, str) else runs.counts
    if any(count < 0 for count in counts) or sum(counts) != photo.height * photo.width:
        raise ValueError("its run lengths do not add up to the photo")
    turns = np.arange(len(counts)) % 2 == 1
    return np.repeat(turns, counts).reshape(photo.width, photo.height).T


def _counts(text: str) -> list[int]:
    """COCO's compressed form: each run length in groups of five bits, the lowest first, from the third on less the one two before."""
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("its run lengths are not in COCO's compressed form")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts

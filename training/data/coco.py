"""Plants on photos from a COCO file, as CVAT exports it: polygons, and run lengths of both forms."""

import functools
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from training.data import outlines
from training.data.outlines import Outline, OutlinedPhoto
from training.errors import DataError

_OF_CVAT = "instances_"  # how the names of its files begin; the rest is the folder of their photos


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
    category_id: Any = None


class _File(BaseModel):
    images: list[_Photo]
    annotations: list[_Plant]
    categories: Any = None

    def labels(self) -> list[str]:
        """Of each annotation; empty where the file does not say it."""
        known = [one for one in self.categories if isinstance(one, dict)] if isinstance(self.categories, list) else []
        names = {one["id"]: str(one.get("name") or "") for one in known if isinstance(one.get("id"), int)}
        return [names.get(one.category_id, "") if isinstance(one.category_id, int) else "" for one in self.annotations]


def is_of_coco(document: Any) -> bool:
    """Whether a JSON is a COCO file, as far as its first level says."""
    return isinstance(document, dict) and {"images", "annotations"} <= document.keys()


def read(file: Path, document: Any) -> list[OutlinedPhoto]:
    """The photos of a file's JSON and the plants on them: each annotation is one, but for those of a category that `outlines.is_ground`.

    Raises DataError naming what is wrong.
    """
    try:
        read = _File.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        outline = list(first["loc"][2:3]) == ["segmentation"] and first["type"] != "missing"
        where = ".".join(map(str, first["loc"][:3] if outline else first["loc"])) or "the whole"
        what = "neither a list of polygons, each a list of x and y, nor run lengths" if outline else first["msg"]
        raise DataError(f"{file} is not as COCO has it: {where}: {what}; export it as COCO, with polygons or masks") from None
    if not read.images:
        raise DataError(f"{file} names no images; export it as COCO, with the photos that have annotations")
    photos = {photo.id: photo for photo in read.images}
    if len(photos) < len(read.images):
        raise DataError(f"{file}: two images have the same id; export the file again")
    of_photo: dict[int, list[Outline]] = {number: [] for number in photos}
    for number, (plant, label) in enumerate(zip(read.annotations, read.labels(), strict=True)):
        if plant.image_id not in photos:
            raise DataError(f"{file}: annotations are of image {plant.image_id}, which is not among its images; export the file again")
        those = of_photo[plant.image_id]
        shape = functools.partial(_shape, plant.segmentation, photos[plant.image_id])
        those.append(Outline(f"annotation {number}", shape, None if outlines.is_ground(label) else len(those), label))
    folder = file.stem.removeprefix(_OF_CVAT)  # where CVAT puts the photos of the file
    return [OutlinedPhoto(file, f"{folder}/{photo.file_name}", photo.width, photo.height, of_photo[photo.id]) for photo in read.images]


def _shape(segmentation: _RunLengths | list[list[float]], photo: _Photo) -> list[list[float]] | NDArray[np.bool_]:
    if isinstance(segmentation, _RunLengths):
        return _of_run_lengths(segmentation, photo)
    if not segmentation:
        raise ValueError("it has a box alone; draw the outline of the plant")
    return segmentation


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

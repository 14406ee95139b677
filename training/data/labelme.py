"""Plants on photos from LabelMe's own files, one JSON beside each photo: polygons, rectangles, circles and painted masks."""

import base64
import binascii
import functools
import io
import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field, ValidationError

from training.data import outlines
from training.data.outlines import Corners, Outline, OutlinedPhoto
from training.errors import DataError

_CIRCLE = 64  # corners
_NO_AREA = ("point", "points", "line", "linestrip")
Point = tuple[float, float]


class _Shape(BaseModel):
    label: str
    points: list[Point]
    shape_type: Literal["polygon", "rectangle", "oriented_rectangle", "circle", "mask", "point", "points", "line", "linestrip"] = "polygon"
    group_id: int | None = None
    mask: str | None = None  # a PNG in base64, of the rectangle between the two points


class _File(BaseModel):
    shapes: list[_Shape]
    image_path: str = Field(alias="imagePath", min_length=1)
    width: Annotated[int, Field(alias="imageWidth", gt=0)]
    height: Annotated[int, Field(alias="imageHeight", gt=0)]


def is_of_labelme(document: Any) -> bool:
    """Whether a JSON is a file of LabelMe, as far as its first level says."""
    return isinstance(document, dict) and "shapes" in document


def read(file: Path, document: Any) -> OutlinedPhoto:
    """The photo of a file's JSON and the plants on it. Raises DataError naming what is wrong.

    A shape is a plant, but for those that `outlines.is_ground` of their label. Shapes of one label and one group are the same plant.
    """
    try:
        read = _File.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{file} is not as LabelMe has it: {where}: {first['msg']}; open it in LabelMe and save it again") from None
    numbers: dict[tuple[str, int], int] = {}  # label and group → the plant
    found = []
    for number, shape in enumerate(read.shapes):
        plant = number if shape.group_id is None else numbers.setdefault((shape.label, shape.group_id), number)
        where = f"{file.name}, shape {number} ({shape.label[:50]!r})"
        shown = None if outlines.is_ground(shape.label) else plant
        found.append(Outline(where, functools.partial(_drawn, shape, read), shown, shape.label))
    path = os.path.join(os.path.abspath(file.parent), read.image_path.replace("\\", "/"))
    return OutlinedPhoto(file, path, read.width, read.height, found)


def _drawn(shape: _Shape, photo: _File) -> list[Corners] | NDArray[np.bool_]:
    if shape.shape_type in _NO_AREA:
        raise ValueError(f"a {shape.shape_type} has no area; draw the outline of the plant as a polygon")
    if shape.shape_type in ("polygon", "oriented_rectangle"):  # both by their corners
        return [_flat(shape.points)]
    if len(shape.points) != 2 or not np.isfinite(shape.points).all():
        raise ValueError(f"a {shape.shape_type} has two points; draw it again")
    (left, top), (right, bottom) = shape.points
    if shape.shape_type == "mask":
        return _painted(shape, photo)
    if shape.shape_type == "rectangle":
        return [_flat([(left, top), (right, top), (right, bottom), (left, bottom)])]
    radius = math.dist(*shape.points)  # from the middle to a point of the circle
    turns = [2 * math.pi * corner / _CIRCLE for corner in range(_CIRCLE)]
    return [_flat([(left + radius * math.cos(turn), top + radius * math.sin(turn)) for turn in turns])]


def _flat(points: list[Point]) -> Corners:
    return [value for point in points for value in point]


def _painted(shape: _Shape, photo: _File) -> NDArray[np.bool_]:
    """A painted mask at its place: bool [height,width]. Its points are its first and its last pixel."""
    (left, top), (right, bottom) = (tuple(round(value) for value in point) for point in shape.points)
    size = (right - left + 1, bottom - top + 1)
    if not (0 <= left <= right < photo.width and 0 <= top <= bottom < photo.height):
        raise ValueError("its mask reaches beyond the photo; paint it again")
    try:
        with Image.open(io.BytesIO(base64.b64decode((shape.mask or "").encode(), validate=True)), formats=("PNG",)) as painted:
            if painted.size != size:
                raise ValueError(f"its mask is {painted.width}×{painted.height}, its points say {size[0]}×{size[1]}; paint it again")
            values = np.asarray(painted.convert("L")) > 0
    except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"its mask is no PNG ({str(error)[:100]}); paint it again") from None
    inside = np.zeros((photo.height, photo.width), bool)
    inside[top : bottom + 1, left : right + 1] = values
    return inside

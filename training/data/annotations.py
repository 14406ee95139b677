"""What people drew on photos, by the program that they drew it with: its files become masks."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from training.data import coco, labelme, outlines
from training.errors import DataError

_MOST_BYTES = 512 * 2**20  # of a file


def write_masks(source: Path, photos: Path) -> list[Path]:
    """Make a mask of each photo of a COCO file, of a file of LabelMe, or of a folder of these. Returns them.

    `outlines.write` says what masks are like. Raises DataError naming what is wrong, DiskError.
    """
    if source.is_dir():
        return outlines.write(source, [labelme.read(file, _document(file)) for file in labelme.files(source)], photos)
    document = _document(source)
    found = [labelme.read(source, document)] if labelme.is_of_labelme(document) else coco.read(source, document)
    return outlines.write(source, found, photos)


def without_plants(masks: list[Path]) -> list[str]:
    """The names of those masks, of `write_masks`, that hold no plant: bare ground, or nobody has looked at the photo."""
    bare = []
    for file in masks:
        with Image.open(file) as mask:
            if mask.getbbox() is None:
                bare.append(file.name)
    return bare


def _document(file: Path) -> Any:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise DataError(f"{file} is larger than {_MOST_BYTES >> 20} MiB; export fewer photos at a time")
        return json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{file} is no JSON ({str(error)[:100]}); export it as COCO, or save it with LabelMe") from None

"""What people drew on photos, by the program that they drew it with: its files become masks."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

from models_store import image_files
from training.data import coco, labelme, masks, outlines
from training.errors import DataError

_MOST_BYTES = 512 * 2**20  # of a file
_OF_CVAT = "annotations"  # the folder of its file; the photos lie beside it, in `images`


def write_masks(source: Path, photos: Path) -> list[Path]:
    """Make a mask of each photo of a COCO file, of a file of LabelMe, or of a folder of these. Returns them.

    `outlines.write` says what masks are like. Raises DataError naming what is wrong, DiskError.
    """
    if source.is_dir():
        return outlines.write(source, [labelme.read(file, _document(file)) for file in labelme.files(source)], photos)
    document = _document(source)
    found = [labelme.read(source, document)] if labelme.is_of_labelme(document) else coco.read(source, document)
    return outlines.write(source, found, photos)


def in_place_of_masks(folder: Path) -> tuple[Path, Path] | None:
    """The COCO file or the folder of LabelMe's files in a folder of photos without masks, and the folder with the photos themselves.

    None where there are masks or no such file. It lies beside the photos, a level above them, or in CVAT's folder there. Raises
    DataError where it is not clear.
    """
    photos = sorted({file.parent for file in image_files.find(folder).files}) if folder.is_dir() else []
    if not photos or any(place.name == masks.FOLDER or masks.folder(place).is_dir() for place in photos):
        return None
    for place in (folder, folder / _OF_CVAT, *photos):
        found = sorted(place.glob("*.json"))
        if not found:
            continue
        if len(photos) > 1:
            raise DataError(f"{place} holds outlines, but photos lie in {len(photos)} folders of {folder}; put them into one")
        if labelme.is_of_labelme(_document(found[0])):
            return place, photos[0]
        if len(found) > 1:
            raise DataError(f"{place} holds {len(found)} JSON files; leave the one with the outlines of the photos")
        return found[0], photos[0]
    return None


def without_plants(made: list[Path]) -> list[str]:
    """The names of those masks, of `write_masks`, that hold no plant: bare ground, or nobody has looked at the photo."""
    bare = []
    for file in made:
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

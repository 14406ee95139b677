"""What people drew on photos, by the program that they drew it with: its files become masks."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.data import coco, labelme, masks, outlines
from training.data.images import photos_beside_masks
from training.data.outlines import OutlinedPhoto
from training.errors import DataError

_MOST_BYTES = 512 * 2**20  # of a file
_OF_CVAT = "annotations"  # the folder of its file; the photos lie beside it, in `images`


@dataclass(frozen=True)
class DrawnMasks:
    """Masks that were made, and how many outlines of each label count as what."""

    files: list[Path]
    plants: Counter[str]
    ground: Counter[str]


def write_masks(source: Path, photos: Path) -> DrawnMasks:
    """Make a mask of each photo of a COCO file, of a file of LabelMe, or of a folder of these.

    `outlines.write` says what masks are like. Raises DataError naming what is wrong, DiskError.
    """
    if source.is_dir():
        return _write([labelme.read(file, _document(file)) for file in labelme.files(source)], photos)
    document = _document(source)
    return _write([labelme.read(source, document)] if labelme.is_of_labelme(document) else coco.read(source, document), photos)


def draw_missing(folder: Path) -> DrawnMasks | None:
    """Make masks of those photos of a folder that have outlines, as CVAT and LabelMe save them, and no mask yet. None where all have one.

    Raises DataError naming what is wrong, also outlines that have changed since their mask was made; DiskError.
    """
    found = outlines_in(folder)
    if found is None:
        return None
    source, photos = found
    if not _has_masks(photos):
        return write_masks(source, photos)
    lacking = []
    for photo in _perhaps_changed(source, photos):
        mask = masks.file(photos / photo.name)
        if not os.path.isfile(mask):
            lacking.append(photo)
        elif _is_newer(photo.source, mask) and not np.array_equal(outlines.drawn(photo), masks.read(mask)):
            raise DataError(f"{photo.source} is newer than {mask}, and its outlines are others; remove the mask to draw it anew")
    lacking = [photo for photo in lacking if os.path.isfile(photos / photo.name)]  # others may have been moved elsewhere
    return _write(lacking, photos) if lacking else None


def outlines_in(folder: Path) -> tuple[Path, Path] | None:
    """The COCO file or the folder of LabelMe's files in a folder of photos, and the folder with the photos themselves.

    None where there is no such file. It lies beside the photos, a level above them, or in CVAT's folder there. Raises DataError where
    it is not clear; where there are masks, it need not be, and other files do not matter.
    """
    photos = sorted({file.parent for file in photos_beside_masks(folder)}) if folder.resolve().name != masks.FOLDER else []
    has_masks = any(_has_masks(place) for place in photos)
    for place in (folder, folder / _OF_CVAT, *photos):
        found = _of_outlines(place) if has_masks else labelme.json_files(place)
        if not found or not photos or (has_masks and len(photos) > 1):
            continue
        if len(photos) > 1:
            raise DataError(f"{place} holds outlines, but photos lie in {len(photos)} folders of {folder}; put them into one")
        if labelme.is_of_labelme(_document(found[0])):
            return place, photos[0]
        if len(found) == 1:
            return found[0], photos[0]
        if not has_masks:
            raise DataError(f"{place} holds {len(found)} JSON files; leave the one with the outlines of the photos")
    return None


def without_plants(made: list[Path]) -> list[str]:
    """The names of those masks, of `write_masks`, that hold no plant: bare ground, or nobody has looked at the photo."""
    bare = []
    for file in made:
        with Image.open(file) as mask:
            if mask.getbbox() is None:
                bare.append(file.name)
    return bare


def _write(found: Sequence[OutlinedPhoto], photos: Path) -> DrawnMasks:
    made = outlines.write(found, photos)
    every = [outline for photo in found for outline in photo.outlines]
    plants, ground = (Counter(one.label for one in every if (one.plant is None) == is_ground) for is_ground in (False, True))
    return DrawnMasks(made, plants, ground)


def _perhaps_changed(source: Path, photos: Path) -> list[OutlinedPhoto]:
    """What is outlined in a COCO file or a folder of LabelMe's, but for LabelMe's files that are older than the mask of their name."""
    if not source.is_dir():
        return coco.read(source, _document(source))
    found = []
    for file in labelme.files(source):
        mask = masks.file(photos / file.name)
        if not os.path.isfile(mask) or _is_newer(file, mask):
            document = _document(file)
            if labelme.is_of_labelme(document):
                found.append(labelme.read(file, document))
    return found


def _of_outlines(place: Path) -> list[Path]:
    """The files of a folder with outlines by their first level; of LabelMe's the first one is enough."""
    found = []
    for file in labelme.json_files(place):
        try:
            document = _document(file)
        except DataError:
            continue
        if labelme.is_of_labelme(document):
            return [file]
        if coco.is_of_coco(document):
            found.append(file)
    return found


def _has_masks(photos: Path) -> bool:
    folder = masks.folder(photos)
    return folder.is_dir() and any(file.suffix.lower() == ".png" for file in folder.iterdir())


def _is_newer(file: Path, mask: Path) -> bool:
    return file.stat().st_mtime_ns > mask.stat().st_mtime_ns


def _document(file: Path) -> Any:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise DataError(f"{file} is larger than {_MOST_BYTES >> 20} MiB; export fewer photos at a time")
        return json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # also a number of too many digits
        raise DataError(f"{file} is no JSON ({str(error)[:100]}); export it as COCO, or save it with LabelMe") from None

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

from models_store import image_files
from training.data import coco, labelme, masks, outlines
from training.data.outlines import OutlinedPhoto
from training.data.photo_names import PhotoNames
from training.errors import DataError

_MOST_BYTES = 512 * 2**20  # of a file
_MOST_FILES = 100_000  # in a folder
_OF_CVAT, _IMAGES, _LEVELS = "annotations", "images", 3  # the folder of CVAT's files beside the one of its photos, so far above these

_APART = "move each folder of photos into a folder of its own, with its masks, or name the folder above them"


@dataclass(frozen=True)
class DrawnMasks:
    """Masks that were made, and how many outlines of each label count as what."""

    files: list[Path]
    plants: Counter[str]
    ground: Counter[str]
    kept: list[Path]  # masks that were there already
    differing: list[Path]  # those of them that are not what the outlines say
    absent: list[str]  # names of outlined photos that are not there


def write_masks(sources: Sequence[Path], photos: Path, *, replace: bool = False) -> DrawnMasks:
    """Make a mask of each photo that COCO files, files of LabelMe, or folders of these have outlines of.

    A mask that is there stays, unless it is to be replaced. `outlines.write` says what masks are like. Nothing is written unless all of
    it can be. Raises DataError naming what is wrong, DiskError.
    """
    found = [photo for source in sources for photo in _of_source(source)]
    names = PhotoNames(photos)
    matched = names.match(found)
    if not matched.photos:
        first = matched.absent[0]
        where = image_files.printable(photos / first.name)
        raise DataError(f"{where} is not there, nor another photo of {first.source}; put the photos there ({image_files.NAMED})")
    absent = sorted({one.name for one in matched.absent} - {one.name for one in matched.photos.values()})
    return _write(matched.photos, names, replace=replace, absent=absent)


def draw_missing(folder: Path) -> DrawnMasks | None:
    """Make masks of those photos of a folder that have outlines, as CVAT and LabelMe save them, and no mask yet. None where all have one.

    Raises DataError naming what is wrong, also outlines that have changed since their mask was made; DiskError.
    """
    if folder.resolve().name == masks.FOLDER:
        return None
    names = PhotoNames(folder)
    lacking = {photo for photo in names.files if not os.path.isfile(masks.file(photo))}
    found = []
    for file in sources(folder):
        of_its_name = names.of_stem(file)  # as LabelMe calls its files
        if of_its_name and all(_is_settled(file, photo) for photo in of_its_name):
            continue
        try:
            found += _read(file) or []
        except DataError:
            if lacking:
                raise
    matched = names.match(found).photos
    for photo in matched.keys() - lacking:
        mask, source = masks.file(photo), matched[photo].source
        others = _sharing(photo, mask)
        if (others or _is_newer(source, mask)) and not np.array_equal(outlines.drawn(matched[photo]), masks.read(mask)):
            if others:
                raise DataError(f"{mask} is another one than {source} draws, and may be of {others[0]}; {_APART}")
            raise DataError(f"{source} is newer than {mask}, and its outlines are others; remove the mask to draw it anew")
    drawn = {photo: matched[photo] for photo in names.files if photo in lacking and photo in matched}
    return _write(drawn, names) if drawn else None


def check_apart(photos: Sequence[Path]) -> None:
    """Whether each photo has a mask of its own. Raises DataError naming two that have not."""
    seen: dict[Path, Path] = {}
    for photo in dict.fromkeys(Path(os.path.abspath(photo)) for photo in photos):
        mask = masks.file(photo)
        if mask in seen and os.path.isfile(mask):
            raise DataError(f"{mask} would be the mask of {seen[mask]} and of {photo}; {_APART}")
        seen[mask] = photo


def sources(folder: Path) -> list[Path]:
    """The JSON files that may hold outlines of a folder's photos: those in it, and those of CVAT beside its folder `images`."""
    absolute = Path(os.path.abspath(folder))
    beside = [place.with_name(_OF_CVAT) for place in (absolute, *absolute.parents[:_LEVELS]) if place.name == _IMAGES]
    return [file for place in (folder, *beside[:1]) if place.is_dir() for file in _json_files(place)]


def without_plants(made: list[Path]) -> list[str]:
    """The names of those masks, of `write_masks`, that hold no plant: bare ground, or nobody has looked at the photo."""
    bare = []
    for file in made:
        with Image.open(file) as mask:
            if mask.getbbox() is None:
                bare.append(file.name)
    return bare


def _write(drawn: dict[Path, OutlinedPhoto], names: PhotoNames, *, replace: bool = False, absent: Sequence[str] = ()) -> DrawnMasks:
    home, top = masks.home(names.folder, names.files)
    made: dict[Path, Path] = {}  # mask → photo
    kept, differing = [], []
    for photo, outlined in drawn.items():
        mask = masks.file(photo)
        there = os.path.isfile(mask)
        if not there:
            mask = (home / masks.FOLDER / Path(os.path.abspath(photo)).relative_to(top)).with_suffix(".png")
        if mask in made:
            raise DataError(f"{made[mask]} and {photo} would have one mask, {mask}; give one of them another name, and annotate it by that")
        outlines.check_size(photo, outlined)
        new = outlines.drawn(outlined)  # here, so that what is wrong is told before the first is written
        if there and not replace:
            kept.append(mask)
            differing += [] if np.array_equal(new, masks.read(mask)) else [mask]
        else:
            made[mask] = photo
    for mask, photo in made.items():
        outlines.write(drawn[photo], mask)
    every = [outline for photo in made.values() for outline in drawn[photo].outlines]
    plants, ground = (Counter(one.label for one in every if (one.plant is None) == is_ground) for is_ground in (False, True))
    return DrawnMasks(list(made), plants, ground, kept, differing, list(absent))


def _of_source(source: Path) -> list[OutlinedPhoto]:
    """What a file, or those of a folder, outline. Raises DataError, also where that is nothing."""
    if not source.is_dir():
        if (found := _read(source)) is None:
            raise DataError(f"{source} is not as COCO has it, nor as LabelMe has it; export it as COCO, or save it with LabelMe")
        return found
    files = _json_files(source)
    if len(files) > _MOST_FILES:
        raise DataError(f"{source} holds {len(files)} JSON files; name a folder of at most {_MOST_FILES}")
    found = [photo for file in files for photo in _read(file) or []]
    if not found:
        raise DataError(f"{source} holds no JSON file with outlines; name the folder where CVAT or LabelMe saves them")
    return found


def _json_files(folder: Path) -> list[Path]:
    """The files with JSON by their names, in a folder and all folders in it, sorted. Raises DataError."""
    found: list[Path] = []

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be listed ({error.strerror})")

    for inside, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if name != masks.FOLDER and not image_files.is_left_behind(name)]
        found += [Path(inside, name) for name in files if name.lower().endswith(".json") and not image_files.is_left_behind(name)]
    return sorted(found)


def _read(file: Path) -> list[OutlinedPhoto] | None:
    """The photos of a file and what is outlined on them; None for a JSON of something else. Raises DataError."""
    document = _document(file)
    if labelme.is_of_labelme(document):
        return [labelme.read(file, document)]
    return coco.read(file, document) if coco.is_of_coco(document) else None


def _is_settled(file: Path, photo: Path) -> bool:
    """Whether a photo has a mask of its own that is as new as the file of its name."""
    mask = masks.file(photo)
    return os.path.isfile(mask) and not _is_newer(file, mask) and not _sharing(photo, mask)


def _sharing(photo: Path, mask: Path) -> list[Path]:
    """The photos of the same name in the folders beside, where the mask is in a folder beside them all."""
    photo = Path(os.path.abspath(photo))
    home = photo.parent.parent
    if mask.parent != home / masks.FOLDER:
        return []
    others = [folder / photo.name for folder in sorted(home.iterdir()) if folder.name not in (masks.FOLDER, photo.parent.name)]
    return [other for other in others if os.path.isfile(other)]


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

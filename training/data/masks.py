"""The masks of photos: where they lie, and what a PNG of any kind says."""

import itertools
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from training.errors import DataError

FOLDER = "masks"
_SUFFIXES = ["." + "".join(letters) for letters in itertools.product("pP", "nN", "gG")]  # `.png` comes first
_LEVELS = 6  # folders above a photo, at most, that its mask's place is told by
Mask = NDArray[np.uint8]


def file(photo: Path) -> Path:
    """The mask of a photo: beside its folder, or in it; of a photo in folders of a folder, in folders of the same names.

    So `field/images/tray 1/a.jpg` has `field/masks/tray 1/a.png`, `field/images/masks/a.png` or others of this kind. Of two the one in
    more folders counts. Where there is none: the one beside its folder.
    """
    photo = Path(os.path.abspath(photo))
    places = []
    for above in reversed(photo.parents[:_LEVELS]):
        within = photo.relative_to(above).with_suffix("")
        places += [above.parent / FOLDER / within, above / FOLDER / within]
    named = (place.with_name(place.name + suffix) for suffix in _SUFFIXES for place in places)
    there = next((one for one in named if os.path.isfile(one)), None)  # False, too, for a name that no file can have
    return there or _of_other_letters(places) or photo.parent.parent / FOLDER / f"{photo.stem}{_SUFFIXES[0]}"


def home(folder: Path, photos: Iterable[Path]) -> tuple[Path, Path]:
    """The folder whose folder `masks` gets the masks of a folder's photos, and the folder in whose place `masks` stands there.

    A folder that holds photos itself has them beside it. One that holds them in folders alone has them in it.
    """
    inside = {photo.relative_to(folder).parts[:-1][:1] for photo in photos}  # first folders, () for none
    absolute = Path(os.path.abspath(folder))
    if () in inside:
        return absolute.parent, absolute
    return absolute, (absolute.joinpath(*inside.pop()) if len(inside) == 1 else absolute)


def _of_other_letters(places: Iterable[Path]) -> Path | None:
    """The mask whose name is the same to people: some systems keep an ü as one sign, others as a u and its dots."""
    for place in places:
        if place.name.isascii() or not place.parent.is_dir():
            continue
        for one in place.parent.iterdir():
            if one.suffix in _SUFFIXES and one.name[:-4] != place.name and same_name(one.name[:-4]) == same_name(place.name):
                return one
    return None


def same_name(name: str) -> str:
    """A name by which files of one name are told, however their letters are composed."""
    return unicodedata.normalize("NFC", name)


def of_photo(photo: Path, size: tuple[int, int]) -> Mask:
    """The mask of a photo of that width and height. Raises as `read`, and DataError for one of another size."""
    mask = read(file(photo))
    if mask.shape[::-1] != size:
        do = "turn it as the photo is turned, by its EXIF orientation" if mask.shape == size else "they must be alike"
        raise DataError(f"{file(photo)} is {mask.shape[1]}×{mask.shape[0]}, its photo {size[0]}×{size[1]}; {do}")
    return mask


def read(mask: Path) -> Mask:
    """A mask [H,W], 0 for background. Raises FileNotFoundError, DataError for one that cannot be read."""
    try:
        with Image.open(mask, formats=("PNG",)) as opened:
            return _numbers(opened)
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged data raises whatever its damage leads to
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        reason = "it is no PNG" if isinstance(error, UnidentifiedImageError) else reason  # whose words are the path once more
        raise DataError(f"{mask} cannot be read ({reason}); draw this mask anew as a PNG, or copy it again") from None


def touching(mask: Mask) -> NDArray[np.bool_]:
    """Where a plant lies beside one of another number: [H,W] → [H,W]. Numbers that are nowhere three pixels wide are soft edges."""
    found = _beside_others(mask)
    if found.any():
        numbers = np.unique(mask[ndimage.minimum_filter(mask, 3) == ndimage.maximum_filter(mask, 3)])
        found = _beside_others(np.where(np.isin(mask, numbers), mask, 0).astype(np.uint8))
    return found


def _beside_others(mask: Mask) -> NDArray[np.bool_]:
    found = np.zeros(mask.shape, bool)
    for here, before in ((mask[1:], mask[:-1]), (mask[:, 1:], mask[:, :-1])):
        found[-here.shape[0] :, -here.shape[1] :] |= (here != before) & (here > 0) & (before > 0)
    return found


def _numbers(mask: Image.Image) -> Mask:
    """A mask of any kind of PNG as numbers [H,W]: 0 where it is 0, black or transparent."""
    palette = mask.getpalette() if mask.mode == "P" else None
    if mask.mode.startswith("I"):
        return np.asarray(mask).clip(0, 255).astype(np.uint8)
    colours = np.asarray(mask.convert("RGBA"))
    seen = colours[..., 3] > 0
    if mask.mode == "L" or (palette is not None and not any(palette[:3])):  # of a palette, 0 is black
        return np.where(seen, np.asarray(mask, np.uint8), 0).astype(np.uint8)
    coloured = colours[..., :3].any(-1) & seen
    return np.where(coloured, np.asarray(mask.convert("RGB").convert("L")).clip(1), 0).astype(np.uint8)

"""The masks of photos: where they lie, and what a PNG of any kind says."""

import itertools
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.errors import DataError

FOLDER = "masks"
_SUFFIXES = ["." + "".join(letters) for letters in itertools.product("pP", "nN", "gG")]  # `.png` comes first
Mask = NDArray[np.uint8]


def folder(photos: Path) -> Path:
    """The folder of the masks of a folder of photos: beside it, whatever it is called by, such as `.`."""
    return Path(os.path.abspath(photos)).parent / FOLDER


def file(photo: Path) -> Path:
    """The mask of a photo, whether it is there or not."""
    beside = folder(photo.parent)
    named = [beside / f"{photo.stem}{suffix}" for suffix in _SUFFIXES]
    return next((one for one in named if os.path.isfile(one)), named[0])  # False, too, for a name that no file can have


def of_photo(photo: Path, size: tuple[int, int]) -> Mask:
    """The mask of a photo of that width and height. Raises as `read`, and DataError for one of another size."""
    mask = read(file(photo))
    if mask.shape[::-1] != size:
        raise DataError(f"{file(photo)} is {mask.shape[1]}×{mask.shape[0]}, its photo {size[0]}×{size[1]}; they must be alike")
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
        raise DataError(f"{mask} cannot be read ({reason}); draw this mask anew as a PNG, or copy it again") from None


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

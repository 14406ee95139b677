"""Squares of any photos, to set plants on: bare soils above all, but whatever lies under a plant will do."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from models_store import image_files, pixels
from training.data import masks
from training.data.images import photos_beside_masks
from training.errors import DataError
from training.recipe import FieldScenes
from training.references import reference

_SIDE = 640  # pixels a side of a photo's central square, from which the squares are cut
_SQUARES = 12  # of each photo, at most
MOST_SQUARES = 12_000  # of all photos together, where one of each is not more: 0.8 GB of 150 pixels a side
_TRIES = 20  # for each square, before a photo is left as overgrown
_LEAST = 0.2  # side of a square, of the photo's
_PLANT = 0.002  # share of a square that may be plant by its mask


def squares(folders: Sequence[Path], size: int = pixels.SIZE, seed: int = 0) -> Tensor:
    """Squares of all photos in `folders` and theirs: uint8 [M,3,size,size]; of many photos fewer. The same for the same files and seed.

    Where a photo lies in a folder beside a folder `masks` with a PNG of its name, 0 for background, only its bare parts are taken.
    Raises DataError for a folder without photos, a file that cannot be read, or where plants cover all.
    """
    found = _all(files(folders), size, seed)
    if found is None:
        raise _overgrown(folders)
    return found


def squares_and_of(folders: Sequence[Path], more: Sequence[Path], size: int = pixels.SIZE, seed: int = 0) -> Tensor | None:
    """The same, and of the photos `more`, which are wanted for their plants: None where only they are given and have no bare part."""
    found = _all([*files(folders), *more], size, seed)
    if found is None and folders:
        raise _overgrown(folders)
    return found


def for_recipe(folders: Sequence[Path], settings: FieldScenes) -> Tensor | None:
    """The squares of `folders` for a recipe that sets plants on photos; None without folders.

    Raises DataError where the recipe has no use for them.
    """
    if folders and not (settings.share and settings.photos):
        raise DataError("the recipe sets no plants on photos; --background-photos is for those whose [field] has a share and photos")
    return squares(folders) if folders else None


def names(folders: Sequence[Path], squares: Tensor | None) -> list[str]:
    """What a run's description calls them: each folder's name, with the start of the SHA-256 of all their squares."""
    if squares is None:
        return []
    content = squares.numpy().tobytes()
    return [reference(folder.resolve().name, content) for folder in folders]


def files(folders: Sequence[Path]) -> list[Path]:
    """The photos of `folders`. Raises DataError for a folder without any."""
    found: list[Path] = []
    for folder in folders:
        inside = photos_beside_masks(folder)
        if not inside:
            raise DataError(f"{folder} holds no photos ({image_files.NAMED}); give a folder of backgrounds to set plants on")
        found += inside
    return found


def _overgrown(folders: Sequence[Path]) -> DataError:
    return DataError(f"{', '.join(map(str, folders))}: plants cover every part of the photos by their masks; give others")


def _all(photos: Sequence[Path], size: int, seed: int) -> Tensor | None:
    """The squares of photos; None where there are none."""
    each = max(1, min(_SQUARES, MOST_SQUARES // max(1, len(photos))))
    cut = np.empty((len(photos) * each, 3, size, size), np.uint8)  # unused rows take no memory
    count = 0
    for number, file in enumerate(tqdm(photos, "backgrounds", leave=False, disable=None)):
        for square in _of(file, each, size, np.random.default_rng([seed, number])):
            cut[count] = square
            count += 1
    return torch.from_numpy(cut[:count]) if count else None


def _of(file: Path, each: int, size: int, random: np.random.Generator) -> list[NDArray[np.uint8]]:
    try:
        with pixels.opened(file) as picture:
            photo = picture.square(_SIDE).pixels  # uint8 [3,side,side]
            upright = picture.upright_size
    except (pixels.PixelsError, OSError) as error:
        raise DataError(f"{file}: {error}") from None
    plant = _mask(file, upright)  # bool [side,side]
    cut = []
    for _ in range(each):
        for _ in range(_TRIES):
            side = int(_SIDE * math.exp(random.uniform(math.log(_LEAST), 0)))
            top, left = random.integers(0, _SIDE - side + 1, 2)
            rows, columns = slice(top, top + side), slice(left, left + side)
            if plant[rows, columns].mean() <= _PLANT:
                square = Image.fromarray(photo[:, rows, columns].transpose(1, 2, 0)).resize((size, size), Image.Resampling.BILINEAR)
                cut.append(np.asarray(square).transpose(2, 0, 1))
                break
    return cut


def _mask(file: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a photo's mask shows a plant, of its central square; nowhere without a mask. size: the photo's. Raises DataError."""
    try:
        mask = Image.fromarray(masks.of_photo(file, size))
    except FileNotFoundError:
        return np.zeros((_SIDE, _SIDE), bool)
    side = min(mask.size)
    left, top = (mask.width - side) // 2, (mask.height - side) // 2
    return np.asarray(mask.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)) > 0

"""Photos with masks of their plants: what a segmenter learns from besides composed pictures, and is measured on."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models_store import image_files, pixels
from training.data.images import photos_beside_masks
from training.errors import DataError

_SQUARES = 8  # of each photo
_TRIES = 20  # for each square, before a photo is left as bare
_SIDES = (90, 220)  # pixels of the photo, of a square's side: a plant's size, as it is cut out for the classifier
_PLANT = 0.01  # share of a square that is plant, at least


@dataclass(frozen=True)
class Masked:
    """Squares of photos and how much of each pixel is plant."""

    pixels: Tensor  # uint8 [M,3,S,S]
    plants: Tensor  # float [M,1,S,S] in 0–1


def squares(folder: Path, size: int = pixels.SIZE, seed: int = 0) -> Masked:
    """Squares with plants from photos in a folder beside a folder `masks` with a PNG for each, 0 for ground.

    The same for the same files and seed. Raises DataError for a photo without a mask, one of another size, or an unreadable one.
    """
    files = photos_beside_masks(folder)
    if not files:
        raise DataError(f"{folder} holds no photos ({image_files.NAMED}); their masks belong in a folder `masks` beside it")
    photos, masks = [], []
    for number, file in enumerate(files):
        photo, plant = _read(file)
        random = np.random.default_rng([seed, number])
        for _ in range(_SQUARES):
            for _ in range(_TRIES):
                side = min(int(math.exp(random.uniform(math.log(_SIDES[0]), math.log(_SIDES[1])))), *plant.size)
                left, top = (int(random.integers(0, most - side + 1)) for most in plant.size)
                box = (left, top, left + side, top + side)
                if np.asarray(plant.crop(box)).mean() >= 255 * _PLANT:
                    photos.append(np.asarray(photo.crop(box).resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1))
                    masks.append(np.asarray(plant.crop(box).resize((size, size), Image.Resampling.BOX))[None])
                    break
    if not photos:
        raise DataError(f"{folder}: by their masks there is hardly a plant on the photos; 0 is ground, 1 and more are plants")
    return Masked(torch.from_numpy(np.stack(photos)), torch.from_numpy(np.stack(masks)) / 255)


def _read(file: Path) -> tuple[Image.Image, Image.Image]:
    """A photo as the service would see it, RGB, and where it shows plants, 0 or 255."""
    mask_file = file.parent.parent / "masks" / f"{file.stem}.png"
    try:
        with pixels.opened(file) as picture:
            photo = Image.fromarray(picture.whole().transpose(1, 2, 0))
        with Image.open(mask_file, formats=("PNG",)) as opened:
            plant = Image.fromarray((np.asarray(opened) > 0).astype(np.uint8) * 255)
    except FileNotFoundError:
        raise DataError(f"{file} has no mask {mask_file}; draw one, or move the photo elsewhere") from None
    except (OSError, pixels.PixelsError, Image.DecompressionBombError) as error:
        raise DataError(f"{file} or its mask cannot be read ({error})") from None
    if photo.size != plant.size:
        raise DataError(f"{mask_file} is {plant.width}×{plant.height}, its photo {photo.width}×{photo.height}; they must be alike")
    return photo, plant

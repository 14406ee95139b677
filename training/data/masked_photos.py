"""Photos with masks of their plants: what a segmenter learns from besides composed pictures, and is measured on."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from models_store import image_files, pixels
from training.data import annotations, masks
from training.data.images import photos_beside_masks
from training.errors import DataError

_SQUARES = 8  # of each photo
_TRIES = 20  # for each square, before a photo is left as bare
_SIDES = (90, 220)  # pixels of the photo, of a square's side: a plant's size, as it is cut out for the classifier
_PLANT = 0.01  # share of a square that is plant, at least


@dataclass(frozen=True)
class MaskedSquares:
    """Squares of photos and how much of each pixel is plant."""

    pixels: Tensor  # uint8 [M,3,S,S]
    plants: Tensor  # uint8 [M,1,S,S], 255 where all of the pixel is plant
    apart: Tensor  # bool [M], whether no plants of two numbers touch, so that each connected part may be one plant

    def to(self, device: torch.device) -> "MaskedSquares":
        """The same on a device."""
        return MaskedSquares(self.pixels.to(device), self.plants.to(device), self.apart.to(device))


Half = Literal["first", "second"]  # of a folder's photos in the order of their names: neighbours show the same plants


def home(folder: Path) -> Path:
    """The folder that holds photos and their masks, of itself or of a folder of photos in it: what a field is called by."""
    folder = folder.resolve()
    found = next((place for place in (folder, folder.parent) if (place / masks.FOLDER).is_dir()), folder)
    return found.parent if found.name == "images" else found  # as CVAT has its photos, in a folder in `images`


def has_masks(folder: Path) -> bool:
    """Whether a photo of a folder has a mask. Raises DataError."""
    return any(masks.file(photo).is_file() for photo in photos_beside_masks(folder))


def files(folder: Path, half: Half | None = None) -> list[Path]:
    """The photos of a folder, or those of one half of it. Raises DataError where there are none."""
    if folder.suffix.lower() == ".json":
        raise DataError(f"{folder} holds outlines; make masks of it first: photo-segmenter masks {folder} --photos DIR")
    if folder.resolve().name == masks.FOLDER:
        raise DataError(f"{folder} holds the masks themselves; name the folder of their photos, which lies beside it")
    found = photos_beside_masks(folder)
    if not found and not folder.is_dir():
        raise DataError(f"{folder} is not there, or is no folder; name that of the photos, whose masks lie in a folder `masks` beside it")
    if not found:
        raise DataError(f"{folder} holds no photos ({image_files.NAMED}); their masks belong in a folder `masks` beside it")
    if half is None:
        return found
    if len(found) == 1:
        raise DataError(f"{folder} holds one photo, of which there is no half; give more photos, or leave out --half")
    middle = len(found) // 2
    return found[:middle] if half == "first" else found[middle:]


def squares(
    folder: Path,
    size: int = pixels.SIZE,
    seed: int = 0,
    sides: tuple[int, int] = _SIDES,
    half: Half | None = None,
    *,
    each: int = _SQUARES,
    anywhere: int = 0,
) -> MaskedSquares:
    """Squares with plants from photos in a folder beside a folder `masks` with a PNG for each, 0 for background.

    sides: pixels of the photo, of a square's side, log-uniform between the two. each: squares of a photo; the first `anywhere` of them
    may lack plants. The same for the same files and seed. Raises DataError for a photo without a mask, one of another size, or an
    unreadable one.
    """
    found = files(folder, half)
    photos, plants = (np.empty((len(found) * each, channels, size, size), np.uint8) for channels in (3, 1))  # unused rows take no memory
    apart = torch.zeros(len(photos), dtype=torch.bool)
    count = with_plants = 0
    for number, file in enumerate(tqdm(found, "photos with masks", leave=False, disable=None)):
        photo, mask = read(file)
        plant = Image.fromarray((mask > 0).astype(np.uint8) * 255)
        touching = masks.touching(mask)
        random = np.random.default_rng([seed, number])
        for turn in range(each):
            for _ in range(_TRIES):
                side = min(int(math.exp(random.uniform(math.log(sides[0]), math.log(sides[1])))), *plant.size)
                left, top = (int(random.integers(0, most - side + 1)) for most in plant.size)
                box = (left, top, left + side, top + side)
                shows_plant = np.asarray(plant.crop(box)).mean() >= 255 * _PLANT
                if turn < anywhere or shows_plant:
                    with_plants += int(shows_plant)
                    photos[count] = np.asarray(photo.crop(box).resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
                    plants[count, 0] = np.asarray(plant.crop(box).resize((size, size), Image.Resampling.BOX))
                    apart[count] = not touching[top : top + side, left : left + side].any()
                    count += 1
                    break
    if not with_plants:
        raise DataError(
            f"{folder}: by their masks there is hardly a plant on the photos; 0 is background, 1 and more are plants."
            " Photos of bare ground are for --background-photos"
        )
    return MaskedSquares(torch.from_numpy(photos[:count]), torch.from_numpy(plants[:count]), apart[:count])


def read(file: Path) -> tuple[Image.Image, NDArray[np.uint8]]:
    """A photo as the service would see it, RGB, and its mask [H,W], 0 for background. Raises DataError."""
    try:
        with pixels.opened(file) as picture:
            photo = Image.fromarray(picture.whole().transpose(1, 2, 0))
    except (OSError, pixels.PixelsError) as error:
        raise DataError(f"{file} cannot be read ({error})") from None
    try:
        return photo, masks.of_photo(file, photo.size)
    except FileNotFoundError:
        raise DataError(_without_mask(file)) from None


def check(folder: Path, half: Half | None = None) -> None:
    """Whether all photos of a folder have masks, before any of them is read. Raises DataError naming one that has none."""
    found = files(folder, half)
    lacking = [photo for photo in found if not masks.file(photo).is_file()]
    if lacking:
        more = f"; nor have {len(lacking) - 1} more of these {len(found)} photos" if len(lacking) > 1 else ""
        raise DataError(_without_mask(lacking[0]) + more)


def _without_mask(photo: Path) -> str:
    return f"{photo} has no mask {masks.file(photo)}; {_how_to_draw(photo)}"


def _how_to_draw(photo: Path) -> str:
    """What to do about a photo without a mask."""
    beside = annotations.sources(photo.parent)
    for one in beside:
        if one.stem == photo.stem:
            return f"photo-segmenter masks makes one of {one}, its outlines"
    there = masks.file(photo).parent
    begins = re.compile(rf"{re.escape(photo.stem)}[._-]", re.IGNORECASE)
    alike = sorted(one for one in there.iterdir() if begins.match(one.name)) if there.is_dir() else []
    if alike:
        return f"{alike[0].name} lies there, but a mask is a PNG with the name of its photo"
    where = f" (it is not in {', '.join(map(str, beside[:2]))}{' …' if len(beside) > 2 else ''})" if beside else ""
    return f"draw one, or move the photo elsewhere{where}"

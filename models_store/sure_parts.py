"""Which parts of a segmenter's map are surely plants: in the same way for training and for the service.

On soil that the segmenter has never seen it takes some stones and clods for plants. Two signs tell them from leaves: how sure the segmenter
is of the part, and whether its colour is that of the ground. training/LOG.md has what each is worth.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.manifest import PlantThresholds
from models_store.plants import CORNERS, Map, sureness

_GROUND = 0.1  # a pixel of the map under this is ground
_CELL, _BLOCK = 8, 3  # pixels a side: the ground is looked at in blocks, since single pixels are noise, and in each cell, which is enough
_LEAST_BLOCKS = 100  # of ground: with fewer its colour is not known
_LIKE_GROUND = 2.0  # deviations of the ground: what is nearer to its greenness has its colour
_SCORE_LIKE_GROUND = 0.9  # of a part that has the colour of the ground
_FLOOR = 0.005  # added to the deviation: a drawn ground may have none

Pixels = NDArray[np.uint8]


def kept(plant: Map, photo: Pixels, thresholds: PlantThresholds) -> Map:
    """The map [H,W] of a photo, uint8 [3,H,W], but 0 in each part whose mean of `plants.sureness` is too low.

    That is under `thresholds.score`, or under 0.9 where the part's colour is that of the ground. With a score of 0 all parts stay.
    """
    passing = plant >= thresholds.plant
    if not thresholds.score or not passing.any():
        return plant
    labels, count = ndimage.label(passing, CORNERS)
    where = np.flatnonzero(passing)  # a twentieth of the photo, usually: no more is looked at
    parts = labels.ravel()[where]
    areas = np.maximum(1, np.bincount(parts, minlength=count + 1))
    score = np.bincount(parts, sureness(plant).ravel()[where], count + 1) / areas
    green = excess_green(photo)
    own = np.bincount(parts, green.ravel()[where], count + 1) / areas
    like_ground = np.abs(_beside_ground(own, green, plant)) < _LIKE_GROUND
    doubtful = score < np.where(like_ground, max(_SCORE_LIKE_GROUND, thresholds.score), thresholds.score)
    left = plant.copy()
    left.ravel()[where[doubtful[parts]]] = 0
    return left


def excess_green(photo: Pixels) -> Map:
    """The excess green index of Woebbecke et al. (1995): uint8 [3,H,W] → float32 [H,W] in -1…2."""
    red, green, blue = photo.astype(np.float32)
    index: Map = (2 * green - red - blue) / np.maximum(1, red + green + blue)
    return index


def _beside_ground(own: NDArray[np.float64], green: Map, plant: Map) -> NDArray[np.float64]:
    """How many deviations parts are greener than the ground, by medians: [P] → [P]; infinity where there is hardly any ground."""
    ground = _blocks(green).mean(-1)[(_blocks(plant) < _GROUND).all(-1)]
    if len(ground) < _LEAST_BLOCKS:
        return np.full(len(own), np.inf)
    middle = np.median(ground)
    deviation = 1.48 * np.median(np.abs(ground - middle)) + _FLOOR  # of a normal distribution
    beside: NDArray[np.float64] = (own - middle) / deviation
    return beside


def _blocks(values: Map) -> Map:
    """Four blocks in the middle of each cell, one a pixel beside the other, so that a mirrored photo has the same: [H,W] → [B,9]."""
    rows, columns = (length // _CELL for length in values.shape)
    cells = values[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL)
    firsts = (_CELL - _BLOCK) // 2, (_CELL - _BLOCK + 1) // 2
    blocks = [cells[:, top : top + _BLOCK, :, left : left + _BLOCK] for top in firsts for left in firsts]
    return np.concatenate([block.swapaxes(1, 2).reshape(-1, _BLOCK * _BLOCK) for block in blocks])

"""Which parts of a segmenter's map are surely plants: in the same way for training and for the service.

On soil that the segmenter has never seen it takes some stones and clods for plants. Two signs tell them from leaves: how sure the segmenter
is of the part, and whether its colour is that of the ground. training/LOG.md has what each is worth.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.manifest import PlantThresholds
from models_store.plants import CORNERS, Map, sureness

_LIKE_GROUND = 2.0  # deviations of the ground: what is nearer to its greenness has its colour
_SCORE_LIKE_GROUND = 0.9  # of a part that has the colour of the ground
_FLOOR = 0.005  # added to the deviation: a drawn ground may have none


def kept(plant: Map, green: Map, ground: Map | None, thresholds: PlantThresholds) -> Map:
    """The map of plants [H,W], but 0 in each part whose mean of `plants.sureness` is too low.

    green, ground: the photo's excess green [H,W], and that of its ground, as of `greenness.of_ground`.

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
    own = np.bincount(parts, green.ravel()[where], count + 1) / areas
    like_ground = np.abs(_beside_ground(own, ground)) < _LIKE_GROUND
    doubtful = score < np.where(like_ground, max(_SCORE_LIKE_GROUND, thresholds.score), thresholds.score)
    left = plant.copy()
    left.ravel()[where[doubtful[parts]]] = 0
    return left


def _beside_ground(own: NDArray[np.float64], ground: Map | None) -> NDArray[np.float64]:
    """How many deviations parts are greener than the ground, by medians: [P] → [P]; infinity where there is hardly any ground."""
    if ground is None:
        return np.full(len(own), np.inf)
    blocks = ground.mean(-1)
    middle = np.median(blocks)
    deviation = 1.48 * np.median(np.abs(blocks - middle)) + _FLOOR  # of a normal distribution
    beside: NDArray[np.float64] = (own - middle) / deviation
    return beside

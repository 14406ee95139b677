"""Parts of a photo as a classifier of clumps sees them: in the same way for training and for the service."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models_store.plants import Plant

SIDE = 64  # pixels a side of a crop
CHANNELS = 4  # red, green, blue, and the part itself
LEAST_PX = 8  # of the map, of a part's longer side: from smaller ones a classifier does not learn
_MARGIN = 0.15  # around a part, of its longer side
_LEVEL = 107  # mean of a photo's pixels, 0–255, to which its crops are brought: about that of ImageNet
Pixels = NDArray[np.uint8]


def crops(photo: Pixels, found: Sequence[Plant]) -> Pixels:
    """A square around each of a photo's parts, with the part's mask (0 or 255) as a fourth channel: uint8 [3,H,W] → uint8 [P,4,SIDE,SIDE].

    Beyond the photo all is 0.
    """
    made = np.zeros((len(found), CHANNELS, SIDE, SIDE), np.uint8)
    brighter = np.minimum(np.arange(256) * (_LEVEL / (float(photo.mean()) + 1)), 255).astype(np.uint8)
    for crop, plant in zip(made, found, strict=True):
        side = max(plant.mask.shape) * (1 + 2 * _MARGIN) + 2
        # As much on either side, so that a mirrored photo has mirrored crops.
        above, beside = (math.ceil((side - length) / 2) for length in plant.mask.shape)
        top, left = plant.top - above, plant.left - beside
        height, width = plant.height + 2 * above, plant.width + 2 * beside
        seen = photo[:, max(0, top) : top + height, max(0, left) : left + width]
        colours, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
        y, x = max(0, -top), max(0, -left)
        colours[y : y + seen.shape[1], x : x + seen.shape[2]] = seen.transpose(1, 2, 0)
        mask[above : above + plant.height, beside : beside + plant.width] = 255 * plant.mask
        crop[:3] = brighter[_scaled(colours)].transpose(2, 0, 1)
        crop[3] = _scaled(mask)
    return made


def classified(found: Sequence[Plant], probabilities: NDArray[np.float32], limit: float) -> list[Plant]:
    """The parts with what a classifier says of them: a clump from a probability of `limit` on, [P]. A canopy stays a clump."""
    return [replace(plant, clump=plant.canopy or bool(value >= limit)) for plant, value in zip(found, probabilities, strict=True)]


def _scaled(picture: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR))

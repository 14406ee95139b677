"""Edges of plants by their colour: in the same way for training and for the service.

A segmenter sees a photo of 12 megapixels at a quarter of its width. There its masks are a pixel too wide, and fill the gaps between
leaves. Where a plant is greener than all of the ground, a pixel's own colour says how much of it is leaf. So what the segmenter says of
that pixel is corrected. training/LOG.md has what it is worth.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models_store import greenness
from models_store.manifest import PlantThresholds
from models_store.plants import CORNERS, Map, with_odds

Pixels = NDArray[np.uint8]
_SURE = 0.9  # pixels of a part from this value on say how green its leaves are
_CENTRE = 4  # of the 9 pixels of a block of ground: one of each block is enough
_GREENEST = 0.99  # of the ground: this share of its pixels is less green
_CLEARLY = 0.15  # by so much excess green must leaves exceed that, else a part stays as it is
_WEIGHT = 8.0  # logarithm of the odds between a pixel that is leaf and one that is ground; half a leaf changes nothing
_BEYOND = 0.5  # of the way from ground to leaf: what is less green than the ground by more counts as by so much


def by_colour(plant: Map, green: Map, ground: Map | None, thresholds: PlantThresholds) -> Map:
    """The map of plants [H,W], lower where a pixel of a part has the colour of the ground.

    green, ground: the photo's excess green [H,W], and that of its ground, as of `greenness.of_ground`. Parts that are not clearly
    greener than the ground stay, and so do all where hardly any ground is seen.
    """
    passing = plant >= thresholds.plant
    if ground is None or not passing.any():
        return plant
    middle, greenest = np.quantile(ground[:, _CENTRE], (0.5, _GREENEST))
    labels, count = ndimage.label(passing, CORNERS)
    where = np.flatnonzero(passing)
    parts, values, greens = labels.ravel()[where], plant.ravel()[where], green.ravel()[where]
    sure = values >= _SURE
    counts = np.bincount(parts[sure], minlength=count + 1)
    leaf = np.bincount(parts[sure], greens[sure], count + 1) / np.maximum(1, counts)  # [parts]
    clear = (counts > 0) & (leaf >= greenest + _CLEARLY)
    if not clear.any():
        return plant
    share = (greens - middle) / np.where(clear, leaf - middle, 1)[parts]  # of the pixel that is leaf, as if two colours were mixed in it
    times = np.exp(_WEIGHT * (share.clip(-_BEYOND, 0.5) - 0.5))
    lower = plant.copy()
    lower.ravel()[where] = np.where(clear[parts], with_odds(values, times), values)
    return lower


def from_nearer(plant: Map, photo: Pixels, thresholds: PlantThresholds) -> Map:
    """The same at the size of a photo with more pixels than the map: [H,W], uint8 [3,h,w] → [h,w]."""
    large = np.asarray(Image.fromarray(plant).resize((photo.shape[2], photo.shape[1]), Image.Resampling.BILINEAR))
    green = greenness.excess_green(photo)
    return by_colour(large, green, greenness.of_ground(green, large), thresholds)

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


def by_colour(plant: Map, green: Map, ground: Map | None, thresholds: PlantThresholds, photo: Pixels | None = None) -> Map:
    """The map of plants [H,W], lower where a pixel of a part has the colour of the ground.

    green, ground: the photo's excess green [H,W], and that of its ground, as of `greenness.of_ground`.
    photo: the same photo with more pixels, uint8 [3,h,w]. Its pixels then decide, and the map that is returned has its size, [h,w].

    Parts that are not clearly greener than the ground stay as they are. If no part is, or hardly any ground is seen, `plant` itself is
    returned.
    """
    passing = plant >= thresholds.plant
    if ground is None or not passing.any():
        return plant
    middle, greenest = (float(value) for value in np.quantile(ground[:, _CENTRE], (0.5, _GREENEST)))
    labels, count = ndimage.label(passing, CORNERS)
    sure = np.flatnonzero(plant >= max(_SURE, thresholds.plant))
    parts = labels.ravel()[sure]
    counts = np.bincount(parts, minlength=count + 1)
    leaf = np.bincount(parts, green.ravel()[sure], count + 1) / np.maximum(1, counts)  # [parts]
    clear = (counts > 0) & (leaf >= greenest + _CLEARLY)
    if not clear.any():
        return plant
    if photo is None:
        lower = plant.copy()
        where = np.flatnonzero(passing)
        parts, greens = labels.ravel()[where], green.ravel()[where]
    else:
        lower = np.array(Image.fromarray(plant).resize((photo.shape[2], photo.shape[1]), Image.Resampling.BILINEAR))
        where = np.flatnonzero(lower >= thresholds.plant)
        parts = _nearest_parts(labels, where, lower.shape)
        greens = greenness.excess_green(photo.reshape(3, 1, -1)[:, :, where])[0]
    values = lower.ravel()[where]
    greener = np.where(clear, leaf - middle, 1).astype(np.float32)  # [parts]
    share = (greens - middle) / greener[parts]  # of the pixel that is leaf, as if two colours were mixed in it
    times = np.exp(_WEIGHT * (share.clip(-_BEYOND, 0.5) - 0.5))
    lower.ravel()[where] = np.where(clear[parts], with_odds(values, times), values)
    return lower


def _nearest_parts(labels: NDArray[np.int32], where: NDArray[np.int64], size: tuple[int, ...]) -> NDArray[np.int32]:
    """The parts of a map [H,W] at these places of a larger one, counted row by row: [N] → [N]. What is beside a part counts to it."""
    y, x = np.divmod(where, size[1])
    y, x = y * len(labels) // size[0], x * labels.shape[1] // size[1]
    parts: NDArray[np.int32] = labels[y, x]
    beside = parts == 0
    around = np.pad(labels, 1)
    parts[beside] = np.max([around[y[beside] + down, x[beside] + right] for down in range(3) for right in range(3)], 0)
    return parts

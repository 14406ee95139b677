"""What a segmenter says of a whole photo, with the rules around its network: in the same way for training and for the service."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models_store import canopy, close_up, white_balance
from models_store.plants import Map

Pixels = NDArray[np.uint8]
Maps = tuple[Map, Map, Map]  # plant [H,W], centres from near [H/4,W/4] and from afar [H/16,W/16]


def seen(network: Callable[[Pixels], Maps], photo: Pixels, larger: Pixels | None, least: float, most: int = close_up.MOST_TILES) -> Maps:
    """The maps of a photo, uint8 [3,H,W], scaled as `plants.map_size` says.

    larger: the same photo with more pixels, uint8 [3,h,w], where thin leaves are to be looked at once more; None: they are not.
    least: the value from which on a pixel is plant. most: squares of `larger` that are looked at.
    """
    tint = white_balance.factor(photo)

    def look(part: Pixels) -> Maps:
        return network(white_balance.applied(part, tint))

    plant, near, afar = look(photo)
    if larger is not None:
        plant = close_up.seen(larger, plant, least, most, lambda tile: look(tile)[0])
    return canopy.seen(photo, (plant, near, afar))

"""How green a photo is, and its ground: in the same way for training and for the service."""

import numpy as np
from numpy.typing import NDArray

from models_store.plants import Map

_GROUND = 0.1  # a pixel of the map under this is ground
_CELL, _BLOCK = 8, 3  # pixels a side: the ground is looked at in blocks, since single pixels are noise, and in each cell, which is enough
_LEAST_BLOCKS = 100  # of ground: with fewer its colour is not known

Pixels = NDArray[np.uint8]


def excess_green(photo: Pixels) -> Map:
    """The excess green index of Woebbecke et al. (1995): uint8 [3,H,W] → float32 [H,W] in -1…2."""
    red, green, blue = photo.astype(np.float32)
    index: Map = (2 * green - red - blue) / np.maximum(1, red + green + blue)
    return index


def of_ground(green: Map, plant: Map) -> Map | None:
    """Blocks of 3×3 pixels in which there is no plant: excess green [H,W] and the map of plants [H,W] → [B,9]. None: hardly any."""
    ground: Map = _blocks(green)[(_blocks(plant) < _GROUND).all(-1)]
    return ground if len(ground) >= _LEAST_BLOCKS else None


def _blocks(values: Map) -> Map:
    """Four blocks in the middle of each cell, one a pixel beside the other, so that a mirrored photo has the same: [H,W] → [B,9]."""
    rows, columns = (length // _CELL for length in values.shape)
    cells = values[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL)
    firsts = (_CELL - _BLOCK) // 2, (_CELL - _BLOCK + 1) // 2
    blocks = [cells[:, top : top + _BLOCK, :, left : left + _BLOCK] for top in firsts for left in firsts]
    return np.concatenate([block.swapaxes(1, 2).reshape(-1, _BLOCK * _BLOCK) for block in blocks])

"""Screenshots and drawings: text, buttons and icons on them are taken for no plants, a photo among them may show some.

A photo has noise, so hardly two pixels beside each other are quite alike; on a screen most are. A letter or a button has two colours and
what lies between them, or is plain. So on such a picture a part whose colours lie on one line, or that is mostly plain, is drawn.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models_store.plants import Bools, Map

_ALIKE = 0.6  # share of the pixels that are quite like those beside them; of photos at most 0.29, of screenshots from 0.74 on
_EACH = 8  # rows of which one is looked at
_LIKELY = 0.3  # probability of plant from which on pixels are of a part
_PLAIN = 0.5  # share of a part that is quite like its neighbours, from which on it is plain
_BESIDE = 2  # pixels around a part that are looked at with it: what a letter stands on
_OFF_LINE = 3.0  # levels of 255: how far colours are off their line in nine of ten pixels, at most


def without_drawn(photo: NDArray[np.uint8], plant: Map) -> Map:
    """A map of plants [H,W] of a photo [3,H,W], without what is drawn if most of the photo is."""
    if _alike(photo[:, ::_EACH]).mean() < _ALIKE:
        return plant
    plain = np.pad(_alike(photo), ((0, 0), (1, 1)))
    labels, _ = ndimage.label(plant >= _LIKELY, np.ones((3, 3)))
    drawn = np.zeros(labels.max() + 1, bool)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        rows, columns = (slice(max(0, one.start - _BESIDE), one.stop + _BESIDE) for one in box)
        part, near = labels[rows, columns] == number, photo[:, rows, columns]
        if plain[rows, columns][part].mean() > _PLAIN:
            drawn[number] = True
            continue
        around = ndimage.binary_dilation(part, np.ones((3, 3)), _BESIDE)
        drawn[number] = _on_a_line(near[:, part]) or _on_a_line(near[:, around])
    return np.where(drawn[labels], np.float32(0), plant)


def _alike(photo: NDArray[np.uint8]) -> Bools:
    """Which pixels are quite like the ones on their left and right: [3,H,W] → [H,W-2]."""
    like_next: Bools = (photo[..., 1:] == photo[..., :-1]).all(0)
    return like_next[:, 1:] & like_next[:, :-1]


def _on_a_line(colours: NDArray[np.uint8]) -> bool:
    """Whether colours [3,N] lie on one line, but for rounding."""
    centred = colours - colours.mean(1, keepdims=True)
    _, axes = np.linalg.eigh(centred @ centred.T)  # the line's comes last
    off = np.hypot(*(axes[:, :2].T @ centred))
    return bool(np.quantile(off, 0.9) <= _OFF_LINE)

"""White balance: a tinted photo becomes one in usual light. A segmenter learns soils as they look in such light."""

import math

import numpy as np
from numpy.typing import NDArray

# Mean red over mean blue of usual photos. Light and cameras mostly change red against blue, as daylight does; leaves change green, which
# stays. Photos from fields have 1.0 to 1.6, images of the data set 1.2 to 2.0.
_LEAST, _MOST = 1.2, 2.0
_GREEN = 1.3  # mean green over red and blue: from here on leaves or a cloth give a photo its colour, not the light


def balanced(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photo with red against blue as usual: uint8 [3,H,W] → uint8 [3,H,W], the same one where nothing is to be done."""
    return applied(photo, factor(photo))


def factor(photo: NDArray[np.uint8]) -> float:
    """By what red is to be multiplied and blue divided: uint8 [3,H,W].

    As the grey-world rule has it (Buchsbaum 1980, *A spatial processor model for object colour perception*), but up to a bound alone.
    """
    columns = photo.sum(1, dtype=np.uint32)  # first: thirty times as quick as all at once where the channels lie last in memory
    red, green, blue = (int(values) for values in columns.sum(1, dtype=np.int64))
    if not red or not blue or green > _GREEN * math.sqrt(red * blue):
        return 1.0
    return math.sqrt(min(max(red / blue, _LEAST), _MOST) * blue / red)


def applied(photo: NDArray[np.uint8], by: float) -> NDArray[np.uint8]:
    """A photo, or a part of one, changed by that factor: uint8 [3,H,W] → uint8 [3,H,W], the same one where it is 1."""
    if abs(by - 1) < 1e-9:
        return photo
    changed = photo.copy()
    for channel, times in ((0, by), (2, 1 / by)):
        changed[channel] = np.minimum(np.rint(np.arange(256) * times), 255).astype(np.uint8)[photo[channel]]
    return changed

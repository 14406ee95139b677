"""A photo and the saliency map of a species on it → one picture."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 448  # pixels a side of the picture
_STRENGTH = 0.72  # opacity where the saliency is 1
_KEPT_COLOUR = 0.55  # how much of the photo's own colour is kept where the saliency is 0
# Dark to light, so that it reads without telling colours apart too (samples of matplotlib's "inferno").
_COLOURS = np.array([[66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]], np.float32)


def render(photo: NDArray[np.uint8], saliency: NDArray[np.float32]) -> bytes:
    """A PNG of `photo`, uint8 [3, side, side], with `saliency`, float32 [h, w] from 0 to 1, glowing on it."""
    side = photo.shape[1]
    smooth = np.asarray(Image.fromarray(_spread(saliency)).resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)[
        ..., None
    ]  # [side, side, 1]
    pixels = photo.transpose(1, 2, 0).astype(np.float32)  # [side, side, 3]
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    muted = grey[..., None] + (_KEPT_COLOUR + (1 - _KEPT_COLOUR) * smooth) * (pixels - grey[..., None])
    opacity = _STRENGTH * smooth
    mixed = (1 - opacity) * muted + opacity * _coloured(smooth[..., 0])
    stream = io.BytesIO()
    Image.fromarray((mixed + 0.5).clip(0, 255).astype(np.uint8)).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def _spread(saliency: NDArray[np.float32]) -> NDArray[np.float32]:
    """[h, w] → [h, w], each value shared with its neighbours: a cell of the network sees far more than its own square."""
    for axis in (0, 1):
        for _ in range(2):
            padded = np.pad(saliency, [(1, 1) if axis == a else (0, 0) for a in (0, 1)], mode="edge")
            saliency = sum(np.roll(padded, shift, axis) * weight for shift, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)))  # type: ignore[assignment]
            saliency = saliency[1:-1] if axis == 0 else saliency[:, 1:-1]
    spread: NDArray[np.float32] = (saliency / max(float(saliency.max()), 1e-6)).astype(np.float32) ** 0.8
    return spread


def _coloured(saliency: NDArray[np.float32]) -> NDArray[np.float32]:
    """[h, w] from 0 to 1 → colours [h, w, 3]."""
    steps = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(saliency, steps, channel) for channel in _COLOURS.T], axis=-1).astype(np.float32)

"""Does it know the plant, or the background it stood on? Plants cut out by their green and set on backgrounds they never stood on.

The photos of a species were taken in a few boxes, each with its own gravel, light and ruler, so a network can do well on
photos from the same boxes and fail in another greenhouse. These pictures are composed, not photographed: they compare one network with
another, and say nothing of how either would do in a field.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.tensors import background_in_both, plants, to_float

_BATCH = 128
_SOIL = (0.30, 0.22, 0.16)  # a moist brown, RGB
_CLODS = 38  # a side


def accuracy(answer: Callable[[Tensor], Tensor], pixels: Tensor, labels: Tensor) -> dict[str, float]:
    """Share of plants, uint8 [N,3,S,S] with species int64 [N], that `answer`, [B,3,S,S] → [B,species], names on each background.

    The draws are the same each time.
    """
    random = torch.Generator().manual_seed(0)
    others = pixels[torch.randperm(len(pixels), generator=random)]
    right: dict[str, int] = {}
    for batch, other, species in zip(*(torch.split(rows, _BATCH) for rows in (pixels, others, labels)), strict=True):
        for name, images in on_backgrounds(batch, other, random).items():
            right[name] = right.get(name, 0) + int((answer(images).argmax(1) == species).sum())
    return {name: n / len(pixels) for name, n in right.items()}


def on_backgrounds(pixels: Tensor, others: Tensor, random: torch.Generator) -> dict[str, Tensor]:
    """Plants on the backgrounds of `others`, on drawn soil, on black and on white: both uint8 [N,3,S,S] → uint8 [N,3,S,S] by name."""
    images, photos = to_float(pixels), to_float(others)
    plant = plants(images)  # [N,1,S,S]
    clods = F.interpolate(torch.randn(len(images), 1, _CLODS, _CLODS, generator=random), images.shape[2:], mode="bicubic")
    soil = (torch.tensor(_SOIL)[:, None, None] + 0.06 * clods).clamp(0, 1)  # [N,3,S,S]
    backgrounds = {
        "another photo's": torch.lerp(images, photos, background_in_both(plant, plants(photos))),
        "soil": torch.lerp(soil, images, plant),
        "black": images * plant,
        "white": images * plant + (1 - plant),
    }
    return {name: set_on.mul(255).round_().to(torch.uint8) for name, set_on in backgrounds.items()}

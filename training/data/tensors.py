"""Batches of images as tensors: to float, and what of them is plant."""

import torch
import torch.nn.functional as F
from torch import Tensor


def to_float(images: Tensor) -> Tensor:
    """uint8 [N,3,H,W] → float32 [N,3,H,W] in 0–1."""
    return images.to(torch.float32).div_(255)


def background_in_both(plant: Tensor, other: Tensor) -> Tensor:
    """How much of each pixel is plant neither in one image nor in the other: two masks of `plants`, [N,1,H,W] → [N,1,H,W]."""
    around = F.max_pool2d(other, 5, stride=1, padding=2)  # two pixels more, for the green shine about a leaf
    return (1 - plant) * (1 - around)


def plants(images: Tensor) -> Tensor:
    """How much of each pixel is plant, by its green: float [N,3,H,W] in 0–1 → float [N,1,H,W] in 0–1.

    The excess green index of Woebbecke et al. (1995), *Color Indices for Weed Identification Under Various Soil, Residue, and
    Lighting Conditions*, averaged over 5×5 pixels against the noise of the camera.
    """
    excess = F.avg_pool2d(_excess_green(images), 5, stride=1, padding=2, count_include_pad=False)
    return torch.sigmoid((excess - 0.09) / 0.025)  # gravel, ruler and box lie under 0.05, leaves over 0.15


def cut_out(images: Tensor) -> Tensor:
    """The same, so sharp that thin leaves keep their edges, for images in the light of the data set: [N,3,H,W] → [N,1,H,W].

    By the green of 3×3 pixels near anything that is green over 5×5: noise has no such neighbourhood.
    """
    fine, coarse = (_excess_green(F.avg_pool2d(images, side, 1, side // 2, count_include_pad=False)) for side in (3, 5))
    near = F.max_pool2d((coarse > 0.08).to(images), 5, stride=1, padding=2)
    return torch.sigmoid((fine - 0.09) / 0.02) * near


def _excess_green(images: Tensor) -> Tensor:
    red, green, blue = torch.split(images, 1, dim=1)  # [N,1,H,W]
    return (2 * green - red - blue) / (red + green + blue + 0.1)  # what is nearly black has no colour

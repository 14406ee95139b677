"""Augmentation of a batch where it lies: each image gets its own random draw, on the batch's own device."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.data.tensors import background_in_both, plants
from training.recipe import Augment

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def resize(images: Tensor, side: int) -> Tensor:
    """float [N,3,H,W] → [N,3,side,side], each pixel the mean of those it stands for; unchanged where that is their size."""
    if images.shape[2:] == (side, side):
        return images
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True)


def augment(images: Tensor, settings: Augment, random: Generator) -> Tensor:
    """Random geometry and colour for each image: float [N,3,H,W] in 0–1 → the same shape and range.

    `random` is a CPU generator, so that a seed gives the same draws on every device.
    """
    if not settings.enabled:
        return images
    images = _geometry(images, settings, random)
    if settings.background:
        images = _other_background(images, settings, random)
    return _colour(images, settings, random)


def mix(images: Tensor, targets: Tensor, settings: Augment, random: Generator) -> tuple[Tensor, Tensor]:
    """Lay another image of the batch over each one: float [N,3,H,W] and float [N,species] → the same, mixed alike.

    mixup (Zhang et al. 2018, *mixup: Beyond Empirical Risk Minimization*), with a share of its own for each image.
    """
    if not (settings.enabled and settings.mixup):
        return images, targets
    seed = int(torch.randint(2**62, (), generator=random))  # torch's Beta distribution takes no generator, numpy's does
    share = torch.from_numpy(np.random.default_rng(seed).beta(settings.mixup, settings.mixup, len(images))).to(images)  # [N]
    partner = torch.randperm(len(images), generator=random).to(images.device)  # [N]
    return torch.lerp(images, images[partner], share[:, None, None, None]), torch.lerp(targets, targets[partner], share[:, None])


def _uniform(n: int, low: float, high: float, random: Generator) -> Tensor:
    return torch.rand(n, generator=random) * (high - low) + low  # [N]


def _geometry(images: Tensor, settings: Augment, random: Generator) -> Tensor:
    n = len(images)
    angle = _uniform(n, -settings.rotate_degrees, settings.rotate_degrees, random) * (math.pi / 180)
    zoom = _uniform(n, math.log(settings.scale[0]), math.log(settings.scale[1]), random).exp()
    mirror = torch.where(torch.rand(n, generator=random) < 0.5, -1.0, 1.0) if settings.flip else torch.ones(n)
    shift = torch.rand(n, 2, generator=random) * 4 * settings.shift - 2 * settings.shift  # [N,2], the side is 2 units long
    aspect = _uniform(n, -settings.stretch, settings.stretch, random).exp() if settings.stretch else torch.ones(n)
    grid = sampling_grid(images, angle, zoom, aspect, mirror, shift)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def sampling_grid(images: Tensor, angle: Tensor, zoom: Tensor, aspect: Tensor, mirror: Tensor, shift: Tensor) -> Tensor:
    """Where each output pixel comes from, for `grid_sample`: [N,H,W,2] where the images [N,C,H,W] are.

    For each image, [N]: angle in radians, zoom, square root of the ratio of the sides, -1 to mirror or 1. `shift` is [N,2], in halves of
    the side.
    """
    cosine, sine = angle.cos() / zoom, angle.sin() / zoom
    across = torch.stack([cosine * mirror * aspect, -sine / aspect], 1)
    down = torch.stack([sine * mirror * aspect, cosine / aspect], 1)
    affine = torch.cat([torch.stack([across, down], 1), shift[:, :, None]], 2).to(images)  # [N,2,3], output coordinates → input
    return F.affine_grid(affine, list(images.shape), align_corners=False)


def _other_background(images: Tensor, settings: Augment, random: Generator) -> Tensor:
    """Set the plant of some images on the background of another one of the batch: float [N,3,H,W] → [N,3,H,W].

    Where the other one has its own plant, the background stays as it was, so that no second plant and no hole appears.
    """
    n, device = len(images), images.device
    partner = torch.randperm(n, generator=random).to(device)  # [N]
    chosen = (torch.rand(n, generator=random) < settings.background).to(device)[:, None, None, None]  # [N,1,1,1]
    plant = plants(images)  # [N,1,H,W]
    return torch.lerp(images, images[partner], chosen * background_in_both(plant, plant[partner]))


def _colour(images: Tensor, settings: Augment, random: Generator) -> Tensor:
    n, device = len(images), images.device

    def factor(spread: float) -> Tensor:
        return _uniform(n, 1 - spread, 1 + spread, random).to(device)[:, None, None, None]  # [N,1,1,1]

    # Brightness, contrast and saturation are one affine map of the colours, so a pixel is touched once:
    #   out = b·(c·(s·x + (1-s)·grey) + (1-c)·mean), with grey = luma·x for the pixel and mean = the image's mean luma.
    brightness, contrast, saturation = factor(settings.brightness), factor(settings.contrast), factor(settings.saturation)
    luma = torch.tensor(_LUMA, device=device)[None, :, None, None]  # [1,3,1,1]
    grey = (images * luma).sum(1, keepdim=True)  # [N,1,H,W]
    mean = grey.mean((2, 3), keepdim=True)  # [N,1,1,1]
    offset = (brightness * contrast * (1 - saturation)) * grey + brightness * (1 - contrast) * mean  # [N,1,H,W]
    return torch.addcmul(offset, images, brightness * contrast * saturation).clamp_(0, 1)

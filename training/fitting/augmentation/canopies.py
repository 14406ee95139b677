"""Closed canopies, as lawns and overgrown beds are: leaves of one image over each other, until hardly any soil is seen."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.fitting.augmentation.background_replacement import placed, plant_shadow
from training.fitting.augmentation.camera import per_image, smooth_field, uniform
from training.fitting.augmentation.synthetic_soils import soils
from training.recipe import FieldScenes

_LAYERS = 16
_PLACED = FieldScenes(share=1, wide=1, wide_scale=(0.6, 1.8), wide_shift=0.45)
_HALVINGS = 2  # how often a canopy is made smaller and laid side by side, at most: a lawn has thin blades
_DEPTH = 0.35  # light on the soil below
_GAP_PX = 33  # soil between leaves counts as canopy where leaves cover half of a square of this side around it


def canopies(layers: Tensor, n: int, side: int, random: Generator) -> Tensor:
    """n of them, each of leaves of one image: colours and plants, float [N,4,s,s] in 0–1 → the same of canopies, [n,4,side,side]."""
    chosen = torch.randint(len(layers), (n,), generator=random).to(layers.device)
    leaves = F.interpolate(layers[chosen], (side, side), mode="bilinear", align_corners=False)
    made, bare = _DEPTH * soils(n, side, random, layers.device), torch.ones(n, 1, side, side, device=layers.device)
    for _ in range(_LAYERS):
        layer = placed(leaves, torch.ones(n, dtype=torch.bool), _PLACED, random)
        shade = per_image(uniform(n, 0.6, 1.25, random), layers)
        made = torch.lerp(plant_shadow(made, layer[:, 3:], random), (layer[:, :3] * shade).clamp(0, 1), layer[:, 3:])
        bare = bare * (1 - layer[:, 3:])
    closed = F.avg_pool2d(bare, _GAP_PX, 1, _GAP_PX // 2, count_include_pad=False) < 0.5
    made = torch.cat([made, 1 - bare * ~closed], 1)
    for _ in range(int(torch.randint(_HALVINGS + 1, (), generator=random))):
        small = F.interpolate(made, (side // 2, side // 2), mode="bilinear", antialias=True)
        made = torch.cat([torch.cat([small, small.flip(3)], 3), torch.cat([small.flip(2), small.flip((2, 3))], 3)], 2)
    return made


def grown_over(images: Tensor, layers: Tensor, random: Generator) -> tuple[Tensor, Tensor]:
    """Images with a canopy over a part of them or all: float [N,3,S,S], layers as above → images, its plants [N,1,S,S]."""
    n, _, side, _ = images.shape
    if not n:
        return images, images[:, :1]
    edge = smooth_field(n, 3, side, random, images.device) - per_image(uniform(n, -2.5, 0.8, random), images)
    where, made = (edge * 60).sigmoid(), canopies(layers, n, side, random)
    return torch.lerp(images, made[:, :3], where), where * made[:, 3:]

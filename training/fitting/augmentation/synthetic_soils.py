"""Synthetic soils, drawn by program: clods, their light and dark sides, stones, straw, in the colours that soils have."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.fitting.augmentation.camera import smooth_field, uniform

# Moist and dry loam, sand, clay, peat, red earth, gravel, concrete-grey: RGB by eye, each varied when drawn.
_COLOURS = (
    (0.30, 0.22, 0.16), (0.42, 0.34, 0.26), (0.55, 0.46, 0.36), (0.36, 0.34, 0.33), (0.50, 0.49, 0.48), (0.22, 0.19, 0.17),
    (0.45, 0.30, 0.22), (0.62, 0.55, 0.46), (0.28, 0.27, 0.30), (0.12, 0.10, 0.08), (0.40, 0.41, 0.38),
)  # fmt: skip
_STRAW = (0.75, 0.65, 0.45)
_OCTAVES = ((3, 1.0), (7, 0.75), (19, 0.56), (50, 0.42), (100, 0.32))  # cells a side and height of hills, clods, crumbs


def soils(n: int, side: int, random: Generator, device: torch.device) -> Tensor:
    """n drawn soils, float [n,3,side,side] in 0–1."""

    def field(cells: int) -> Tensor:
        return smooth_field(n, min(cells, side), side, random, device)  # [n,1,side,side]

    def spread(low: float, high: float) -> Tensor:
        return uniform(n, low, high, random).to(device)[:, None, None, None]  # [n,1,1,1]

    def tinted(amount: float) -> Tensor:
        return (1 + amount * torch.randn(n, 3, generator=random)).to(device)[:, :, None, None]  # [n,3,1,1]

    height = torch.as_tensor(sum(weight * spread(0.4, 1.0) * field(cells) for cells, weight in _OCTAVES))  # [n,1,side,side]
    slope = ((height - height.roll((2, 2), (2, 3))) * spread(0, 1.2)).clamp(-1.5, 1.5)  # bright towards the light, dark behind
    colour = torch.tensor(_COLOURS)[torch.randint(len(_COLOURS), (n,), generator=random)].to(device)  # [n,3]
    soil = colour[:, :, None, None] * tinted(0.07) * (1 + spread(0.03, 0.25) * height + 0.5 * slope)
    coarse = (torch.rand(n, 1, 1, 1, generator=random) < 0.4).to(device)
    lumps = torch.where(coarse, field(7), field(18))
    stones = ((lumps - spread(0.9, 2.5)) * 14).sigmoid()
    soil = torch.lerp(soil, spread(0.15, 0.75) * tinted(0.08) * (1 + 0.12 * height + 0.3 * slope), stones)
    # Straw lies along the lines where a smooth field is zero, broken by another one.
    line = torch.exp(-((field(9) / 0.02) ** 2))
    line = line * (F.relu(field(6)) > 0.7) * (torch.rand(n, 1, 1, 1, generator=random) < 0.25).to(device)
    straw = torch.tensor(_STRAW, device=device)[None, :, None, None] * spread(0.6, 1.2)
    return torch.lerp(soil, straw.expand(-1, 3, side, side), line).clamp(0, 1)

"""What is taken for plants and is none, drawn: straw that lies across, cushions of moss, rulers, stones."""

import math

import torch
from torch import Generator, Tensor

from training.fitting.augmentation.camera import drawn, per_image, smooth_field, uniform
from training.fitting.augmentation.synthetic_soils import soils

_STRAW, _MOSS = (0.75, 0.65, 0.42), (0.33, 0.40, 0.17)
_RULERS = ((0.88, 0.80, 0.25), (0.90, 0.90, 0.88), (0.75, 0.60, 0.40), (0.20, 0.45, 0.28), (0.15, 0.15, 0.16))


def litter(
    n: int, side: int, random: Generator, device: torch.device, *, straws: int = 50, mossy: float = 0.4, measured: float = 0.3
) -> Tensor:
    """n of them: float [n,3,side,side] in 0–1, each with fewer than `straws`; shares with moss, and with a ruler."""
    ground = soils(n, side, random, device)
    ground = torch.lerp(ground, *_moss(n, side, mossy, random, device))
    with_ruler = drawn(n, measured, random)
    for number in range(n):
        for _ in range(int(torch.randint(straws, (), generator=random))):
            length, width, shade = torch.rand(3, generator=random).tolist()
            along, off = _line(side, random, device)
            inside = (along.abs() < (0.03 + 0.2 * length) * side) & (off.abs() < 0.7 + 2.5 * width)
            colour = torch.tensor(_STRAW, device=device) * (0.65 + 0.6 * shade)
            ground[number] = torch.where(inside, colour[:, None, None], ground[number])
        if with_ruler[number]:
            ground[number] = _with_ruler(ground[number], random)
    return ground.clamp(0, 1)


def stones(images: Tensor, random: Generator, *, most: int = 12) -> tuple[Tensor, Tensor]:
    """Stones over images, of up to a half of their side: float [N,3,S,S] → images, how much of each pixel is stone [N,1,S,S].

    They are round with dents, grey to red or yellow, brighter towards the light, and lie on their shadow.
    """
    n, _, side, _ = images.shape
    places = torch.arange(side, dtype=torch.float32, device=images.device)
    grain = smooth_field(n, side // 4, side, random, images.device)
    light = per_image(uniform(n, -math.pi, math.pi, random), images)
    count = torch.randint(1, most + 1, (n,), generator=random)
    covered = torch.zeros_like(images[:, :1])
    for number in range(most):
        y, x = (per_image(uniform(n, 0, side, random), images) for _ in range(2))
        radius = per_image(uniform(n, math.log(2), math.log(side / 4), random).exp(), images)
        turn, flat = per_image(uniform(n, 0, math.pi, random), images), per_image(uniform(n, 0.55, 1, random), images)
        down, across = places[:, None] - y, places - x  # [N,1,S,S]
        along, off = across * turn.cos() + down * turn.sin(), (down * turn.cos() - across * turn.sin()) / flat
        angle = torch.atan2(off, along)
        dents = sum(per_image(uniform(n, 0, 0.1, random), images) * (k * angle + 7 * turn + k).cos() for k in (2, 3, 5))
        far = torch.hypot(along, off) / (radius * (1 + dents))
        inside = ((1 - far) * radius * 1.5 + 0.5).clamp(0, 1) * per_image(number < count, images)
        tint = uniform(n, -0.12, 0.3, random)  # of blue-grey to red and yellow
        colour = torch.stack([1 + 0.6 * tint, 1 + uniform(n, -0.04, 0.1, random) * (tint > 0), 1 - tint], 1)
        colour = colour * uniform(n, math.log(0.08), math.log(1.0), random).exp()[:, None]
        lit = 1 + per_image(uniform(n, 0, 0.5, random), images) * (across * light.cos() + down * light.sin()) / radius
        stone = colour.to(images)[:, :, None, None] * lit * (1 + per_image(uniform(n, 0, 0.15, random), images) * grain)
        shade = ((1.3 - far) * 4).clamp(0, 1) * per_image(uniform(n, 0, 0.5, random) * (number < count), images)
        images = torch.lerp(images * (1 - shade), stone.clamp(0, 1), inside)
        covered = torch.maximum(covered, inside)
    return images.clamp(0, 1), covered


def _moss(n: int, side: int, share: float, random: Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """Its colour [n,3,side,side], and how much of each pixel it is, [n,1,side,side]."""
    shade = per_image(uniform(n, 0.6, 1.3, random), torch.empty(0, device=device))
    tint = (1 + 0.1 * torch.randn(n, 3, generator=random)).to(device)[:, :, None, None]
    grain = 1 + 0.2 * smooth_field(n, side // 3, side, random, device)
    cushions = smooth_field(n, 8, side, random, device) + 0.4 * smooth_field(n, 24, side, random, device)
    some = per_image(drawn(n, share, random), cushions)
    return torch.tensor(_MOSS, device=device)[:, None, None] * shade * tint * grain, ((cushions - 0.6) * 12).sigmoid() * some


def _with_ruler(ground: Tensor, random: Generator) -> Tensor:
    """A soil [3,side,side] with a bar across it that has marks at one edge."""
    side = ground.shape[-1]
    along, off = _line(side, random, ground.device)
    half, reach, apart = (float(uniform(1, low, high, random)) for low, high in ((3, 16), (0.2 * side, 1.5 * side), (3, 10)))
    colour = torch.tensor(_RULERS[int(torch.randint(len(_RULERS), (), generator=random))], device=ground.device)
    bar = (colour * uniform(1, 0.7, 1.1, random).to(ground))[:, None, None].expand_as(ground)
    mark = (along.remainder(apart) < 0.25 * apart) & (off > 0.2 * half)
    ink = float(bar.mean() < 0.3)  # white on a dark one
    return torch.where((along.abs() < reach) & (off.abs() < half), torch.where(mark, ink, bar), ground)


def _line(side: int, random: Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """How far each pixel lies along a line that is drawn, and off it: each [side,side], from a point on it."""
    places = torch.arange(side, dtype=torch.float32, device=device)
    y, x, turn = torch.rand(3, generator=random).tolist()
    down, across = places[:, None] - y * side, places[None] - x * side
    sine, cosine = math.sin(math.pi * turn), math.cos(math.pi * turn)
    return down * sine + across * cosine, across * sine - down * cosine

"""Background replacement: plants are set on other backgrounds. This is what a recipe's `[field]` does to a batch before the camera sees it.

The data set's plants stand in boxes of gravel, under one camera. Cut out by their green (`plants`) they are set on the background of
another image, on a square of a photo, or on a drawn soil, bigger than the picture or a tenth of it, with looks of their own (paler,
bluer, shining), a shadow on the soil, and part of a second plant at the edge.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.fitting.augmentation.augment import sampling_grid
from training.fitting.augmentation.camera import blurred, drawn, per_image, shadowed, smooth_field, uniform
from training.fitting.augmentation.synthetic_soils import soils
from training.recipe import FieldScenes

_GLARE = (0.78, 0.84, 0.86)  # the sky on a leaf, RGB
_PALE = (0.93, 1.06, 1.0)  # a pale leaf is still the least bit greener than grey


@dataclass(frozen=True)
class Scene:
    """Composed pictures and what is known of them."""

    images: Tensor  # float [N,3,S,S] in 0–1
    plants: Tensor  # float [N,1,S,S] in 0–1, how much of each pixel is plant, second plants too
    moved: Tensor  # bool [N], whether the plant stands on a background that is not its own


def compose(images: Tensor, plants: Tensor, backgrounds: Tensor | None, settings: FieldScenes, random: Generator) -> Scene:
    """Turn, scale and shift plants, and set a share of them on other backgrounds: float [N,3,S,S], float [N,1,S,S] → a scene.

    backgrounds: squares of photos, uint8 [M,3,S,S], or None. The images that stay on their own background are moved with it.
    """
    n = len(images)
    moved = drawn(n, settings.share, random)  # [N]
    layers = torch.cat([images, plants], 1)  # [N,4,S,S]
    layers_placed = placed(layers, moved, settings, random)
    scene, plant = layers_placed[:, :3], layers_placed[:, 3:]
    own = looks(scene, settings, random)
    new = _backgrounds(images, plants, backgrounds, settings, random)
    new = plant_shadow(new * per_image(uniform(n, -0.4, 0.4, random).exp(), new), plant, random)
    hard = per_image(drawn(n, 0.5, random), images).bool()
    edge = torch.where(hard, plant, blurred(plant, uniform(n, 0.3, 0.9, random)))
    scene = torch.where(per_image(moved, images).bool(), torch.lerp(new.clamp(0, 1), own, edge), scene)
    scene, plant = _second_plant(scene, plant, layers, settings, random)
    return Scene(shadowed(scene, settings.sun, random), plant, moved.to(images.device))


def placed(layers: Tensor, moved: Tensor, settings: FieldScenes, random: Generator) -> Tensor:
    """Each image turned, mirrored, scaled, stretched and shifted. Around one that keeps its background it is mirrored, else empty."""
    n = len(layers)
    wide = drawn(n, settings.wide, random)  # [N]
    low = torch.where(wide, settings.wide_scale[0], settings.scale[0]).log()
    high = torch.where(wide, settings.wide_scale[1], settings.scale[1]).log()
    zoom = (low + torch.rand(n, generator=random) * (high - low)).exp()
    shift = (torch.rand(n, 2, generator=random) * 2 - 1) * 2 * torch.where(wide, settings.wide_shift, settings.shift)[:, None]
    grid = _grid(layers, zoom, shift, settings.stretch, random)
    around, empty = (F.grid_sample(layers, grid, padding_mode=mode, align_corners=False) for mode in ("reflection", "zeros"))
    return torch.where(per_image(moved, layers).bool(), empty, around)


def _grid(layers: Tensor, zoom: Tensor, shift: Tensor, stretch: float, random: Generator) -> Tensor:
    """Where each output pixel comes from, [N,S,S,2], any angle and mirroring; `shift` [N,2] in halves of the side."""
    n = len(layers)
    angle = uniform(n, -math.pi, math.pi, random)
    aspect = uniform(n, -stretch, stretch, random).exp()
    mirror = torch.where(torch.rand(n, generator=random) < 0.5, -1.0, 1.0)
    return sampling_grid(layers, angle, zoom, aspect, mirror, shift)


def looks(images: Tensor, settings: FieldScenes, random: Generator) -> Tensor:
    """Some plants paler, in another shade, with the sky shining on their leaves, brighter: float [N,3,S,S] → [N,3,S,S]."""
    n = len(images)
    chosen = drawn(n, settings.looks, random)
    pale = images.mean(1, keepdim=True) * (torch.tensor(_PALE) + 0.08 * torch.randn(n, 3, generator=random)).to(images)[:, :, None, None]
    images = torch.lerp(images, pale, per_image(chosen * uniform(n, 0, 0.65, random), images))
    shade = 1 + 0.12 * torch.randn(n, 3, generator=random) * chosen[:, None]
    images = images * shade.to(images)[:, :, None, None]
    where = smooth_field(n, 8, images.shape[-1], random, images.device)
    spots = ((where - per_image(uniform(n, 0.3, 1.6, random), images)) * 6).sigmoid()
    shining = chosen * drawn(n, 0.5, random) * uniform(n, 0, 0.8, random)
    sky = (torch.tensor(_GLARE) * (1 + 0.06 * torch.randn(n, 3, generator=random))).to(images)[:, :, None, None]
    images = torch.lerp(images, sky.expand_as(images), spots * per_image(shining, images)).clamp(0, 1)
    return (images * per_image(1 + chosen * uniform(n, -0.1, 0.6, random), images)).clamp(0, 1)


def _backgrounds(images: Tensor, plants: Tensor, photos: Tensor | None, settings: FieldScenes, random: Generator) -> Tensor:
    """A background for each image: of another one of the batch, of a photo, or drawn. float [N,3,S,S]."""
    n = len(images)
    draw = torch.rand(n, generator=random)
    partner = torch.randperm(n, generator=random)
    made = soils(n, images.shape[-1], random, images.device)
    photo_share = settings.photos if photos is not None else 0.0
    others = (draw < settings.others).nonzero()[:, 0]
    squares = ((draw >= settings.others) & (draw < settings.others + photo_share)).nonzero()[:, 0]
    if len(others):
        rows = partner[others]
        made[others] = turned(bare(images[rows], plants[rows]), random)
    if photos is not None and len(squares):
        rows = torch.randint(len(photos), (len(squares),), generator=random)
        made[squares] = turned(photos[rows].to(images) / 255, random)
    return made


def turned(images: Tensor, random: Generator) -> Tensor:
    """Backgrounds at any angle, of any size: [N,3,S,S] → [N,3,S,S]."""
    n = len(images)
    zoom = uniform(n, math.log(0.8), math.log(2.2), random).exp()
    shift = (torch.rand(n, 2, generator=random) * 2 - 1) * 0.6
    return F.grid_sample(images, _grid(images, zoom, shift, 0.0, random), padding_mode="reflection", align_corners=False)


def bare(images: Tensor, plants: Tensor) -> Tensor:
    """Images without their plants, smooth colours of the background around in their place: float [N,3,S,S], [N,1,S,S] → [N,3,S,S]."""
    bare_share = (1 - F.max_pool2d(plants, 7, stride=1, padding=3)).clamp(1e-3, 1)  # three pixels more, for the green shine
    cells = F.adaptive_avg_pool2d(torch.cat([images * bare_share, bare_share], 1), 10)  # [N,4,10,10]
    cells = cells + 0.05 * cells.mean((2, 3), keepdim=True)  # where a cell is all plant
    around = F.interpolate(cells[:, :3] / cells[:, 3:], images.shape[2:], mode="bilinear", align_corners=False)
    return torch.lerp(around, images, bare_share)


def plant_shadow(background: Tensor, plant: Tensor, random: Generator) -> Tensor:
    """The plant's shadow on its background, up to 6 pixels from it: float [N,3,S,S], [N,1,S,S] → [N,3,S,S]."""
    n = len(background)
    away = torch.randint(-6, 7, (2,), generator=random).tolist()
    shadow = blurred(plant.roll(away, (2, 3)), uniform(n, 0.5, 4, random))
    depth = uniform(n, 0, 0.6, random) * drawn(n, 0.6, random)
    return background * (1 - per_image(depth, background) * shadow)


def _second_plant(images: Tensor, plants: Tensor, layers: Tensor, settings: FieldScenes, random: Generator) -> tuple[Tensor, Tensor]:
    """Part of another plant of the batch at the edge of some images."""
    n = len(images)
    chosen = drawn(n, settings.second, random)
    partner = torch.randperm(n, generator=random)
    angle, far = uniform(n, -math.pi, math.pi, random), uniform(n, 1.1, 1.6, random)  # in halves of the side
    zoom = uniform(n, math.log(0.6), math.log(1.5), random).exp()
    shift = torch.stack([angle.cos(), angle.sin()], 1) * (far / zoom)[:, None]
    other = F.grid_sample(layers[partner], _grid(layers, zoom, shift, 0.0, random), padding_mode="zeros", align_corners=False)
    over = other[:, 3:] * per_image(chosen, images)  # [N,1,S,S]
    return torch.lerp(images, other[:, :3], over), torch.maximum(plants, over)

"""Pictures of many plants of many sizes on one ground, with the mask of each: what a segmenter of whole photos learns from."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.data.tensors import cut_out
from training.fitting.camera import blurred, drawn, per_image, smooth_field, uniform
from training.fitting.field import compose, looks, placed, plant_shadow, turned
from training.recipe import FieldScenes

SIDE = 256  # pixels a side of the pictures
_FIRST = FieldScenes(share=0.75, others=0.2, photos=0.35, looks=0.5, wide=0.6, wide_scale=(0.3, 1.6), wide_shift=0.4, second=0)
_MORE = FieldScenes(share=1, wide=1, wide_scale=(0.6, 1.2), wide_shift=0.45, looks=0.5)
_PASSES = 4  # layers of further plants
_SIZES = (1.0, 0.5, 0.25, 0.14)  # of a further plant, drawn for each layer; a plant fills about two thirds of its image
_CHANCE = 0.55  # of a further plant in each layer of each picture
_EMPTY = 0.1  # share of pictures of a ground alone
_THINGS = 0.2  # share of pictures with things of any colour, green ones too, that are no plants


@dataclass(frozen=True)
class Scenes:
    """Pictures and what is on them."""

    images: Tensor  # float [N,3,S,S] in 0–1
    plants: list[Tensor]  # each float [N,1,S,S] in 0–1: what is seen of one plant of each picture; empty where there is none

    known: Tensor  # float [N], 1 where each of `plants` is one plant, 0 where it may be several

    @property
    def plant(self) -> Tensor:
        """How much of each pixel is plant: [N,1,S,S]."""
        return torch.stack(self.plants).amax(0)

    def turned(self, random: Generator) -> "Scenes":
        """The same, all turned by one right angle or none, and mirrored or not."""
        quarters, mirrored = torch.randint(4, (), generator=random).item(), bool(torch.randint(2, (), generator=random))

        def turn(images: Tensor) -> Tensor:
            images = torch.rot90(images, int(quarters), (2, 3))
            return images.flip(3) if mirrored else images

        return Scenes(turn(self.images), [turn(plant) for plant in self.plants], self.known)


def compose_many(pixels: Tensor, backgrounds: Tensor | None, random: Generator) -> Scenes:
    """Set plants of images in the data set's own light on common grounds: float [N,3,s,s] → scenes of `SIDE` pixels a side.

    backgrounds: squares of photos, uint8 [M,3,s,s], or None.
    """
    layers = torch.cat([pixels, cut_out(pixels)], 1)  # [N,4,s,s]
    first = F.interpolate(layers, (SIDE, SIDE), mode="bilinear", align_corners=False)
    squares = None
    if backgrounds is not None:
        chosen = torch.randint(len(backgrounds), (len(pixels),), generator=random)
        squares = F.interpolate(backgrounds[chosen].to(pixels) / 255, (SIDE, SIDE), mode="bilinear").mul(255).to(torch.uint8)
    scene = compose(first[:, :3], first[:, 3:], squares, _FIRST, random)
    images, plants = scene.images, [scene.plants]
    if squares is not None:
        empty = per_image(drawn(len(images), _EMPTY, random), images).bool()
        images = torch.where(empty, turned(squares.to(images) / 255, random), images)
        plants = [plants[0] * ~empty]
    images, plants = _with_things(images, plants, random)
    for _ in range(_PASSES):
        images, seen = _with_plant(images, layers, random)
        plants = [plant * (1 - seen) for plant in plants] + [seen]
    return Scenes(images, plants, scene.moved.float())


def _with_plant(images: Tensor, layers: Tensor, random: Generator) -> tuple[Tensor, Tensor]:
    """One more plant on some of the pictures, of another image of the batch: → pictures, its mask [N,1,S,S]."""
    n = len(images)
    size = _SIZES[int(torch.randint(len(_SIZES), (), generator=random))]
    side = max(8, round(layers.shape[-1] * size))
    small = F.interpolate(layers[torch.randperm(n, generator=random)], (side, side), mode="bilinear", antialias=True)
    before, rest = divmod(SIDE - side, 2)
    small = F.pad(small, (before, before + rest, before, before + rest))
    layer = placed(small, torch.ones(n, dtype=torch.bool), _MORE, random)
    mask = layer[:, 3:] * per_image(drawn(n, _CHANCE, random), images)
    edge = torch.where(per_image(drawn(n, 0.5, random), images).bool(), mask, blurred(mask, uniform(n, 0.3, 0.8, random)))
    ground = plant_shadow(images, mask, random)
    return torch.lerp(ground, looks(layer[:, :3], _MORE, random), edge), mask


def _with_things(images: Tensor, plants: list[Tensor], random: Generator) -> tuple[Tensor, list[Tensor]]:
    """Smooth things of one colour on some pictures, over what is there: cloth, pots, labels, hoses."""
    n = len(images)
    shape = smooth_field(n, 4, SIDE, random, images.device)
    inside = ((shape - per_image(uniform(n, 0.6, 1.6, random), images)) > 0).to(images)
    inside = inside * per_image(drawn(n, _THINGS, random), images)
    colour = torch.rand(n, 3, generator=random).to(images)[:, :, None, None] * (1 + 0.1 * smooth_field(n, 6, SIDE, random, images.device))
    inside = blurred(inside, uniform(n, 0.3, 1.0, random))
    return torch.lerp(images, colour.clamp(0, 1), inside), [plant * (1 - inside) for plant in plants]


def centres(plants: list[Tensor], stride: int) -> Tensor:
    """Hills of height 1 on the centres of plants: masks [N,1,S,S] → float [N,1,S/stride,S/stride].

    A hill is as wide as a third of its plant's radius of gyration, at least a place; a plant of under 12 pixels has none.
    """
    n, _, height, width = plants[0].shape
    down, across = (torch.arange(length // stride, dtype=torch.float32) for length in (height, width))
    made = torch.zeros(n, 1, height // stride, width // stride)
    for mask in plants:
        area = mask.sum((1, 2, 3))  # [N]
        weight = area.clamp(min=1)
        rows, columns = torch.arange(height, dtype=torch.float32), torch.arange(width, dtype=torch.float32)
        by_row, by_column = mask.sum((1, 3)), mask.sum((1, 2))  # [N,H], [N,W]
        y, x = (by_row * rows).sum(1) / weight, (by_column * columns).sum(1) / weight  # [N]
        spread = (by_row * (rows - y[:, None]) ** 2).sum(1) + (by_column * (columns - x[:, None]) ** 2).sum(1)
        sigma = (0.35 * (spread / weight).sqrt() / stride).clamp(min=1)  # [N], in places
        y, x = (y + 0.5) / stride - 0.5, (x + 0.5) / stride - 0.5
        square = (down - y[:, None])[:, :, None] ** 2 + (across - x[:, None])[:, None] ** 2  # [N,h,w]
        hill = torch.exp(-square / (2 * sigma**2)[:, None, None]) * (area >= 12)[:, None, None]
        made = torch.maximum(made, hill[:, None])
    return made

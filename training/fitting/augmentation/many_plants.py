"""Pictures of many plants of many sizes on one background, with the mask of each: what a segmenter of whole photos learns from."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from training.data.tensors import cut_out
from training.fitting.augmentation.background_replacement import compose, looks, placed, plant_shadow, turned
from training.fitting.augmentation.camera import blurred, drawn, per_image, smooth_field, uniform
from training.fitting.augmentation.canopies import grown_over
from training.fitting.augmentation.litter import litter, stones
from training.recipe import FieldScenes

SIDE = 256  # pixels a side of the pictures
_FIRST = FieldScenes(share=0.75, others=0.2, photos=0.35, looks=0.5, wide=0.6, wide_scale=(0.3, 1.6), wide_shift=0.4, second=0)
_MORE = FieldScenes(share=1, wide=1, wide_scale=(0.6, 1.2), wide_shift=0.45, looks=0.5)
_PASSES = 4  # layers of further plants
_SIZES = (1.0, 0.5, 0.25, 0.14)  # of a further plant, drawn for each one; a plant fills about two thirds of its image
_CHANCE = 0.55  # of a further plant in each layer of each picture
_DENSE, _DENSE_SIZE = 0.15, 1.6  # share of pictures with a large further plant in each layer, so that leaves cover most of it
_EMPTY = 0.1  # share of pictures of a background alone
_THINGS = 0.2  # share of pictures with things of any colour, green ones too, that are no plants
_LITTER = 0.2  # share of pictures on a soil with straw, moss or a ruler
_CANOPIES = 0.1  # share of pictures with a lawn or another closed canopy over a part of them
_STONES = 0.35  # share of pictures with drawn stones


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
    """Set plants of images in the data set's own light on common backgrounds: float [N,3,s,s] → scenes of `SIDE` pixels a side.

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
    rows = drawn(len(images), _LITTER, random).nonzero()[:, 0].to(images.device)
    images = images.index_put((rows,), litter(len(rows), SIDE, random, images.device))
    plants = [plants[0].index_fill(0, rows, 0)]
    rows = drawn(len(images), _CANOPIES, random).nonzero()[:, 0].to(images.device)
    green, canopy = grown_over(images[rows], layers, random)
    images = images.index_put((rows,), green)
    plants = [plants[0].index_put((rows,), torch.maximum(plants[0][rows], canopy))]
    known = scene.moved.float().index_fill(0, rows, 0)
    rows = drawn(len(images), _STONES, random).nonzero()[:, 0].to(images.device)
    with_stones, stone = stones(images[rows], random)
    images = images.index_put((rows,), with_stones)
    plants = [plants[0].index_put((rows,), plants[0][rows] * (1 - stone))]
    images, plants = _with_things(images, plants, random)
    dense = drawn(len(images), _DENSE, random)
    for _ in range(_PASSES):
        images, seen = _with_plant(images, layers, dense, random)
        plants = [plant * (1 - seen) for plant in plants] + [seen]
    return Scenes(images, plants, known)


def _with_plant(images: Tensor, layers: Tensor, dense: Tensor, random: Generator) -> tuple[Tensor, Tensor]:
    """One more plant on some of the pictures, a large one on those that are `dense`, [N]: → pictures, its mask [N,1,S,S].

    It is of another image of the batch.
    """
    n = len(images)
    sizes, partner = torch.randint(len(_SIZES), (n,), generator=random), torch.randperm(n, generator=random)
    sizes = torch.where(dense, len(_SIZES), sizes)
    sized = layers.new_zeros(n, layers.shape[1], SIDE, SIDE)
    for number, size in enumerate((*_SIZES, _DENSE_SIZE)):
        rows = (sizes == number).nonzero()[:, 0].to(layers.device)
        side = min(SIDE, max(8, round(layers.shape[-1] * size)))
        middle = slice((SIDE - side) // 2, (SIDE - side) // 2 + side)
        if len(rows):
            small = F.interpolate(layers[partner.to(layers.device)[rows]], (side, side), mode="bilinear", antialias=True)
            sized[rows, :, middle, middle] = small
    layer = placed(sized, torch.ones(n, dtype=torch.bool), _MORE, random)
    mask = layer[:, 3:] * per_image(drawn(n, _CHANCE, random) | dense, images)
    edge = torch.where(per_image(drawn(n, 0.5, random), images).bool(), mask, blurred(mask, uniform(n, 0.3, 0.8, random)))
    shaded = plant_shadow(images, mask, random)
    return torch.lerp(shaded, looks(layer[:, :3], _MORE, random), edge), mask


def _with_things(images: Tensor, plants: list[Tensor], random: Generator) -> tuple[Tensor, list[Tensor]]:
    """Smooth things of one colour on some pictures, over what is there: cloth, pots, labels, hoses."""
    n = len(images)
    shape = smooth_field(n, 4, SIDE, random, images.device)
    inside = (shape > per_image(uniform(n, 0.6, 1.6, random), images)).to(images)
    inside = inside * per_image(drawn(n, _THINGS, random), images)
    colour = torch.rand(n, 3, generator=random).to(images)[:, :, None, None] * (1 + 0.1 * smooth_field(n, 6, SIDE, random, images.device))
    inside = blurred(inside, uniform(n, 0.3, 1.0, random))
    return torch.lerp(images, colour.clamp(0, 1), inside), [plant * (1 - inside) for plant in plants]


def centres(plants: list[Tensor], stride: int) -> Tensor:
    """Hills of height 1 on the centres of plants: masks [N,1,S,S] → float [N,1,S/stride,S/stride].

    A hill is as wide as a third of its plant's radius of gyration, at least a place; a plant of under 12 pixels has none.
    """
    n, _, side, _ = plants[0].shape
    places = torch.arange(side, dtype=torch.float32, device=plants[0].device)
    made = plants[0].new_zeros(n, 1, side // stride, side // stride)
    for mask in plants:
        area = mask.sum((1, 2, 3))  # [N]
        weight = area.clamp(min=1)
        by_row, by_column = mask.sum((1, 3)), mask.sum((1, 2))  # [N,S], [N,S]
        y, x = (by_row * places).sum(1) / weight, (by_column * places).sum(1) / weight  # [N]
        spread = (by_row * (places - y[:, None]) ** 2).sum(1) + (by_column * (places - x[:, None]) ** 2).sum(1)
        hill = _hills(y, x, spread / weight, side, stride) * (area >= 12)[:, None, None]
        made = torch.maximum(made, hill[:, None])
    return made


def centres_of_parts(masks: Tensor, stride: int, least_px: int, most: int) -> tuple[Tensor, Tensor]:
    """The same for connected parts of at least `least_px` pixels, each one plant: bool [N,1,S,S] → hills, and of which images, float [N].

    An image of more than `most` parts has no hills, and is none of these.
    """
    n, _, side, _ = masks.shape
    labels = connected_parts(masks)
    places = torch.arange(side, device=masks.device)
    rows, columns = (at.expand(n, 1, side, side) for at in (places[:, None], places[None]))
    values = torch.stack([torch.ones_like(labels), rows, columns, rows**2 + columns**2], -1).view(-1, 4)
    first = torch.arange(n, device=masks.device) * (side * side + 1)
    sums = values.new_zeros(n * (side * side + 1), 4).index_add_(0, (labels + first[:, None, None, None]).flatten(), values)
    areas = sums.view(n, -1, 4)[:, 1:, 0]  # [N,S·S], of the part that ends at each pixel
    image, part = (areas >= least_px).nonzero().unbind(1)  # [P], in the order of images
    counts = torch.bincount(image, minlength=n)  # [N]
    rank = torch.arange(len(image), device=masks.device) - (counts.cumsum(0) - counts)[image]
    few = counts <= most
    image, part, rank = image[few[image]], part[few[image]], rank[few[image]]
    area, down, across, square = sums.view(n, -1, 4)[image, part + 1].double().unbind(1)  # [P]
    y, x = down / area, across / area
    made = torch.zeros(n, most, side // stride, side // stride, device=masks.device)
    made[image, rank] = _hills(y.float(), x.float(), (square / area - y**2 - x**2).float(), side, stride)
    return made.amax(1, keepdim=True), few.float()


def connected_parts(masks: Tensor) -> Tensor:
    """Which connected part each pixel is of, its corners' neighbours counted in: bool [N,1,H,W] → int64 [N,1,H,W].

    0: none; else one more than the place of the part's last pixel, row by row. Each pixel takes the highest number of its
    neighbours, then the number that the pixel of that number has, until nothing changes.
    """
    height, width = masks.shape[2:]
    labels = torch.arange(1, height * width + 1, device=masks.device).view(1, 1, height, width) * masks
    while True:
        higher = F.max_pool2d(labels.double(), 3, 1, 1).long() * masks
        for _ in range(2):
            higher = F.pad(higher.flatten(1), (1, 0)).gather(1, higher.flatten(1)).view_as(labels)
        if torch.equal(higher, labels):
            return labels
        labels = higher


def _hills(y: Tensor, x: Tensor, spread: Tensor, side: int, stride: int) -> Tensor:
    """One hill each, [P,side/stride,side/stride]: centres [P] in pixels, and the mean square of the distance from there, [P]."""
    places = torch.arange(side // stride, dtype=torch.float32, device=y.device)
    sigma = (0.35 * spread.sqrt() / stride).clamp(min=1)  # [P], in places
    y, x = (y + 0.5) / stride - 0.5, (x + 0.5) / stride - 0.5
    square = (places - y[:, None])[:, :, None] ** 2 + (places - x[:, None])[:, None] ** 2  # [P,h,w]
    return torch.exp(-square / (2 * sigma**2)[:, None, None])

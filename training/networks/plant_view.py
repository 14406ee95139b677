"""The plant in one light, and alone if wanted: what a network sees that is not to lean on where a photo was taken.

Each image goes through a small segmenter; the photo is brought to the light in which its plant has one brightness. Then the background
gives way to one neutral colour: always, never, or wherever it is not the background of the training images. In training and in service
alike, since this is the first layer of the network.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.network import Network

_CHANNELS = (16, 32, 48)  # at a half, a quarter and an eighth of the resolution
_NEUTRAL = (0.45, 0.42, 0.38)  # about the mean colour of the gravel in the boxes, RGB
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Segmenter(nn.Module):
    """Plant or background for each pixel: a U-Net on blocks of 2×2 pixels, 94,277 parameters.

    Ronneberger, Fischer, Brox (2015), *U-Net*, with sums in place of concatenations. Light is taken out first: colours are
    divided by the image's mean. A second output, of `look`, tells the background of the training images from every other one.
    """

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth = _CHANNELS
        self.stem = nn.Sequential(_layer(12, half), _layer(half, half))
        self.down_quarter = nn.Sequential(_layer(half, quarter, stride=2), _layer(quarter, quarter))
        self.down_eighth = nn.Sequential(_layer(quarter, eighth, stride=2), _layer(eighth, eighth), _layer(eighth, eighth))
        self.up_quarter, self.join_quarter = _layer(eighth, quarter, kernel=1), _layer(quarter, quarter)
        self.up_half, self.join_half = _layer(quarter, half, kernel=1), _layer(half, half)
        self.last = nn.Conv2d(half, 4, 3, padding=1)
        self.ground = background_layers()  # the name stands in weights that are kept

    def forward(self, images: Tensor) -> Tensor:
        """Logits of plant: float [N,3,S,S] in 0–1, S even → [N,1,S,S]."""
        return self.described(images)[0]

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and logits of the background being that of the training images: [N,3,S,S] → [N,1,S,S], [N,1]."""
        logits, texture = self.described(images)
        return logits, self.ground(texture)

    def described(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of plant, and the texture and colour of the background alone: [N,3,S,S] → [N,1,S,S], [N,195].

        Texture: mean and deviation of the features at all three resolutions, as a picture's style (Gatys et al., 2015) without its
        correlations.
        """
        logits, half, quarter, eighth = self.levels(images)
        return logits, self.texture(images, half, quarter, eighth, 1 - _wider(logits.sigmoid()))

    def seen(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `look` gives, and the texture and colour of the plant alone: [N,3,S,S] → [N,1,S,S], [N,1], [N,195]."""
        logits, half, quarter, eighth = self.levels(images)
        plant = logits.sigmoid()
        ground = self.ground(self.texture(images, half, quarter, eighth, 1 - _wider(plant)))
        return logits, ground, self.texture(images, half, quarter, eighth, plant)

    def levels(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of plant, and the features at a half, a quarter and an eighth of the resolution."""
        level = images.mean((1, 2, 3), keepdim=True)
        half = self.stem(F.pixel_unshuffle((images / (level + 0.02)).clamp(max=4.0) - 1, 2))
        quarter = self.down_quarter(half)
        eighth = self.down_eighth(quarter)
        wide = F.interpolate(self.up_quarter(eighth), quarter.shape[2:], mode="bilinear", align_corners=False)
        wide = self.up_half(self.join_quarter(quarter + wide))
        wide = F.interpolate(wide, half.shape[2:], mode="bilinear", align_corners=False)
        return F.pixel_shuffle(self.last(self.join_half(half + wide)), 2), half, quarter, eighth

    def texture(self, images: Tensor, half: Tensor, quarter: Tensor, eighth: Tensor, where: Tensor) -> Tensor:
        """Means and deviations of the features, and the colour, of a part of the images, [N,1,S,S] in 0–1: → [N,195]."""
        colour = (images * where).sum((2, 3)) / where.sum((2, 3)).clamp(min=1.0)  # [N,3]
        colour = colour / (colour.mean(1, keepdim=True) + 0.02)
        return torch.cat([_statistics(half, where), _statistics(quarter, where), _statistics(eighth, where), colour], 1)


class PlantView(nn.Module):
    """An image with its plant in one light, and alone on one neutral background if wanted.

    In training, masks get errors of the kinds that a segmenter makes, so that the network behind it does not trust their edges, and
    some images lose a background that would stay, so that it knows their plants alone too.
    """

    brightness: Final = 0.38  # of a plant: about the mean of the training images' plants
    least_gain: Final = 0.3  # limits of the factor that brings it there
    most_gain: Final = 10.0
    cut_anyway: Final = 0.15  # share of the training images that lose their background whatever it is
    few: Final = 1e-3  # of the image: with less plant than this the brightness of all counts
    alone: Final[bool]
    gated: Final[bool]
    neutral: Tensor
    luma: Tensor

    def __init__(self, segmenter: Segmenter, alone: bool, gated: bool = False) -> None:
        """`alone`: without its background; `gated`: but with the background of the training images. The segmenter stays as it is."""
        super().__init__()
        self.alone = alone
        self.gated = gated
        self.segmenter = segmenter.requires_grad_(False).eval()
        self.register_buffer("neutral", torch.tensor(_NEUTRAL)[:, None, None])
        self.register_buffer("luma", torch.tensor(_LUMA)[:, None, None])

    def train(self, mode: bool = True) -> "PlantView":
        """Norms of the segmenter stay as they were learnt, whatever the network around it does."""
        super().train(mode)
        self.segmenter.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """float [N,3,S,S] in 0–1 → the same."""
        logits, known = self.segmenter.look(images)
        logits, stays = logits.float(), known.float().sigmoid()[:, :, None, None]  # [N,1,S,S], [N,1,1,1]
        if self.training:
            logits = self.mistaken(logits)
            stays = torch.where(torch.rand(len(images), 1, 1, 1, device=images.device) < self.cut_anyway, 0.0, stays)
        return self.shown(images, logits, stays)

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, and the texture of the plant, by which it is told from what is none: [N,3,S,S] → the same, [N,195,1,1]."""
        logits, ground, texture = self.segmenter.seen(images)
        return self.shown(images, logits.float(), ground.float().sigmoid()[:, :, None, None]), texture[:, :, None, None]

    def mistaken(self, logits: Tensor) -> Tensor:
        """Masks that are surer or less sure, wider or narrower, some with pieces of background or with holes: [N,1,S,S] → [N,1,S,S]."""
        n, _, height, width = logits.shape
        draws = torch.randn(4, n, 1, 1, 1, device=logits.device)
        logits = logits * (0.4 * draws[0]).exp() + 0.8 * draws[1]
        points = torch.randn(n, 1, 9, 9, device=logits.device)
        spots = F.interpolate(points, [height, width], mode="bicubic", align_corners=False)
        pieces = (draws[2] > 0.84).to(logits.dtype)  # a fifth of normal draws
        holes = (draws[3] > 1.04).to(logits.dtype)  # 15%
        return logits + 7 * pieces * ((spots - 1.6) * 8).sigmoid() - 9 * holes * ((-spots - 1.7) * 8).sigmoid()

    def shown(self, images: Tensor, logits: Tensor, stays: Tensor) -> Tensor:
        """The images in the light of what `logits`, [N,1,S,S], call plant; for a plant alone the rest is made neutral.

        stays: how much of the background is kept all the same behind a gate, [N,1,1,1] in 0–1.
        """
        plant = logits.sigmoid()
        weight = plant * plant
        light = (images * self.luma).sum(1, keepdim=True)  # [N,1,S,S]
        share = weight.mean((2, 3), keepdim=True)
        of_plant = (weight * light).mean((2, 3), keepdim=True) + self.few * light.mean((2, 3), keepdim=True)
        gain = (self.brightness / (of_plant / (share + self.few) + 0.01)).clamp(self.least_gain, self.most_gain)
        lit = (images * gain).clamp(0, 1)
        if not self.alone:
            return lit
        return torch.lerp(self.neutral.expand_as(images), lit, torch.maximum(plant, stays) if self.gated else plant)


def background_layers() -> nn.Sequential:
    """From the texture and colour of a background, [N,195], to the logit of its being that of the training images, [N,1]."""
    return nn.Sequential(nn.Linear(2 * sum(_CHANNELS) + 3, 32), nn.ReLU(inplace=True), nn.Linear(32, 1))


def with_plant_view(network: Network, segmenter: Segmenter, kind: str) -> Network:
    """The network with a plant view of that kind in front of its first layer: `light`, `alone` or `gated`."""
    view = PlantView(segmenter, alone=kind != "light", gated=kind == "gated")
    return Network(nn.Sequential(view, *network.convolutions), network.classifier)


def view_of(network: Network) -> PlantView | None:
    """The plant view of a network that has one."""
    first = network.convolutions[0]
    return first if isinstance(first, PlantView) else None


def shows_plants_alone(network: Network) -> bool:
    """Whether a network sees plants without their background, be it of some photos only."""
    view = view_of(network)
    return view is not None and view.alone


def _layer(channels: int, out: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _wider(plant: Tensor) -> Tensor:
    """A plant and two pixels more, for the green shine: [N,1,S,S] → [N,1,S,S]. Row by row it takes two fifths of the comparisons."""
    return F.max_pool2d(F.max_pool2d(plant, [1, 5], [1, 1], [0, 2]), [5, 1], [1, 1], [2, 0])


def _statistics(features: Tensor, bare: Tensor) -> Tensor:
    """Mean and standard deviation of each channel over the background, [N,1,S,S] in 0–1: [N,C,H,W] → [N,2C]."""
    weight = F.interpolate(bare, features.shape[2:], mode="bilinear", align_corners=False).clamp(min=1e-3)
    total = weight.sum((2, 3))  # [N,1]
    mean = (features * weight).sum((2, 3)) / total
    variance = ((features - mean[:, :, None, None]).square() * weight).sum((2, 3)) / total
    return torch.cat([mean, (variance + 1e-4).sqrt()], 1)

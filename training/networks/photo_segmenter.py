"""What finds plants on whole photos: a plant or background for each pixel, and where plants have their centres."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.efficientnet_lite import EfficientNetLite, centred, efficientnet_lite0, pyramid

STRIDE = 16  # pixels; width and height of a photo are multiples of it
CENTRE_STRIDE = 4  # pixels a side of one value of the map of centres
_SEEN = (16, 24, 40, 112)  # channels of EfficientNet-Lite0 at a half, a quarter, an eighth and a sixteenth of the resolution
_CHANNELS = (16, 48, 64, 96)  # of the way back; few at a half, which takes the most time


class PhotoSegmenter(nn.Module):
    """A U-Net whose way down is EfficientNet-Lite0, with two outputs, 982,613 parameters.

    Ronneberger, Fischer, Brox (2015), *U-Net*, with sums in place of concatenations; the centres are a heat map as of Zhou, Wang,
    Krähenbühl (2019), *Objects as Points*. What is as fine as a leaf's edge comes from blocks of 2×2 pixels beside the encoder. Light is
    taken out first: the encoder sees a photo at one brightness; the blocks are divided by the photo's mean, and by the mean of each
    colour too, so that a tinted camera changes less.
    """

    def __init__(self, encoder: EfficientNetLite | None = None) -> None:
        """`encoder`: EfficientNet-Lite0 with the weights to begin with; without it they are random."""
        super().__init__()
        half, quarter, eighth, sixteenth = _CHANNELS
        stages = pyramid(encoder or efficientnet_lite0(1))
        self.down_half, self.down_quarter, self.down_eighth, self.down_sixteenth = stages[: len(_SEEN)]
        across = [_layer(seen, out, kernel=1) for seen, out in zip(_SEEN, _CHANNELS, strict=True)]
        self.across_half, self.across_quarter, self.across_eighth, self.across_sixteenth = across
        self.stem = nn.Sequential(_layer(24, half), _layer(half, half))
        self.around = nn.Sequential(_layer(sixteenth, sixteenth), _layer(sixteenth, sixteenth, dilation=3))
        self.up_eighth, self.join_eighth = _layer(sixteenth, eighth, kernel=1), _layer(eighth, eighth)
        self.up_quarter, self.join_quarter = _layer(eighth, quarter, kernel=1), _layer(quarter, quarter)
        self.up_half = _layer(quarter, half, kernel=1)
        self.join_half = nn.Sequential(_layer(half, half), _layer(half, half))
        self.last = nn.Conv2d(half, 4, 3, padding=1)
        self.centre = nn.Sequential(_layer(quarter, quarter), nn.Conv2d(quarter, 1, 3, padding=1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of plant and of a plant's centre: float [N,3,H,W] in 0–1, multiples of 16 → [N,1,H,W], [N,1,H/4,W/4]."""
        half = self.down_half(centred(_at_one_level(images)))
        quarter = self.down_quarter(half)
        eighth = self.down_eighth(quarter)
        sixteenth = self.down_sixteenth(eighth)
        sixteenth = self.around(self.across_sixteenth(sixteenth))
        eighth = self.join_eighth(self.across_eighth(eighth) + enlarged(self.up_eighth(sixteenth), 2))
        quarter = self.join_quarter(self.across_quarter(quarter) + enlarged(self.up_quarter(eighth), 2))
        fine = self.stem(_without_light(images))
        half = self.join_half(fine + self.across_half(half) + enlarged(self.up_half(quarter), 2))
        return F.pixel_shuffle(self.last(half), 2), self.centre(quarter)

    def encoder(self) -> list[nn.Module]:
        """The layers that may begin with ImageNet's weights, by their resolution, the highest first."""
        return [self.down_half, self.down_quarter, self.down_eighth, self.down_sixteenth]


def _at_one_level(images: Tensor, level: float = 0.42) -> Tensor:
    """Images of one mean, about that of ImageNet's: float [N,3,H,W] → the same shape, at most 1.6."""
    lights = images.mean((1, 2, 3)) + 0.005  # [N]
    return (images * (level / lights)[:, None, None, None]).clamp(max=1.6)


def _without_light(images: Tensor) -> Tensor:
    """Blocks of 2×2 pixels divided by the photo's mean, and by its colours' means: float [N,3,H,W] → [N,24,H/2,W/2].

    The light is taken out where it is cheapest: after the blocks are made, and in place. Of a large photo each pass counts.
    """
    n, channels = images.shape[:2]
    blocks = F.pixel_unshuffle(images, 2).contiguous(memory_format=torch.channels_last)  # [N,12,H/2,W/2]
    level, colours = images.mean((1, 2, 3)), images.mean((2, 3))  # [N], [N,3]
    lights = torch.cat([level[:, None].expand(n, 4 * channels), colours.repeat_interleave(4, 1)], 1) + 0.005  # [N,24]
    return torch.cat([blocks, blocks], 1).div_(lights[:, :, None, None]).clamp_(max=4.0).sub_(1)


def enlarged(maps: Tensor, times: int) -> Tensor:
    """[N,C,h,w] → [N,C,times·h,times·w]."""
    return F.interpolate(maps, scale_factor=float(times), mode="bilinear", align_corners=False)


def _layer(into: int, out: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(into, out, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))

"""What finds plants on whole photos: a plant or background for each pixel, and where plants have their centres."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 16  # pixels; width and height of a photo are multiples of it
CENTRE_STRIDE = 4  # pixels a side of one value of the map of centres
_CHANNELS = (16, 32, 48, 64)  # at a half, a quarter, an eighth and a sixteenth of the resolution


class PhotoSegmenter(nn.Module):
    """A U-Net on blocks of 2×2 pixels with two outputs, 199,429 parameters.

    Ronneberger, Fischer, Brox (2015), *U-Net*, with sums in place of concatenations; the centres are a heat map as of Zhou, Wang,
    Krähenbühl (2019), *Objects as Points*. Light is taken out first: colours are given divided by the photo's mean, and each
    divided by its own mean too, so that a tinted camera changes less. All steps down are of whole blocks, so the grid of a mirrored
    photo is the mirrored grid.
    """

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = _CHANNELS
        self.stem = nn.Sequential(_layer(24, half), _layer(half, half))
        self.down_quarter = nn.Sequential(_down(half, quarter), _layer(quarter, quarter))
        self.down_eighth = nn.Sequential(_down(quarter, eighth), _layer(eighth, eighth), _layer(eighth, eighth))
        self.down_sixteenth = nn.Sequential(
            _down(eighth, sixteenth), _layer(sixteenth, sixteenth), _layer(sixteenth, sixteenth, dilation=3)
        )
        self.up_eighth, self.join_eighth = _layer(sixteenth, eighth, kernel=1), _layer(eighth, eighth)
        self.up_quarter, self.join_quarter = _layer(eighth, quarter, kernel=1), _layer(quarter, quarter)
        self.up_half, self.join_half = _layer(quarter, half, kernel=1), _layer(half, half)
        self.last = nn.Conv2d(half, 4, 3, padding=1)
        self.centre = nn.Sequential(_layer(quarter, quarter), nn.Conv2d(quarter, 1, 3, padding=1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of plant and of a plant's centre: float [N,3,H,W] in 0–1, multiples of 16 → [N,1,H,W], [N,1,H/4,W/4]."""
        half = self.stem(_without_light(images))
        quarter = self.down_quarter(half)
        eighth = self.down_eighth(quarter)
        sixteenth = self.down_sixteenth(eighth)
        eighth = self.join_eighth(eighth + _twice(self.up_eighth(sixteenth)))
        quarter = self.join_quarter(quarter + _twice(self.up_quarter(eighth)))
        half = self.join_half(half + _twice(self.up_half(quarter)))
        return F.pixel_shuffle(self.last(half), 2), self.centre(quarter)


def _without_light(images: Tensor) -> Tensor:
    """Blocks of 2×2 pixels divided by the photo's mean, and by its colours' means: float [N,3,H,W] → [N,24,H/2,W/2].

    The light is taken out where it is cheapest: after the blocks are made, and in place. Of a large photo each pass counts.
    """
    n, channels = images.shape[:2]
    blocks = F.pixel_unshuffle(images, 2).contiguous(memory_format=torch.channels_last)  # [N,12,H/2,W/2]
    level, colours = images.mean((1, 2, 3)), images.mean((2, 3))  # [N], [N,3]
    lights = torch.cat([level[:, None].expand(n, 4 * channels), colours.repeat_interleave(4, 1)], 1) + 0.02  # [N,24]
    return torch.cat([blocks, blocks], 1).div_(lights[:, :, None, None]).clamp_(max=4.0).sub_(1)


def _twice(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


def _layer(into: int, out: int, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(into, out, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _down(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 2, stride=2, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))

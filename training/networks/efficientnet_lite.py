"""*efficientnet-lite0*, *1*, *2*: EfficientNet for small processors, 3,386,380, 4,151,052 and 4,826,444 parameters with 12 species.

Tan and Le (2019), *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*; the lite variants by Liu (2020,
TensorFlow blog, *Higher accuracy on vision models with EfficientNet-Lite*) leave out squeeze-and-excitation, take ReLU6 for swish,
and keep the width of the first and last convolution and the depth of the first and last stage whatever the scale. Weights
learnt on ImageNet fit (`start = "imagenet"`): layers are in the order of the packages' files, padding is TensorFlow's.
"""

import copy
import math

import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.network import Network

# Table 1 of Tan and Le: expansion, channels, blocks, stride of the first block, kernel.
_STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))
_STEM, _HEAD = 32, 1280  # channels of the first and the last convolution
_SCALES = ((1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3))  # width, depth, dropout of 0, 1, 2


class EfficientNetLite(Network):
    """A convolution, 16 to 21 inverted residual blocks, a convolution, the mean over the image, one dense layer."""

    def __init__(self, species: int, scale: int) -> None:
        """`scale`: 0, 1 or 2."""
        width, depth, dropout = _SCALES[scale]
        layers: list[nn.Module] = [_Centre(), _Same(3, 2), nn.Conv2d(3, _STEM, 3, stride=2, bias=False), _norm(_STEM), nn.ReLU6()]
        channels = _STEM
        for number, (expansion, base, blocks, stride, kernel) in enumerate(_STAGES):
            if 0 < number < len(_STAGES) - 1:
                blocks = math.ceil(blocks * depth)
            out = _rounded(base * width)
            for block in range(blocks):
                layers.append(_Block(channels, out, expansion, stride if block == 0 else 1, kernel))
                channels = out
        layers += [nn.Conv2d(channels, _HEAD, 1, bias=False), _norm(_HEAD), nn.ReLU6()]
        classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(_HEAD, species))
        super().__init__(nn.Sequential(*layers), classifier)


class _Centre(nn.Module):
    """`centred` as a layer."""

    def forward(self, images: Tensor) -> Tensor:
        """[N,3,S,S] → [N,3,S,S]."""
        return centred(images)


class _Same(nn.Module):
    """Zeros around an image, so that a convolution gives ⌈S / stride⌉ pixels a side, as TensorFlow pads for the size at hand.

    Where they are odd in number, the one more goes to the right and below.
    """

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, images: Tensor) -> Tensor:
        """float [N,C,h,w] → [N,C,h+,w+]."""
        height, width = images.shape[2], images.shape[3]
        rows = max((-(-height // self.stride) - 1) * self.stride + self.kernel - height, 0)
        columns = max((-(-width // self.stride) - 1) * self.stride + self.kernel - width, 0)
        return F.pad(images, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


class _Block(nn.Module):
    """Inverted residual of Sandler et al. (2018), *MobileNetV2*: widen, look around in each channel, narrow."""

    def __init__(self, channels: int, out: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        inner = channels * expansion
        widen = [nn.Conv2d(channels, inner, 1, bias=False), _norm(inner), nn.ReLU6()] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen,
            _Same(kernel, stride), nn.Conv2d(inner, inner, kernel, stride, groups=inner, bias=False), _norm(inner), nn.ReLU6(),
            nn.Conv2d(inner, out, 1, bias=False), _norm(out),
        )  # fmt: skip
        self.stride = stride
        self.residual = stride == 1 and channels == out

    def forward(self, images: Tensor) -> Tensor:
        """float [N,C,h,w] → [N,out,⌈h / stride⌉,⌈w / stride⌉]."""
        changed: Tensor = self.layers(images)
        return images + changed if self.residual else changed


def efficientnet_lite0(species: int) -> EfficientNetLite:
    """EfficientNet-Lite0."""
    return EfficientNetLite(species, 0)


def efficientnet_lite1(species: int) -> EfficientNetLite:
    """EfficientNet-Lite1: a tenth deeper."""
    return EfficientNetLite(species, 1)


def efficientnet_lite2(species: int) -> EfficientNetLite:
    """EfficientNet-Lite2: a tenth wider and a fifth deeper."""
    return EfficientNetLite(species, 2)


def centred(images: Tensor) -> Tensor:
    """Colours as the ImageNet weights expect them: float [N,3,h,w] in 0–1 → (x − 127)/128 of 0–255."""
    return (images * 255 - 127) / 128


def pyramid(network: EfficientNetLite) -> list[nn.Sequential]:
    """A copy of its layers at a half, a quarter, an eighth, a sixteenth and a 32nd of an image's resolution.

    They are for images as `centred` gives them, whose sides are multiples of 32. So their padding is known, and most of it is a part of
    the convolutions.
    """
    groups: list[list[nn.Module]] = []
    for layer in copy.deepcopy(network.convolutions)[1:]:
        if isinstance(layer, (_Same, _Block)) and layer.stride == 2:
            groups.append([])
        groups[-1].append(layer)
    stages = [nn.Sequential(*group) for group in groups]
    for stage in stages:
        for layers in list(stage.modules()):
            if isinstance(layers, nn.Sequential):
                _pad_as_for_multiples(layers)
    return stages


def _pad_as_for_multiples(layers: nn.Sequential) -> None:
    for place, layer in enumerate(layers):
        if isinstance(layer, _Same):
            zeros = layer.kernel - layer.stride
            convolution = layers[place + 1]
            if zeros % 2 == 0 and isinstance(convolution, nn.Conv2d):
                convolution.padding = (zeros // 2, zeros // 2)
                layers[place] = nn.Identity()
            else:
                layers[place] = nn.ZeroPad2d((zeros // 2, zeros - zeros // 2) * 2)


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is at most a tenth under `channels`."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8

"""What tells a part of a photo that holds several plants from a single plant."""

import torch
from torch import Tensor, nn

from models_store.clumps import CHANNELS

_CHANNELS = (16, 32, 48, 64)  # of its layers


class ClumpClassifier(nn.Module):
    """A small convolutional network on a part and its surroundings. What it sees best and what it sees on the mean both count."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = _CHANNELS
        self.layers = nn.Sequential(
            *_layer(CHANNELS, first, stride=2),
            *_layer(first, second),
            nn.MaxPool2d(2),
            *_layer(second, third),
            nn.MaxPool2d(2),
            *_layer(third, fourth),
            nn.MaxPool2d(2),
            *_layer(fourth, fourth),
        )
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(2 * fourth, 1)

    def forward(self, parts: Tensor) -> Tensor:
        """Logits of several plants: float [P,4,64,64] in 0–1 → float [P]."""
        seen = self.layers(parts - 0.4)
        seen = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1)
        return self.last(self.drop(seen))[:, 0]  # type: ignore[no-any-return]


def _layer(into: int, out: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]

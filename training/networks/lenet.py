"""*lenet*: LeNet-5, the report's figure 2, scaled to colour photos of 150 pixels; 2,233,696 parameters with 12 species.

LeCun, Bottou, Bengio, Haffner (1998), *Gradient-based learning applied to document recognition*: 6 and 16 kernels of
5×5, each halved by a pool, then 120, 84 and the answer. Rectified and max-pooled, as it is built today.
"""

from torch import nn

from training.networks.network import Network


class LeNet(Network):
    """Two convolutions and three dense layers."""

    def __init__(self, species: int) -> None:
        convolutions = nn.Sequential(  # [N,3,150,150]
            nn.BatchNorm2d(3, affine=False),
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2),  # [N,6,146,146] → [N,6,73,73]
            nn.Conv2d(6, 16, 5), nn.ReLU(),  # [N,16,69,69]
        )  # fmt: skip
        classifier = nn.Sequential(
            nn.MaxPool2d(2), nn.Flatten(),  # [N,16,34,34] → [N,18496]
            nn.Linear(18_496, 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, species),
        )  # fmt: skip
        super().__init__(convolutions, classifier)


def lenet(species: int) -> Network:
    """LeNet-5 for 150-pixel colour photos."""
    return LeNet(species)

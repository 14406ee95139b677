"""*base* and *dropout*: the report's own networks, AlexNet-style, 54,717,714 parameters each with 12 species.

Layers, shapes and counts are those of the report's own summary (its figures 6 and 7).
"""

from torch import nn

from training.networks.network import Network


class ReportAlexNet(Network):
    """Five convolutions and three dense layers; the two networks differ in the dropout probability alone."""

    def __init__(self, species: int, dropout: float) -> None:
        def drop() -> list[nn.Module]:
            return [nn.Dropout(dropout)] if dropout else []

        convolutions = nn.Sequential(  # [N,3,150,150]
            nn.BatchNorm2d(3),
            nn.Conv2d(3, 64, 7, stride=2, padding=1), nn.ReLU(), *drop(),  # [N,64,73,73]
            nn.MaxPool2d(3, 2), nn.BatchNorm2d(64),  # [N,64,36,36]
            nn.Conv2d(64, 128, 5, padding=1), nn.ReLU(), *drop(),  # [N,128,34,34]
            nn.MaxPool2d(3, 2), nn.BatchNorm2d(128),  # [N,128,16,16]
            nn.Conv2d(128, 256, 3, padding=1), nn.ReLU(),  # [N,256,16,16]
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 512, 3, padding=1), nn.ReLU(), *drop(),  # [N,512,16,16]
        )  # fmt: skip
        classifier = nn.Sequential(
            nn.MaxPool2d(3, 2), nn.Flatten(),  # [N,512,7,7] → [N,25088]
            nn.Linear(25_088, 2_048), nn.ReLU(), *drop(),
            nn.Linear(2_048, 512), nn.ReLU(),
            nn.Linear(512, species),
        )  # fmt: skip
        super().__init__(convolutions, classifier)


def base(species: int) -> Network:
    """The report's first network, without dropout."""
    return ReportAlexNet(species, dropout=0.0)


def dropout(species: int) -> Network:
    """The report's second network: dropout 0.2 after convolutions 1, 2, 5 and the first dense layer."""
    return ReportAlexNet(species, dropout=0.2)

"""*alexnet*: torchvision's AlexNet, every layer and count its own; 57,053,004 parameters with 12 species.

Krizhevsky (2014), *One weird trick for parallelizing convolutional neural networks*. At 150 pixels the convolutions end
at 8×8 where 224 end at 13×13; its adaptive pool, put there for other sizes, stretches what is left to the 6×6 that the
dense layers take.
"""

from torch import nn

from training.networks.network import Network


class AlexNet(Network):
    """Five convolutions and three dense layers, dropout 0.5 in front of the first two of these."""

    def __init__(self, species: int) -> None:
        from torchvision import models  # here, so that the other networks train where there is no torchvision

        original = models.AlexNet(num_classes=species)
        *convolutions, pool = original.features
        # In place of torchvision's fixed mean and deviation of ImageNet: those of the images trained on, no parameters.
        convolutions = nn.Sequential(nn.BatchNorm2d(3, affine=False), *convolutions)
        classifier = nn.Sequential(pool, original.avgpool, nn.Flatten(), *original.classifier)  # [N,9216] after Flatten
        super().__init__(convolutions, classifier)


def alexnet(species: int) -> Network:
    """torchvision's AlexNet for 150-pixel photos, from scratch."""
    return AlexNet(species)

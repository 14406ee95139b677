"""*resnet*: torchvision's ResNet-18, every layer and count its own; 11,182,668 parameters with 12 species.

He, Zhang, Ren, Sun (2015), *Deep residual learning for image recognition*. It takes any size; at 150 pixels its four
stages work at 38, 19, 10 and 5.
"""

from torch import nn

from training.networks.network import Network


class ResNet(Network):
    """A convolution, eight residual blocks of two, the mean over the image, one dense layer."""

    def __init__(self, species: int) -> None:
        from torchvision import models  # here, so that the other networks train where there is no torchvision

        original = models.resnet18(num_classes=species)
        convolutions = nn.Sequential(  # [N,3,150,150]
            nn.BatchNorm2d(3, affine=False),
            original.conv1, original.bn1, original.relu, original.maxpool,  # [N,64,75,75] → [N,64,38,38]
            original.layer1, original.layer2, original.layer3, original.layer4,  # 64×38×38 · 128×19×19 · 256×10×10 · 512×5×5
        )  # fmt: skip
        classifier = nn.Sequential(original.avgpool, nn.Flatten(), original.fc)  # [N,512] after Flatten
        super().__init__(convolutions, classifier)


def resnet(species: int) -> Network:
    """torchvision's ResNet-18 for 150-pixel photos, from scratch."""
    return ResNet(species)

"""What every network is: convolutions, and a classifier on what they see."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Network(nn.Module):
    """A classifier in two halves, so that the exported model can be asked what it looked at. Gives logits."""

    def __init__(self, convolutions: nn.Sequential, classifier: nn.Module) -> None:
        super().__init__()
        self.convolutions = convolutions
        self.classifier = classifier

    def features(self, images: Tensor) -> Tensor:
        """Activations of the last convolution: float [N,3,S,S], scaled to 0–1 → [N,C,h,w]."""
        features: Tensor = self.convolutions(images)
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Logits from `features`: [N,C,h,w] → [N,species]."""
        logits: Tensor = self.classifier(features)
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Logits, never probabilities: float [N,3,S,S], scaled to 0–1 → [N,species]."""
        return self.classify(self.features(images))


class AnySize(nn.Module):
    """A network for images of any size: what its convolutions see is stretched to what its classifier takes.

    Its dense layers know places, so an image of two thirds of the size has to fill the same ones.
    """

    def __init__(self, network: Network, size: int) -> None:
        """`size`: pixels a side of the images that the classifier is made for."""
        super().__init__()
        self.network = network
        before = network.training
        with torch.no_grad():
            self.grid = network.eval().features(torch.zeros(1, 3, size, size)).shape[2:]  # h, w
        network.train(before)

    def forward(self, images: Tensor) -> Tensor:
        """Logits: float [N,3,S,S], scaled to 0–1 → [N,species]."""
        features = self.network.features(images)  # [N,C,h,w]
        if features.shape[2:] != self.grid:
            features = F.interpolate(features, self.grid, mode="bilinear", align_corners=False)
        return self.network.classify(features)

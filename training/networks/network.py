"""What every network is: convolutions, and a classifier on what they see."""

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

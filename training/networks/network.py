"""What every network offers."""

from torch import Tensor, nn


class Network(nn.Module):
    """A classifier in two halves, so that the exported model can be asked what it looked at. Gives logits."""

    def features(self, images: Tensor) -> Tensor:
        """Activations of the last convolution: float [N,3,S,S], scaled to 0–1 → [N,C,h,w]."""
        raise NotImplementedError

    def classify(self, features: Tensor) -> Tensor:
        """Logits from `features`: [N,C,h,w] → [N,species]."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Logits, never probabilities: float [N,3,S,S], scaled to 0–1 → [N,species]."""
        return self.classify(self.features(images))

"""How far an image is from those trained on, told by the network's own activations."""

import torch
from torch import Tensor, nn

RIDGE = 0.01  # of the mean variance, added to each: fewer images than channels give a covariance without an inverse


class Distance(nn.Module):
    """Mahalanobis distance from the mean of the images trained on, in units in which these lie at about √channels.

    Lee et al. (2018), *A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks*, of
    one layer, with one mean for all species. Activations are pooled over the image and rooted (Tukey's ladder of powers),
    since rectified ones are far from normally distributed.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, pooled: Tensor) -> None:
        """Fit to `pool` of activations, float32 [N,C]."""
        super().__init__()
        pooled = pooled.double()
        centred = pooled - pooled.mean(0)
        covariance = centred.T @ centred / len(pooled)
        covariance.diagonal().add_(RIDGE * covariance.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny))
        # Σ⁻¹ = L·Lᵀ, so the distance of d is the length of d·L.
        whitening = torch.linalg.cholesky(torch.linalg.inv(covariance))
        self.register_buffer("mean", pooled.mean(0).float())
        self.register_buffer("whitening", whitening.float())

    def forward(self, activations: Tensor) -> Tensor:
        """Rectified activations float32 [N,C,h,w] → distance float32 [N]."""
        distance: Tensor = torch.linalg.vector_norm((pool(activations) - self.mean) @ self.whitening, dim=1)
        return distance


def pool(activations: Tensor) -> Tensor:
    """Roots of the means over the image: float32 [N,C,h,w] → [N,C]."""
    return activations.mean((2, 3)).clamp(min=0).sqrt()

"""The out-of-distribution score: the Mahalanobis distance of an image from those trained on, by the network's own activations."""

from typing import Self

import torch
from torch import Tensor, nn

REACH = 0.99  # share of a group that lies within what is taken for its reach
RIDGE = 0.01  # of the mean variance, added to each: fewer images than channels give a covariance without an inverse


class Distance(nn.Module):
    """Mahalanobis distance from the nearest of one or more groups of images trained on, which lie at about √channels of its mean.

    Lee et al. (2018), *A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks*, of
    one layer. They take a mean for each class; here a group is a kind of picture, such as whole photos and plants cut out, with all
    species in it. Activations are pooled over the image and rooted (Tukey's ladder of powers), since rectified ones are far from
    normally distributed.
    """

    means: Tensor
    whitenings: Tensor
    scales: Tensor

    def __init__(self, *groups: Tensor) -> None:
        """Fit to `pool` of activations, float32 [N,C] for each group.

        Each group is put to the first one's scale, so that one limit leaves out the same share of every group.
        """
        super().__init__()
        fitted = [_mean_and_whitening(pooled.double()) for pooled in groups]
        reach = [
            float(torch.linalg.vector_norm((pooled.double() - mean) @ whitening, dim=1).quantile(REACH))
            for pooled, (mean, whitening) in zip(groups, fitted, strict=True)
        ]
        self.register_buffer("means", torch.stack([mean for mean, _ in fitted]).float())  # [K,C]
        self.register_buffer("whitenings", torch.stack([whitening for _, whitening in fitted]).float())  # [K,C,C]
        self.register_buffer("scales", torch.tensor([reach[0] / own if own else 1.0 for own in reach]))

    @classmethod
    def of(cls, means: Tensor, whitenings: Tensor, scales: Tensor) -> Self:
        """What was fitted before: float32 [K,C], [K,C,C] and [K]."""
        distance = cls.__new__(cls)
        nn.Module.__init__(distance)
        for name, tensor in (("means", means), ("whitenings", whitenings), ("scales", scales)):
            distance.register_buffer(name, tensor)
        return distance

    def forward(self, activations: Tensor) -> Tensor:
        """Rectified activations float32 [N,C,h,w] → distance float32 [N]."""
        away = (pool(activations)[None] - self.means[:, None]) @ self.whitenings  # [K,N,C]
        distance: Tensor = (torch.linalg.vector_norm(away, dim=2) * self.scales[:, None]).amin(0)
        return distance


def _mean_and_whitening(pooled: Tensor) -> tuple[Tensor, Tensor]:
    """float64 [N,C] → its mean [C], and L [C,C] with Σ⁻¹ = L·Lᵀ, so that the distance of d is the length of d·L."""
    mean = pooled.mean(0)
    covariance = (pooled - mean).T @ (pooled - mean) / len(pooled)
    covariance.diagonal().add_(RIDGE * covariance.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny))
    return mean, torch.linalg.cholesky(torch.linalg.inv(covariance))


def pool(activations: Tensor) -> Tensor:
    """Roots of the means over the image: float32 [N,C,h,w] → [N,C]."""
    return activations.mean((2, 3)).clamp(min=0).sqrt()

"""The distance of an image from those trained on."""

import math

import pytest
import torch

from training.artifact.ood_distance import RIDGE, Distance, pool


def activations(pooled):
    """Activations [N,C,2,3] that pool to `pooled` [N,C]."""
    return torch.as_tensor(pooled).float().square()[:, :, None, None].expand(-1, -1, 2, 3)


def test_by_hand():
    distance = Distance(torch.tensor([[0.0, 0], [2, 0], [0, 4], [2, 4]]))  # mean 1, 2; variances 1 and 4, nothing between the two
    ridge = RIDGE * 2.5
    found = distance(activations([[1.0, 2], [3, 2], [1, 4], [4, 6]]))
    assert found.tolist() == pytest.approx(
        [0, 2 / math.sqrt(1 + ridge), 2 / math.sqrt(4 + ridge), math.sqrt(9 / (1 + ridge) + 16 / (4 + ridge))], abs=1e-5
    )


def test_it_is_mahalanobis_of_any_covariance():
    random = torch.Generator().manual_seed(0)
    mixed = (torch.randn(5000, 6, generator=random) @ torch.randn(6, 6, generator=random) + 9).abs()
    assert torch.allclose(pool(activations(mixed)), mixed, atol=1e-4)
    centred = (mixed - mixed.mean(0)).double()
    covariance = centred.T @ centred / len(centred)
    covariance += RIDGE * covariance.diagonal().mean() * torch.eye(6)
    true = (centred @ torch.linalg.inv(covariance) * centred).sum(1).sqrt()
    assert torch.allclose(Distance(mixed)(activations(mixed)).double(), true, rtol=1e-3)


def test_fewer_images_than_channels_are_no_obstacle():
    pooled = torch.rand(4, 64, generator=torch.Generator().manual_seed(0))
    assert Distance(pooled)(torch.ones(2, 64, 3, 3)).isfinite().all()
    assert Distance(torch.zeros(4, 8))(torch.zeros(2, 8, 3, 3)).isfinite().all()  # channels that never speak


def test_images_of_the_same_kind_lie_at_the_root_of_the_channels():
    pooled = torch.rand(4000, 25, generator=torch.Generator().manual_seed(0)) + 1
    assert float(Distance(pooled)(activations(pooled)).square().mean()) == pytest.approx(25, rel=0.02)


def test_of_two_groups_the_nearer_counts_at_the_scale_of_the_first():
    random = torch.Generator().manual_seed(0)
    near, far = torch.randn(4000, 6, generator=random) + 9, 3 * torch.randn(4000, 6, generator=random) + 40
    distance = Distance(near, far)

    def measured(pooled):
        return distance(pooled.square()[:, :, None, None])

    assert torch.allclose(measured(near), Distance(near)(near.square()[:, :, None, None]), rtol=1e-3)
    reach = Distance(near)(near.square()[:, :, None, None]).quantile(0.99)
    assert float((measured(far) > reach).float().mean()) == pytest.approx(0.01, abs=0.002)
    assert float(measured(torch.full((1, 6), 20.0))) > 2 * reach  # between the two, which one group of both would take for common

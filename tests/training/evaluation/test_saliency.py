"""Where an answer comes from, against hand computation."""

import pytest
import torch
from torch import nn

from training.evaluation import saliency
from training.networks.network import Network


@pytest.fixture
def network():
    """Sees 2×2 places of an image of one channel; each place has a weight of its own for each of two species."""
    made = Network(nn.Sequential(nn.Identity()), nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)))
    with torch.no_grad():
        made.classifier[1].weight.copy_(torch.tensor([[1.0, 2.0, -1.0, 0.0], [0.0, 0.0, 1.0, 1.0]]))
    return made


def test_it_is_activation_times_gradient_and_what_speaks_against_is_left_out(network):
    image = torch.tensor([[[[3.0, 1.0], [5.0, 7.0]]]])
    # Species 0: 3·1, 1·2, 5·(-1) → 0, 7·0; the largest is 3. Species 1: 0, 0, 5, 7.
    found = saliency.maps(network, image.repeat(2, 1, 1, 1), torch.tensor([0, 1]))
    assert torch.allclose(found, torch.tensor([[[1.0, 2 / 3], [0.0, 0.0]], [[0.0, 0.0], [5 / 7, 1.0]]]))


def test_nothing_that_speaks_for_a_species_is_zero(network):
    assert not saliency.maps(network, torch.zeros(1, 1, 2, 2), torch.tensor([0])).any()


def test_the_share_on_plants():
    image = torch.full((1, 3, 40, 40), 0.5)
    image[:, :, :, :20] = torch.tensor([0.1, 0.8, 0.1])[:, None, None]  # the left half is green
    left, right = torch.zeros(1, 40, 40), torch.zeros(1, 40, 40)
    left[:, :, :15], right[:, :, 25:] = 1, 1
    for heat, share in ((left, 1.0), (right, 0.0), (left + right, 0.5)):
        on_plant, green = saliency.on_plant(heat, image)
        assert on_plant == pytest.approx(share, abs=0.05)
        assert green == pytest.approx(0.5, abs=0.07)  # its edge is soft
    assert saliency.on_plant(torch.zeros(1, 40, 40), image)[0] == 0

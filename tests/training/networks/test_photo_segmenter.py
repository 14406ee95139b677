"""The network that finds plants on whole photos."""

import pytest
import torch

from training import networks
from training.networks.photo_segmenter import CENTRE_STRIDE, STRIDE, PhotoSegmenter


def test_shapes_and_size():
    network = PhotoSegmenter().eval()
    assert networks.parameters(network) == 982_613
    with torch.inference_mode():
        plant, centre = network(torch.rand(2, 3, 3 * STRIDE, 5 * STRIDE))
    assert plant.shape == (2, 1, 48, 80)
    assert centre.shape == (2, 1, 48 // CENTRE_STRIDE, 80 // CENTRE_STRIDE)


@pytest.mark.parametrize("factor", [0.4, 1.6])
def test_light_changes_little(factor):
    torch.manual_seed(0)
    network = PhotoSegmenter().eval()
    images = 0.2 + 0.4 * torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        usual, lit = network(images)[0], network(images * factor)[0]
        other = network(torch.rand(1, 3, 64, 64))[0]
    assert (usual - lit).abs().mean() < 0.2 * (usual - other).abs().mean()

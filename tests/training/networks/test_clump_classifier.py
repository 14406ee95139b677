"""The network that tells several plants from one."""

import torch

from models_store.clumps import CHANNELS, SIDE
from training import networks
from training.networks.clump_classifier import ClumpClassifier


def test_shapes_and_size():
    network = ClumpClassifier().eval()
    assert (
        networks.parameters(network)
        == 4 * 16 * 9 + 16 * 32 * 9 + 32 * 48 * 9 + 48 * 64 * 9 + 64 * 64 * 9 + 2 * (16 + 32 + 48 + 64 + 64) + 129
    )
    with torch.inference_mode():
        parts = torch.rand(3, CHANNELS, SIDE, SIDE)
        logits = network(parts)
        assert logits.shape == (3,)
        assert torch.allclose(network(parts[1:2]), logits[1:2], atol=1e-5)  # each by itself

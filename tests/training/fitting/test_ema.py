"""The moving average against values by hand."""

import pytest
import torch
from torch import nn

from training.fitting.ema import averaged


def follow(decay, values):
    """The average of a norm whose weight and mean took these values one after the other: name → value."""
    network = nn.BatchNorm1d(1)
    average = averaged(network, decay)
    for count, value in enumerate(values, 1):
        with torch.no_grad():
            network.weight.fill_(value)
            network.running_mean.fill_(value)
            network.num_batches_tracked.fill_(count)
        average.update_parameters(network)
    return {name: tensor.item() for name, tensor in average.module.state_dict().items()}


def test_the_decay_rises_to_its_limit():
    # The first value is taken as it is. Then decays of 2/11, 3/12 and, where the limit is 0.3, 0.3 in place of 4/13:
    # 1, 1 + 9/11 · (2 - 1) = 20/11, 20/11 + 9/12 · (4 - 20/11) = 38/11, 38/11 + 0.7 · (8 - 38/11) = 7.3/1.1
    assert follow(0.3, [1])["weight"] == 1
    assert follow(0.3, [1, 2])["weight"] == pytest.approx(20 / 11)
    assert follow(0.3, [1, 2, 4])["weight"] == pytest.approx(38 / 11)
    assert follow(0.3, [1, 2, 4, 8])["weight"] == pytest.approx(38 / 11 + 0.7 * (8 - 38 / 11))
    assert follow(0.998, [1, 2, 4, 8])["weight"] == pytest.approx(38 / 11 + 9 / 13 * (8 - 38 / 11))


def test_buffers_are_averaged_and_counts_are_taken_over():
    norm = follow(0.998, [1, 2, 4])
    assert norm["running_mean"] == pytest.approx(38 / 11)
    assert norm["num_batches_tracked"] == 3

"""A network layer by layer."""

import pytest

from training.experiments.report import network_layers


@pytest.mark.parametrize("name", ["base", "dropout"])
def test_the_summary_is_the_reports(name):
    found = network_layers.layers(name, 12)
    assert sum(layer.parameters for layer in found) == 54_717_714
    assert ("Conv2d 7×7, stride 2, padding 1", (64, 73, 73), 9_472) in [(one.name, one.output, one.parameters) for one in found]
    assert sum(layer.name == "Dropout 0.2" for layer in found) == (4 if name == "dropout" else 0)

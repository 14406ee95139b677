"""The speed of networks, as the report's table shows it."""

import time

import pytest

from tests.training.conftest import Laborious
from training import networks
from training.experiments import throughput
from training.experiments.sweep import SweepEntry


@pytest.mark.slow
def test_each_network_is_timed(fabric, images, tmp_path, monkeypatch):
    monkeypatch.setitem(networks.NETWORKS, "laborious", Laborious)
    (tmp_path / "one.toml").write_text('network = "tiny"\nepochs = 3\nbatch_size = 8\n')
    began = time.perf_counter()
    found = throughput.document(
        fabric, [SweepEntry(str(tmp_path / "one.toml"), name, network=name) for name in ("tiny", "laborious")], images
    )
    passed_s = time.perf_counter() - began
    quick, slow = (found["networks"][name] for name in ("tiny", "laborious"))
    assert list(found["networks"]) == ["tiny", "laborious"]
    assert slow["milliseconds_per_prediction"] > 3 * quick["milliseconds_per_prediction"]
    assert slow["seconds_per_epoch"] > quick["seconds_per_epoch"]
    assert quick["seconds_per_epoch"] + slow["seconds_per_epoch"] < passed_s  # of one epoch each, not of the recipe's three
    assert found["precision"] == "32-true"
    assert found["machine"]["cores"]
    assert str(tmp_path) not in str(found["networks"])

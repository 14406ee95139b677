"""The speed of networks, as the report's table shows it."""

from training.experiments import throughput
from training.experiments.sweep import Entry


def test_each_network_is_timed(fabric, images, tmp_path):
    (tmp_path / "one.toml").write_text('network = "tiny"\nepochs = 3\nbatch_size = 8\n')
    found = throughput.document(fabric, [Entry(str(tmp_path / "one.toml"), name, network=name) for name in ("tiny", "lenet")], images)
    assert list(found["networks"]) == ["tiny", "lenet"]
    assert all(seconds > 0 for row in found["networks"].values() for seconds in row.values())
    assert found["precision"] == "32-true"
    assert found["machine"]["cores"]
    assert str(tmp_path) not in str(found["networks"])

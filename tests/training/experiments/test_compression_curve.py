import pytest
import torch

from training import networks
from training.experiments import compression_curve


def test_a_point_for_each_rank_and_storage(images, parts):
    torch.manual_seed(0)
    network = networks.build("tiny", 3).eval()
    points = list(compression_curve.points(network, images, parts, [None, 4, 16]))
    assert [(point["rank"], point["storage"]) for point in points] == [
        *((None, storage) for storage in ("float32", "float16", "int8")),
        *((rank, storage) for rank in (4, 16) for storage in ("float16", "int8")),
    ]
    whole, halves, whole_bytes = points[:3]
    assert whole["agreement"] == 1
    assert whole["bytes"] > halves["bytes"] > whole_bytes["bytes"]
    assert all(0 <= point["test_accuracy"] <= 1 and 0 <= point["validation_macro_f1"] <= 1 for point in points)


def test_a_rank_that_is_not_there_is_quoted(images, parts):
    with pytest.raises(ValueError, match="rank = 99"):
        list(compression_curve.points(networks.build("tiny", 3).eval(), images, parts, [99]))

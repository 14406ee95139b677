import pytest
import torch

from training import networks
from training.artifact import compression
from training.evaluation.predictions import logits
from training.experiments import compression_curve


def test_a_point_for_each_rank_and_storage(images, parts):
    from sklearn import metrics as others  # a second, in this process alone

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
    before = networks_answers(network, images, parts)
    for point in points:
        factored = network if point["rank"] is None else compression.factorize(network, point["rank"])
        stored = factored if point["storage"] == "float32" else compression.STORAGES[point["storage"]](factored)
        answers = networks_answers(stored, images, parts)
        labels = {part: images.labels[parts.rows(part)].tolist() for part in answers}
        assert point["test_accuracy"] == pytest.approx(others.accuracy_score(labels["test"], answers["test"]))
        assert point["validation_macro_f1"] == pytest.approx(others.f1_score(labels["validation"], answers["validation"], average="macro"))
        assert point["agreement"] == pytest.approx(others.accuracy_score(before["test"], answers["test"]))


def networks_answers(network, images, parts):
    return {part: logits(network, images.pixels[parts.rows(part)]).argmax(1).tolist() for part in ("validation", "test")}


@pytest.mark.parametrize(("name", "ranks"), [("base", [8, 16, 32, 64, 128]), ("resnet", [8]), ("tiny", [8, 16])])
def test_the_usual_ranks_are_those_that_make_it_smaller(name, ranks):
    with torch.device("meta"):
        assert compression_curve.usual_ranks(networks.build(name, 12)) == ranks


def test_a_rank_that_is_not_there_is_quoted(images, parts):
    with pytest.raises(ValueError, match="rank = 99"):
        list(compression_curve.points(networks.build("tiny", 3).eval(), images, parts, [99]))

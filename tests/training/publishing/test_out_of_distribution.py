import dataclasses
import io

import pytest
import torch

from models_store.manifest import Calibration
from training import networks
from training.artifact import compression, torchscript
from training.evaluation import predictions, synthetic_ood
from training.publishing import out_of_distribution
from training.recipe import Recipe


def calibration(**values):
    return Calibration(temperature=1, threshold=0.5, threshold_rule="", validation_coverage=1, validation_accuracy=1, **values)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return networks.build("tiny", 3).eval()


@pytest.fixture
def exported(network, images, parts):
    distance = out_of_distribution.fit(network, Recipe(network="tiny", epochs=1), images, parts)
    return torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, 1.0, distance)))


def test_answer_gives_what_forward_gives_and_the_distance(network, exported, images):
    pixels = images.pixels[:5]
    with torch.no_grad():
        probabilities, distances = exported.answer(pixels)
        assert torch.equal(probabilities, exported(pixels))
        halfway = network.convolutions[: networks.halfway(network)](pixels.float() / 255)
        assert torch.allclose(distances, exported.distance(halfway), rtol=1e-4)
        frozen = torch.jit.freeze(exported, preserved_attrs=["answer"])
        assert torch.allclose(frozen.answer(pixels)[1], distances, rtol=1e-4)


def test_the_limit_lets_the_images_of_validation_pass(network, exported, images, parts):
    known = out_of_distribution.choose_limit(network, exported, images, parts)
    distances = predictions.answers(exported, images.pixels[parts.validation]).distances
    assert known.validation_share >= out_of_distribution.PASSED
    assert known.validation_share == float((distances <= known.limit).float().mean())
    assert known.convolution == 2


def test_pictures_of_no_plant_lower_the_limit_as_far_as_validation_allows(network, exported, images, parts):
    rows = images.pixels[parts.validation].repeat(30, 1, 1, 1) if len(parts.validation) < 60 else images.pixels[parts.validation]
    many = dataclasses.replace(images, pixels=torch.cat([rows, images.pixels]))
    wide = dataclasses.replace(parts, validation=list(range(len(rows))))
    usual = out_of_distribution.choose_limit(network, exported, many, wide)
    far = torch.full((2, 3, 150, 150), 255, dtype=torch.uint8)
    far_away = float(predictions.answers(exported, far).distances.min())
    assert far_away > usual.limit
    assert out_of_distribution.choose_limit(network, exported, many, wide, far).limit == usual.limit
    like_a_plant = images.pixels[parts.validation][:1]
    lowered = out_of_distribution.choose_limit(network, exported, many, wide, like_a_plant)
    assert lowered.limit <= usual.limit
    assert lowered.validation_share >= out_of_distribution.LEAST_PASSED
    assert "so that fewer of 1 pictures of no plant lie within it" in lowered.limit_rule


@pytest.mark.parametrize("storage", [None, "float16", "int8"])
@pytest.mark.parametrize(("name", "convolution"), [("base", 3), ("dropout", 3), ("alexnet", 3), ("lenet", 2), ("resnet", 1)])
def test_which_convolution_is_measured(name, convolution, storage):
    network = networks.build(name, 3)
    if storage:
        network = compression.STORAGES[storage](network)
    assert out_of_distribution.convolutions_measured(network) == convolution


def test_an_artifact_without_a_distance_has_none(network, images):
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, 1.0)))
    assert not hasattr(module, "answer")
    probabilities, distances = predictions.answers(module, images.pixels[:3])
    assert probabilities.shape == (3, 3)
    assert distances is None


def test_figures_count_what_is_unfamiliar_as_not_confident():
    known = {"convolution": 1, "limit": 2.0, "limit_rule": "", "validation_share": 1}
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.5001, 0.4999]])
    found = out_of_distribution.figures(
        calibration(familiarity=known), probabilities, torch.tensor([1.0, 3, 2, 1]), torch.tensor([0, 0, 1, 0])
    )
    assert found == pytest.approx({"familiar": 0.75, "confident": 0.75, "confident_by_probability_alone": 1, "confident_accuracy": 2 / 3})


def test_drawn_pictures_are_counted_by_kind(exported):
    known = {"convolution": 2, "limit": 1e-6, "limit_rule": "", "validation_share": 1}
    found = out_of_distribution.on_drawn_pictures(calibration(familiarity=known), exported, images=1)
    assert found["images"] == len(found["kinds"]) == len(synthetic_ood.KINDS)
    assert found["unfamiliar"] == found["not_confident"] == 1

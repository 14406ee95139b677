"""What a `model.pt` can do is told by its methods, as scripted."""

import io

import pytest
import torch
from torch import nn

from models_store import artifact
from tests import fakes
from training import networks
from training.artifact import torchscript
from training.artifact.ood_distance import Distance


def opened(model: bytes) -> nn.Module:
    return torchscript.open_module(io.BytesIO(model))


@pytest.mark.parametrize(
    ("network", "capabilities"), [(fakes.Shares, []), (fakes.Halves, ["explain"]), (fakes.Measured, ["explain", "measure"])]
)
def test_capabilities_are_told(network: type[nn.Module], capabilities: list[str]) -> None:
    assert artifact.capabilities(opened(fakes.scripted(network))) == capabilities


@pytest.mark.parametrize("distance", [None, Distance(torch.rand(600, 256))], ids=["plain", "measuring"])
def test_what_training_exports_has_the_shapes_it_promises(distance: Distance | None) -> None:
    torch.manual_seed(0)
    module = opened(torchscript.to_torchscript(networks.build("base", 5).eval(), 0.7, distance))
    images = torch.randint(0, 256, (2, 3, 150, 150), dtype=torch.uint8)
    assert artifact.capabilities(module) == (["explain"] if distance is None else ["explain", "measure"])
    with torch.inference_mode():
        probabilities = module(images)
        features = module.features(images)
        assert (probabilities.shape, probabilities.dtype, features.ndim) == ((2, 5), torch.float32, 4)
        torch.testing.assert_close(module.classify(features).softmax(1), probabilities)
        if distance is not None:
            answer = artifact.Answer(*module.answer(images))
            torch.testing.assert_close(answer.probabilities, probabilities)
            assert (answer.distances.shape, answer.distances.dtype) == ((2,), torch.float32)

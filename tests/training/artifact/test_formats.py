"""model.pt2 and model.onnx answer as model.pt does."""

import io
from pathlib import Path

import onnxruntime
import pytest
import torch

from training import networks
from training.artifact import compression, formats, torchscript
from training.artifact.ood_distance import Distance
from training.errors import RunError


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return networks.build("tiny", 4).eval()


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (3, 3, 150, 150), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def made(network, distance, images):
    """The module of model.pt, and all files beside it."""
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, 2.0, distance)))
    return module, formats.files(("torchscript", "pt2", "onnx"), network, 2.0, distance, module, images)


@pytest.fixture(scope="module")
def plain(network, images):
    """Those of the network without a distance."""
    return made(network, None, images)


def measure(network, images):
    activations = images.float() / 255
    for layer in network.convolutions[: networks.halfway(network)]:
        activations = layer(activations)
    return Distance((activations.mean((2, 3)).clamp(min=0).sqrt() + torch.rand(40, 1, 1).mean(2)).detach())


def asked(content, images):
    if content[:2] == b"PK":
        return torch.export.load(io.BytesIO(content)).module()(images)
    return [torch.from_numpy(one) for one in onnxruntime.InferenceSession(content).run(None, {"images": images.numpy()})]


@pytest.mark.slow
@pytest.mark.parametrize("measured", [False, True])
def test_probabilities_and_distances_are_those_of_torchscript_for_any_batch(network, images, plain, measured):
    module, files = made(network, measure(network, images[:1]), images) if measured else plain
    assert [*files] == ["model.pt2", "model.onnx"]
    for content in files.values():
        assert str(Path(formats.__file__).parent).encode() not in content
        for n in (1, 2, 7):
            some = images.repeat(3, 1, 1, 1)[:n]
            expected = module.answer(some) if measured else (module(some),)
            found = asked(content, some)
            assert len(found) == len(expected)
            for ours, theirs in zip(found, expected, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_weights_of_eight_bits_stay_small(network, images, plain):
    stored = compression.STORAGES["int8"](network)
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(stored, 1.0)))
    files = formats.files(("onnx",), stored, 1.0, None, module, images)
    assert len(files["model.onnx"]) < len(plain[1]["model.onnx"])


def test_a_file_that_answers_otherwise_is_refused(network, images):
    other = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, 50.0)))
    with pytest.raises(RunError, match=r"model\.onnx answers otherwise than model\.pt, by .*; leave onnx out of --format"):
        formats.files(("onnx",), network, 0.2, None, other, images)


class Branching(torch.nn.Module):
    def features(self, images):
        return images if images.mean() > 0.5 else -images

    def classify(self, features):
        return features.mean((2, 3))


def test_a_network_that_cannot_be_put_into_a_format_is_refused(images):
    with pytest.raises(RunError, match=r"this network cannot be put into model\.pt2 .*; leave pt2 out of --format"):
        formats.files(("pt2",), Branching(), 1.0, None, torch.nn.Identity(), images)

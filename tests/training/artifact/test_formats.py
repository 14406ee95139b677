"""model.pt2 and model.onnx answer as model.pt does."""

import io
from pathlib import Path

import onnxruntime
import pytest
import torch

from training import networks
from training.artifact import compression, formats, torchscript
from training.artifact.mahalanobis import Distance
from training.errors import RunError
from training.networks.photo_segmenter import PhotoSegmenter


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return networks.build("tiny", 4).eval()


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (3, 3, 150, 150), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def measure(network, images):
    exported = torchscript.Exported(network, 1.0)
    activations = images.float() / 255
    for layer in network.convolutions[: networks.halfway(network)]:
        activations = layer(activations)
    return Distance((activations.mean((2, 3)).clamp(min=0).sqrt() + torch.rand(40, 1, 1).mean(2)).detach()), exported


def asked(content, images):
    if content[:2] == b"PK":
        return torch.export.load(io.BytesIO(content)).module()(images)
    return [torch.from_numpy(one) for one in onnxruntime.InferenceSession(content).run(None, {"images": images.numpy()})]


@pytest.mark.parametrize("measured", [False, True])
def test_probabilities_and_distances_are_those_of_torchscript_for_any_batch(network, images, measured):
    distance = measure(network, images[:1])[0] if measured else None
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, 2.0, distance)))
    files = formats.files(("torchscript", "pt2", "onnx"), network, 2.0, distance, module, images)
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


def test_weights_of_eight_bits_stay_small(network, images):
    stored = compression.STORAGES["int8"](network)
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(stored, 1.0)))
    files = formats.files(("onnx",), stored, 1.0, None, module, images)
    whole = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, 1.0)))
    assert len(files["model.onnx"]) < len(formats.files(("onnx",), network, 1.0, None, whole, images)["model.onnx"])


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


@pytest.mark.slow
def test_a_segmenter_of_today_answers_alike_at_any_size():
    torch.manual_seed(0)
    segmenter = torchscript.ExportedSegmenter(PhotoSegmenter().eval()).eval()
    module = torchscript.open_module(io.BytesIO(torchscript.segmenter_to_torchscript(segmenter.network)))
    photos = [torch.randint(0, 256, (2, 3, 128, 192), dtype=torch.uint8)]
    (content,) = formats.segmenter_files(("onnx",), segmenter, module, photos).values()
    photo = torch.randint(0, 256, (1, 3, 64, 320), dtype=torch.uint8)
    for sides in ([3], [2], [2, 3], []):  # whichever half is the brighter one
        for ours, theirs in zip(asked(content, photo.flip(sides)), module(photo.flip(sides)), strict=True):
            assert ours.shape == theirs.shape
            assert torch.allclose(ours, theirs, rtol=0, atol=1e-4)

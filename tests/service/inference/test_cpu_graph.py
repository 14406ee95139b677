"""The forward pass built anew: the same answers as the module it was built from, for any chain of layers."""

import io

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from service.inference import cpu_graph

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")


class TorchScriptModel(nn.Module):
    """Layers as an artifact holds them: uint8 in, probabilities out."""

    def __init__(self, *layers: nn.Module, temperature: float = 0.7, divisor: float = 255) -> None:
        super().__init__()
        self.layers, self.temperature, self.divisor = nn.Sequential(*layers), temperature, divisor

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images.to(torch.float32) / self.divisor) / self.temperature
        return logits.softmax(1)


class Scaled(nn.Module):
    """A dense layer of whole numbers and their scale, as compact artifacts have."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randint(-127, 128, (5, inputs), dtype=torch.int8))
        self.register_buffer("scale", torch.rand(5, 1) / 1000)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.linear(inputs, self.weight.float() * self.scale)


class Residual(nn.Module):
    """More than a chain."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return images + self.layer(images)


def frozen(module: nn.Module) -> torch.jit.ScriptModule:
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):  # as after training: not 0 and 1
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), file)
    file.seek(0)
    return torch.jit.freeze(torch.jit.load(file).to(memory_format=torch.channels_last))


def images(n: int = 3, side: int = 30) -> Tensor:
    pixels = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return pixels.contiguous(memory_format=torch.channels_last)


def answers_alike(module: torch.jit.ScriptModule, dtype: torch.dtype = torch.float32, within: float = 1e-5) -> bool:
    rebuilt = cpu_graph.rebuild(module, dtype=dtype)
    assert rebuilt is not None
    scripted = torch.jit.script(rebuilt)
    with torch.inference_mode():
        return all(torch.allclose(scripted(images(n))[0], module(images(n)), rtol=0, atol=within) for n in (1, 3, 2))


def convolutions() -> list[nn.Module]:
    first = [nn.Conv2d(3, 32, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2, 1), nn.BatchNorm2d(32)]
    return [*first, nn.Conv2d(32, 40, 3, padding=1), nn.ReLU()]


def head() -> list[nn.Module]:
    return [nn.Flatten(), nn.LazyLinear(16), nn.ReLU(), nn.Linear(16, 8, bias=False), nn.Linear(8, 5)]


CHAINS = {
    "norm first": lambda: [nn.BatchNorm2d(3), *convolutions()],
    "convolution first": lambda: [*convolutions(), nn.MaxPool2d(3, 2, ceil_mode=True)],
    "without padding or ReLU": lambda: [*convolutions(), nn.Conv2d(40, 33, 3), nn.Dropout(0.5), nn.Conv2d(33, 33, 3, groups=3)],
    "norms, and no convolution": lambda: [nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.ReLU()],
    "whole numbers and a scale": lambda: [nn.Flatten(), Scaled(2700)],
}


@pytest.fixture(params=CHAINS)
def chain(request: pytest.FixtureRequest) -> torch.jit.ScriptModule:
    torch.manual_seed(0)
    module = TorchScriptModel(*CHAINS[request.param](), *head())
    module.layers(torch.zeros(2, 3, 30, 30))  # gives the lazy layers their size
    return frozen(module)


@pytest.fixture
def bfloat16() -> torch.dtype:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("oneDNN does not compute in bfloat16 on this processor")
    return torch.bfloat16


def test_a_chain_answers_the_same_when_rebuilt(chain: torch.jit.ScriptModule) -> None:
    assert answers_alike(chain)


def test_lists_that_freezing_left_apart_are_known(chain: torch.jit.ScriptModule) -> None:
    graph, apart = chain.graph, 0
    for node in list(graph.nodes()):
        value = node.output().toIValue() if node.kind() == "prim::Constant" else None
        if isinstance(value, list):
            numbers = [graph.insertConstant(one) for one in value]
            for number in numbers:
                number.node().moveBefore(node)
            made = graph.create("prim::ListConstruct", numbers, 1)
            made.insertBefore(node)
            made.output().setType(node.output().type())
            node.output().replaceAllUsesWith(made.output())
            apart += 1
    assert str(graph).count("prim::ListConstruct") == apart
    assert answers_alike(chain)


def test_a_chain_answers_nearly_the_same_in_bfloat16(chain: torch.jit.ScriptModule, bfloat16: torch.dtype) -> None:
    assert answers_alike(chain, bfloat16, 0.03)  # 8 bits, and through several layers
    assert not answers_alike(chain, bfloat16, 1e-7)


def two_convolutions() -> tuple[TorchScriptModel, torch.jit.ScriptModule]:
    module = TorchScriptModel(*convolutions(), *head())
    module.layers(torch.zeros(2, 3, 30, 30))
    return module, frozen(module)


def test_activations_are_given_too() -> None:
    module, ours = two_convolutions()
    first, second = (cpu_graph.rebuild(ours, convolution) for convolution in (1, 2))
    assert first
    assert second
    with torch.inference_mode():
        inputs = images().float() / 255
        assert torch.allclose(first(images())[1], module.layers[:2](inputs), atol=1e-5)
        assert torch.allclose(second(images())[1], module.layers[:6](inputs), atol=1e-5)
    assert cpu_graph.rebuild(ours, 3) is None


def test_activations_are_given_in_bfloat16(bfloat16: torch.dtype) -> None:
    module, ours = two_convolutions()
    rounded = cpu_graph.rebuild(ours, 1, bfloat16)
    assert rounded
    with torch.inference_mode():
        probabilities, activations = rounded(images())
        assert (probabilities.dtype, activations.dtype) == (torch.float32, torch.bfloat16)
        assert torch.allclose(activations.float(), module.layers[:2](images().float() / 255), atol=0.02)


def behind_a_join() -> tuple[TorchScriptModel, torch.jit.ScriptModule]:
    module = TorchScriptModel(Residual(), nn.BatchNorm2d(3), *convolutions(), *head())
    module.layers(torch.zeros(2, 3, 30, 30))
    return module, frozen(module)


def test_what_is_in_front_of_the_chain_stays_as_it_is() -> None:
    module, ours = behind_a_join()
    assert answers_alike(ours)
    rebuilt = cpu_graph.rebuild(ours, 1)  # the join's own convolution is not counted
    assert rebuilt
    with torch.inference_mode():
        assert torch.allclose(torch.jit.script(rebuilt)(images())[1], module.layers[:4](images().float() / 255), atol=1e-5)


def test_the_chain_alone_takes_what_is_in_front_of_it() -> None:
    module, ours = behind_a_join()
    rebuilt = cpu_graph.rebuild(ours, whole=False)
    assert rebuilt
    with torch.inference_mode():
        shown = module.layers[0](images().float() / 255)
        assert torch.allclose(torch.jit.script(rebuilt)(shown)[0], ours(images()), atol=1e-5)


def test_in_bfloat16_only_the_chain_is_rounded(bfloat16: torch.dtype) -> None:
    assert answers_alike(behind_a_join()[1], bfloat16, 0.03)


def test_a_chain_without_convolutions_is_left_as_it_is() -> None:
    assert cpu_graph.rebuild(frozen(TorchScriptModel(Residual(), nn.Flatten(), nn.Linear(2700, 5)))) is None


def test_an_unknown_operation_is_left_as_it_is() -> None:
    assert cpu_graph.rebuild(frozen(TorchScriptModel(nn.Sigmoid(), nn.Flatten(), nn.Linear(2700, 5)))) is None


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 3), channels=st.integers(1, 9), kernels=st.integers(1, 9), side=st.sampled_from([3, 5]),
    height=st.integers(5, 45), width=st.integers(5, 45), padding=st.integers(0, 2), relu=st.booleans(), bias=st.booleans(),
)  # fmt: skip
def test_winograd_is_a_convolution(
    n: int, channels: int, kernels: int, side: int, height: int, width: int, padding: int, relu: bool, bias: bool
) -> None:
    torch.manual_seed(n + height)
    layer = nn.Conv2d(channels, kernels, side, padding=padding, bias=bias)
    inputs = torch.randn(n, channels, height, width).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        direct = layer(inputs)
        tiled = cpu_graph.Winograd(layer.weight, layer.bias, padding, relu)(inputs)
    assert tiled.shape == direct.shape
    # Rounding of the transforms: at most 0.7e-5 and 2.2e-5 in 3,000 random layers, each with about twice that as its bound.
    assert torch.allclose(tiled, F.relu(direct) if relu else direct, atol=1.5e-5 if side == 3 else 5e-5)

"""Make a trained network small: factor its largest dense layer, store weights in two bytes or in one."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.network import Network

_Any = TypeVar("_Any", bound=nn.Module)


def factorize(network: Network, rank: int) -> Network:
    """A copy of `network` whose largest dense layer, W [out,in], is two: U [out,rank] · (Uᵀ·W) [rank,in].

    With U the first left singular vectors this is the truncated SVD, the best approximation of that rank in the
    least-squares sense (Eckart–Young); Girshick (2015), *Fast R-CNN*,
    section 3.1, made detection faster so. Raises ValueError for a rank the layer does not have.
    """
    network = copy.deepcopy(network)
    name, layer = _largest_linear(network)
    full = min(layer.weight.shape)  # out ≤ in for the layers this is meant for
    if not 1 <= rank <= full:
        raise ValueError(f"rank = {rank}: the layer {name} has ranks from 1 to {full}")
    weight = layer.weight.detach().double()  # [out,in]
    # The left singular vectors are the eigenvectors of W·Wᵀ, which is far smaller than W; the largest come last.
    u = torch.linalg.eigh(weight @ weight.T).eigenvectors[:, -rank:]  # [out,rank]
    first, second = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features)
    with torch.no_grad():
        first.weight.copy_(u.T @ weight)
        second.weight.copy_(u)
        second.bias.copy_(layer.bias)
    _replace(network, name, nn.Sequential(first, second))
    return network


def saves(network: Network, rank: int) -> bool:
    """Whether factoring the largest dense layer to this rank leaves fewer weights: in some networks that layer is small."""
    outputs, inputs = _largest_linear(network)[1].weight.shape
    return rank * (outputs + inputs) < outputs * inputs


def store_halves(network: _Any) -> _Any:
    """A copy of `network` that keeps kernels and matrices in float16 and computes in float32 all the same.

    Freezing the exported module folds the conversion away, so it costs nothing when served.
    """
    return _stored(network, lambda weight: (weight.half(), None))


def store_bytes(network: Network) -> Network:
    """A copy of `network` that keeps kernels and matrices in int8, one scale for each output, and computes in float32.

    The scale makes the output's largest weight ±127: symmetric quantisation per channel, as in Krishnamoorthi (2018),
    *Quantizing deep convolutional networks for efficient inference*, section 3.1, of the weights alone. Freezing folds
    it away as with `store_halves`.
    """
    return _stored(network, _quantized)


class StoredLinear(nn.Module):
    """A dense layer with its weight [out,in] stored as float16, or as int8 with a float32 `scale` [out,1]."""

    weight: Tensor
    scale: Tensor | None
    bias: Tensor | None

    def __init__(self, layer: nn.Linear, weight: Tensor, scale: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, inputs: Tensor) -> Tensor:
        """float32 [N,in] → float32 [N,out]."""
        return F.linear(inputs, _restored(self.weight, self.scale), self.bias)


class StoredConv2d(nn.Module):
    """A convolution with its weight [out,in/groups,kh,kw] as float16, or as int8 with a float32 `scale` [out,1,1,1]."""

    weight: Tensor
    scale: Tensor | None
    bias: Tensor | None

    def __init__(self, layer: nn.Conv2d, weight: Tensor, scale: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())
        self.stride = (layer.stride[0], layer.stride[1])
        self.padding = (int(layer.padding[0]), int(layer.padding[1]))
        self.dilation = (layer.dilation[0], layer.dilation[1])
        self.groups = layer.groups

    def forward(self, inputs: Tensor) -> Tensor:
        """float32 [N,in,H,W] → float32 [N,out,h,w]."""
        weight = _restored(self.weight, self.scale)
        return F.conv2d(inputs, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


STORAGES: dict[str, Callable[[Network], Network]] = {"float16": store_halves, "int8": store_bytes}


def _restored(weight: Tensor, scale: Tensor | None) -> Tensor:
    return weight.float() if scale is None else weight.float() * scale


def _quantized(weight: Tensor) -> tuple[Tensor, Tensor]:
    peak = weight.abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True)  # [out,1,…]
    scale = peak.clamp_min(torch.finfo(torch.float32).tiny) / 127
    return (weight / scale).round().to(torch.int8), scale


def _stored(network: _Any, store: Callable[[Tensor], tuple[Tensor, Tensor | None]]) -> _Any:
    network = copy.deepcopy(network)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Conv2d):
            _replace(network, name, StoredConv2d(layer, *store(layer.weight.detach())))
        elif isinstance(layer, nn.Linear):
            _replace(network, name, StoredLinear(layer, *store(layer.weight.detach())))
    return network


def _largest_linear(network: nn.Module) -> tuple[str, nn.Linear]:
    linears = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    return max(linears, key=lambda named: named[1].weight.numel())


def _replace(network: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, layer)

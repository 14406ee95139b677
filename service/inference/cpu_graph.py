"""A frozen network's forward pass, built anew from quicker forms of the same operations, for a CPU.

TorchScript orders each layer's weights for its kernels on every call. It runs norms and ReLUs as passes of their own, and convolves
directly. Here the weights are packed once, and ReLUs are part of the layer before them. 3×3 convolutions take Winograd's form, with
a quarter of the multiplications, and 5×5 ones with a sixth. The answers differ by rounding alone.

In bfloat16, on processors made for it, the layers with weights compute in that type and convolve directly: Winograd's transforms would
lose too much in 8 bits.

What comes before the chain of layers, such as a view of the plant alone, is taken from the frozen graph as it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SCALE = 1 / 255  # uint8 → 0–1; saved, this division turns into several operations, so it is taken for granted and answers are compared
_AROUND = ("prim::If", "aten::to", "aten::is_floating_point", "aten::dim", "aten::ne")  # conversions and guards
_TILE = 4  # outputs a side of Winograd's F(4×4, r×r)
# Side r of the kernel → points of the transform, besides infinity; those of 3 round less than 0, ±1, ±2.
_POINTS = {3: (0.0, 1.0, -1.0, 0.5, -2.0), 5: (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0)}
_TILES = 256  # worked on at a time: enough for the products of matrices, and few enough to stay in the cache
_WORTH_CHANNELS = 32  # with fewer, transforming tiles costs more than the multiplications it saves


@dataclass(frozen=True)
class _Step:
    """One operation of the graph on what flows through it, with its constant arguments."""

    kind: str
    arguments: list[Any]


class TappedChain(nn.Module):
    """A chain of layers that gives what flows through it at one place, too."""

    def __init__(self, first: list[nn.Module], rest: list[nn.Module]) -> None:
        super().__init__()
        self.first, self.rest = nn.Sequential(*first), nn.Sequential(*rest)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [n, 3, size, size] in channels-last order → probabilities float32 [n, species], activations float32."""
        activations = self.first(images)
        return self.rest(activations), activations


def rebuild(module: Any, convolution: int = 0, dtype: torch.dtype = torch.float32, whole: bool = True) -> TappedChain | None:
    """The forward pass of a frozen TorchScript module as a module to be scripted, or None where it cannot be built.

    It also gives the activations after that convolution, counted from 1, and its ReLU; with 0, the images as they are.
    Convolutions and dense layers compute in `dtype`, float32 or bfloat16, and so are the activations. Only a straight
    chain of convolutions, norms, ReLUs, pools and dense layers up to the probabilities is understood; whatever is in front of it
    stays as it is, and its convolutions are not counted. With `whole` off it is left out: the chain then takes what the model's `look`
    shows. Whoever serves it compares its answers with the module's.
    """
    steps, before = _chain(module) if torch.backends.mkldnn.is_available() else ([], 0)  # type: ignore[no-untyped-call]
    if (layers := _layers(steps, dtype, before > 0) if steps else None) is None:
        return None
    if before and whole:
        layers.insert(0, _Prefix(_up_to(module, before)))
    ends = [0] + [count for count, layer in enumerate(layers, 1) if isinstance(layer, Winograd | Convolution)]
    if convolution >= len(ends) or (before and len(ends) == 1):  # a chain without convolutions is not worth the change
        return None
    return TappedChain(layers[: ends[convolution]], layers[ends[convolution] :]).eval()


def _chain(module: Any) -> tuple[list[_Step], int]:
    """The longest chain of operations that ends the graph, in order, and how many nodes of the graph are before it."""
    steps: list[_Step] = []
    before = 0
    known: dict[str, Any] = {}  # constants by their names in the graph
    graph = module.inlined_graph
    flowing = ""  # at first the image, converted or not
    for count, node in enumerate(graph.nodes(), 1):
        names = [value.debugName() for value in node.inputs()]
        if node.kind() == "prim::Constant":
            known[node.output().debugName()] = node.output().toIValue()
        elif node.kind() == "prim::ListConstruct" and known.keys() >= set(
            names
        ):  # such as a padding: freezing leaves some apart, by chance
            known[node.output().debugName()] = [known[name] for name in names]
        elif node.kind() == "aten::mul" and known.keys() >= set(names):  # a weight and its scale, which freezing left apart
            known[node.output().debugName()] = known[names[0]] * known[names[1]]
        elif node.kind() not in _AROUND:
            if node.outputsSize() != 1:
                return [], 0
            if names and (not flowing or names[0] == flowing) and known.keys() >= set(names[1:]):
                steps.append(_Step(node.kind(), [known[name] for name in names[1:]]))
            else:  # more than one value is at work here: a chain can begin behind it, at the earliest
                steps, before = [], count
            flowing = node.output().debugName()
    return (steps, before) if [value.debugName() for value in graph.outputs()] == [flowing] else ([], 0)


def _up_to(module: Any, count: int) -> Callable[[Tensor], Tensor]:
    """The first nodes of the module's graph, that many: what the last of them gives for an image."""
    graph = module.inlined_graph.copy()
    nodes = list(graph.nodes())
    graph.eraseOutput(0)
    graph.registerOutput(nodes[count - 1].output())
    for node in reversed(nodes[count:]):  # not all of them would go as dead code: norms look at their inputs' shapes and may raise
        node.destroy()
    graph.eraseInput(0)  # the frozen module itself, whose weights are constants of the graph
    return torch._C._create_function_from_graph("before", graph)


def _layers(steps: list[_Step], dtype: torch.dtype, begun: bool) -> list[nn.Module] | None:
    """Modules for the operations; None where one is not known. `begun`: the chain does not begin with the image."""
    layers: list[nn.Module] = [] if begun or steps[0].kind == "aten::div" else [_Affine(torch.tensor(_SCALE))]
    left = list(steps)
    while left:
        step = left.pop(0)
        takes_relu = step.kind in ("aten::conv2d", "aten::linear")
        if relu := bool(takes_relu and left and left[0].kind == "aten::relu"):
            left.pop(0)
        match step.kind, step.arguments:
            case "aten::batch_norm", [weight, bias, mean, variance, False, _, epsilon, _]:
                scale = weight / (variance + epsilon).sqrt()  # [C]
                shift = bias - mean * scale
                if layers and isinstance(before := layers[-1], _Affine):  # the division by 255
                    layers.pop()
                    scale, shift = scale * before.scale.flatten(), scale * before.shift.flatten() + shift
                layers.append(_Affine(scale, shift))
            case "aten::conv2d", [weight, bias, stride, padding, dilation, groups]:
                plain = [*stride, *dilation, groups] == [1, 1, 1, 1, 1] and padding[0] == padding[1]
                worth = dtype == torch.float32 and weight.shape[1] >= _WORTH_CHANNELS
                if plain and worth and weight.shape[2] == weight.shape[3] and weight.shape[2] in _POINTS:
                    layers.append(Winograd(weight, bias, padding[0], relu))
                else:
                    layers.append(Convolution(weight, bias, stride, padding, dilation, groups, relu, dtype))
            case "aten::linear", [weight, bias]:
                layers.append(_Linear(weight, bias, relu, dtype))
            case "aten::relu", []:
                layers.append(nn.ReLU())
            case "aten::max_pool2d", [kernel, stride, padding, dilation, ceil]:
                layers.append(nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil))
            case "aten::flatten", [start, end]:
                layers.append(nn.Flatten(start, end))
            case "aten::div", [float() | int() as divisor]:
                layers.append(_Affine(torch.tensor(1 / divisor)))
            case "aten::softmax", [dim, _]:
                layers.append(_Softmax(dim))
            case _:
                return None
    return layers


class _Prefix(nn.Module):
    """What is in front of the chain, in its own form."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        """uint8 [n, 3, size, size] → float32 [n, C, h, w]."""
        return self.function(images)


class _Affine(nn.Module):
    """x·scale + shift, for each channel or for all: of a norm, of the division by 255, or of both."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor | None = None) -> None:
        super().__init__()
        shift = torch.zeros_like(scale) if shift is None else shift
        shape = (-1, 1, 1) if scale.ndim else ()
        self.register_buffer("scale", scale.detach().reshape(shape))
        self.register_buffer("shift", shift.detach().reshape(shape))

    def forward(self, inputs: Tensor) -> Tensor:
        """uint8, float32 or bfloat16 [n, C, h, w], or [n, species] → float32 of that shape."""
        return torch.addcmul(self.shift, inputs.float(), self.scale)


class _Softmax(nn.Module):
    """In float32, whatever the layer before computes in."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, inputs: Tensor) -> Tensor:
        """float32 or bfloat16 [n, species] → float32 of that shape."""
        return inputs.float().softmax(self.dim)


class Convolution(nn.Module):
    """A convolution by oneDNN, its weights packed once and its ReLU in the same pass."""

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        stride: list[int],
        padding: list[int],
        dilation: list[int],
        groups: int,
        relu: bool,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight.detach().to(dtype), padding, stride, dilation, groups)
        self.register_buffer("weight", packed)
        self.register_buffer("bias", None if bias is None else bias.detach().to(dtype))
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.after, self.dtype = "relu" if relu else "none", dtype

    def forward(self, inputs: Tensor) -> Tensor:
        """float32 or bfloat16 [n, C, h, w] → [n, K, h', w'] in the layer's own."""
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            inputs.to(self.dtype), self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups, self.after, [], ""
        )


class _Linear(nn.Module):
    """A dense layer by oneDNN, its weights packed once and its ReLU in the same pass."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, relu: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype)))
        self.register_buffer("bias", None if bias is None else bias.detach().to(dtype))
        self.after, self.dtype = "relu" if relu else "none", dtype

    def forward(self, inputs: Tensor) -> Tensor:
        """float32 or bfloat16 [n, in] → [n, out] in the layer's own."""
        return torch.ops.mkldnn._linear_pointwise(  # type: ignore[no-any-return]
            inputs.to(self.dtype), self.weight, self.bias, self.after, [], ""
        )


class Winograd(nn.Module):
    """A convolution of stride 1 with 3×3 or 5×5 kernels by tiles of 4×4 outputs: 36 or 64 multiplications for 144 or 400.

    Lavin & Gray (2016), *Fast Algorithms for Convolutional Neural Networks*: Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A for each tile
    d [t,t], of side t = 4 + r - 1, and kernel g [r,r], the products over all tiles and channels being t² matrix products.
    Both sides of a transform are one matrix on the flattened tile here, the Kronecker product, so that each is one product too.
    """

    kernels: Tensor
    into: Tensor
    back: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, padding: int, relu: bool) -> None:
        super().__init__()
        a, g, b = _transforms(weight.shape[2])
        kernels = torch.einsum("ia,kcab,jb->ijck", g, weight.detach().double(), g).flatten(0, 1)  # [t², C, K]
        self.register_buffer("kernels", kernels.float().contiguous())
        self.register_buffer("into", torch.kron(b, b).float())  # [t², t²], tile → its transform
        self.register_buffer("back", torch.kron(a, a).float())  # [16, t²], products → outputs
        self.register_buffer("bias", torch.zeros(len(weight)) if bias is None else bias.detach())
        self.side, self.overlap = len(b), weight.shape[2] - 1
        self.padding, self.least, self.tiles = padding, 0.0 if relu else -math.inf, _TILES

    def forward(self, inputs: Tensor) -> Tensor:
        """float32 [n, C, h, w] → float32 [n, K, h', w'] in channels-last order."""
        n, _, h, w = inputs.shape
        height, width = h + 2 * self.padding - self.overlap, w + 2 * self.padding - self.overlap
        down, across = (height + 3) // 4, (width + 3) // 4  # tiles; the last ones may reach over the edge
        below, right = 4 * down + self.overlap - h - self.padding, 4 * across + self.overlap - w - self.padding
        image = F.pad(inputs, [self.padding, right, self.padding, below]).permute(0, 2, 3, 1).contiguous()  # [n, h+, w+, C]
        outputs = torch.empty([n, down, 4, across, 4, self.bias.shape[0]])
        step = max(1, self.tiles // (down * across))
        for first in range(0, n, step):
            self._convolve(image[first : first + step], outputs[first : first + step])
        return outputs.view(n, 4 * down, 4 * across, -1)[:, :height, :width].permute(0, 3, 1, 2)

    def _convolve(self, image: Tensor, outputs: Tensor) -> None:
        """float32 [m, h+, w+, C] → float32 [m, down, 4, across, 4, K]."""
        m, down, across, c, k = image.shape[0], outputs.shape[1], outputs.shape[3], image.shape[3], outputs.shape[5]
        s, r, q = image.stride(0), image.stride(1), image.stride(2)
        shape, strides = [self.side, self.side, m, down, across, c], [r, q, s, 4 * r, 4 * q, 1]
        tiles = image.as_strided(shape, strides, image.storage_offset())
        transformed = torch.mm(self.into, tiles.reshape(len(self.into), -1)).view(len(self.into), -1, c)  # [t², tiles, C]
        products = torch.bmm(transformed, self.kernels)  # [t², tiles, K]
        products[self.side + 1].add_(self.bias)  # at the point (1, 1): it reaches all 16 outputs unchanged, as 1 to any power is 1
        tiled = torch.mm(self.back, products.view(len(self.into), -1)).view(4, 4, m, down, across, k)
        # One pass brings the outputs into their places and takes the ReLU.
        torch.clamp_min(tiled.permute(2, 3, 0, 4, 1, 5), self.least, out=outputs)


def _transforms(kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Aᵀ [4,t], G [t,r] and Bᵀ [t,t] of F(4,r), by Toom and Cook: evaluate at points, multiply, interpolate."""

    def powers(count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        at_infinity = [0.0] * (count - 1) + [1.0]
        return np.array([[point**power for power in range(count)] for point in _POINTS[kernel]] + [at_infinity])

    a, g, b = powers(_TILE).T, powers(kernel), np.linalg.inv(powers(_TILE + kernel - 1)).T
    size = np.abs(g).sum(1, keepdims=True)  # moved from kernels to tiles, so that neither grows
    return torch.from_numpy(a), torch.from_numpy(g / size), torch.from_numpy(b * size)

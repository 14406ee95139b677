"""The layers of a network, one a row, as the report's figures 6 and 7 give it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models_store.pixels import SIZE
from training import networks


@dataclass(frozen=True)
class Layer:
    """One layer; `output` is the shape for one image."""

    name: str
    output: tuple[int, ...]
    parameters: int


def layers(network: str, species: int) -> list[Layer]:
    """The layers of a network for one 150-pixel image, in the order they are run; nothing is computed or allocated."""
    found: list[Layer] = []

    def seen(layer: nn.Module, _: object, output: Tensor) -> None:
        found.append(Layer(_text(layer), tuple(output.shape[1:]), networks.parameters(layer)))

    with torch.device("meta"):
        built = networks.build(network, species).eval()
        for layer in built.modules():
            if not list(layer.children()):
                layer.register_forward_hook(seen)
        built(torch.empty(1, 3, SIZE, SIZE))
    return found


def _text(layer: nn.Module) -> str:
    match layer:
        case nn.Conv2d():
            return f"Conv2d {layer.kernel_size[0]}×{layer.kernel_size[1]}, stride {layer.stride[0]}, padding {layer.padding[0]}"
        case nn.MaxPool2d():
            return f"MaxPool2d {layer.kernel_size}×{layer.kernel_size}, stride {layer.stride}"
        case nn.Dropout():
            return f"Dropout {layer.p}"
        case _:
            return type(layer).__name__

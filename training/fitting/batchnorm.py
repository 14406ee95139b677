"""Norms measured as they are used: by the weights that are kept, without dropout.

Their running mean and variance do not fit these in two cases. After few steps from random weights, a slow norm still remembers weights
that are long gone: with a momentum of 0.01, those of the last hundred steps. And in training a norm sees what dropout left, scaled up by
1/(1-p); where a maximum is taken in between, nearly every value comes from one that was scaled: Li, Chen, Hu, Yang (2019),
*Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift*. Measuring is the remedy for averaged weights, too:
Izmailov et al. (2018), *Averaging Weights Leads to Wider Optima and Better Generalization*.
"""

import torch
from torch import Tensor, nn

from training.data.tensors import to_float

_IMAGES, _BATCH = 1024, 128  # enough for the mean and variance of a channel


def is_due(network: nn.Module, steps: float, without_dropout: bool) -> bool:
    """Whether to measure the norms of a network in training mode after an epoch of so many steps.

    Always where a norm remembers more steps than that. `without_dropout`: also where the network has dropout.
    """
    if without_dropout and any(isinstance(layer, nn.Dropout) and layer.p for layer in network.modules()):
        return True
    return any(norm.momentum is not None and norm.momentum * steps < 1 for norm in _learning(network).values())


@torch.no_grad()
def measure(network: nn.Module, kept: nn.Module, pixels: Tensor) -> None:
    """Give the norms of `kept` the mean and variance of what reaches them with dropout off; leaves it in evaluation mode.

    network: in training mode, `kept` itself or what it is the average of. A norm that learns nothing there stays as it is.
    pixels: training images, uint8 [N,3,S,S], of which an even choice is used.
    """
    learning = _learning(network)
    norms = [norm for name, norm in kept.named_modules() if name in learning and isinstance(norm, nn.BatchNorm2d)]
    kept.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    chosen = pixels[:: -(-len(pixels) // _IMAGES)]
    for batch in chosen.tensor_split(-(-len(chosen) // _BATCH)):  # of about one size: each counts as much
        kept(to_float(batch).contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    kept.eval()


def _learning(network: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """Name → norm, of those in training mode: neither fixed nor frozen."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.BatchNorm2d) and layer.training}

"""Norms behind a dropout, measured as they are used: without it.

In training a norm sees what dropout left, scaled up by 1/(1-p); where a maximum is taken in between, nearly every value comes
from one that was scaled. Its running mean and variance are of those inputs, and do not fit the ones it meets when dropout is
off: Li, Chen, Hu, Yang (2019), *Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift*.
"""

import torch
from torch import Tensor, nn

from training.data.tensors import to_float

_IMAGES, _BATCH = 1024, 128  # enough for the mean and variance of a channel


@torch.no_grad()
def measure(network: nn.Module, pixels: Tensor) -> None:
    """Give the norms of `network` the mean and variance of what reaches them with dropout off; leaves it in evaluation mode.

    pixels: training images, uint8 [N,3,S,S], of which an even choice is used. A network without dropout is left alone.
    """
    layers = list(network.modules())
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    network.eval()
    if not any(isinstance(layer, nn.Dropout) and layer.p for layer in layers):
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    for batch in torch.split(pixels[:: -(-len(pixels) // _IMAGES)], _BATCH):
        network(to_float(batch).contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()

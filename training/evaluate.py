"""Answers of a network or an artifact for many images."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.augment import to_float

BATCH = 128


def logits(network: nn.Module, pixels: Tensor, batch_size: int = BATCH) -> Tensor:
    """Logits of a network in evaluation mode: uint8 [N,3,150,150] → float32 [N,species] on the CPU."""
    device = next(itertools.chain(network.parameters(), network.buffers())).device
    network.eval()
    return _in_batches(lambda batch: network(to_float(batch.to(device)).contiguous(memory_format=torch.channels_last)), pixels, batch_size)


def probabilities(module: nn.Module, pixels: Tensor, batch_size: int = BATCH) -> Tensor:
    """Probabilities of an artifact's module: uint8 [N,3,S,S] → float32 [N,species] on the CPU."""
    return _in_batches(module, pixels, batch_size)


@torch.no_grad()
def _in_batches(answer: Callable[[Tensor], Tensor], pixels: Tensor, batch_size: int) -> Tensor:
    bar = tqdm(torch.split(pixels, batch_size), "answering", leave=False, disable=None)
    return torch.cat([answer(batch).float().cpu() for batch in bar])

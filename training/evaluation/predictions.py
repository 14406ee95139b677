"""Answers of a network or an artifact for many images."""

import itertools
from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from tqdm import tqdm

from models_store import artifact
from models_store.artifact import Answer
from training.data.tensors import to_float

Output = TypeVar("Output")
BATCH = 128


def logits(network: nn.Module, pixels: Tensor, batch_size: int = BATCH) -> Tensor:
    """Logits of a network in evaluation mode: uint8 [N,3,150,150] → float32 [N,species] on the CPU."""
    device = next(itertools.chain(network.parameters(), network.buffers())).device
    network.eval()
    return in_batches(lambda batch: network(to_float(batch.to(device)).contiguous(memory_format=torch.channels_last)), pixels, batch_size)


def probabilities(module: nn.Module, pixels: Tensor, batch_size: int = BATCH) -> Tensor:
    """Probabilities of an artifact's module: uint8 [N,3,S,S] → float32 [N,species] on the CPU."""
    return in_batches(module, pixels, batch_size)


def answers(module: nn.Module, pixels: Tensor, batch_size: int = BATCH) -> Answer[Tensor]:
    """Probabilities, and distances where the artifact measures them, of an artifact's module, in one pass, on the CPU."""
    if artifact.Capability.MEASURE not in artifact.capabilities(module):
        return Answer(probabilities(module, pixels, batch_size), None)
    batches = _batches(cast(artifact.Measuring[Tensor], module).answer, pixels, batch_size)
    return Answer(*(torch.cat([part.float().cpu() for part in parts]) for parts in zip(*batches, strict=True)))


def over_orientations(answer: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """Probabilities averaged over the 8 orientations of a square, each turned by quarters and mirrored.

    A seedling from above has no up and no handedness, so no orientation is more right than another.
    """
    views = [torch.rot90(side, turns, (2, 3)) for side in (pixels, pixels.flip(-1)) for turns in range(4)]
    return torch.stack([answer(view.contiguous()) for view in views]).mean(0)


def in_batches(answer: Callable[[Tensor], Tensor], pixels: Tensor, batch_size: int = BATCH) -> Tensor:
    """What `answer` gives for images uint8 [N,3,S,S], float32 [N,…] on the CPU, computed a batch at a time."""
    return torch.cat([output.float().cpu() for output in _batches(answer, pixels, batch_size)])


@torch.no_grad()
def _batches(answer: Callable[[Tensor], Output], pixels: Tensor, batch_size: int) -> list[Output]:
    return [answer(batch) for batch in tqdm(torch.split(pixels, batch_size), "answering", leave=False, disable=None)]

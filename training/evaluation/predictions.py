"""Answers of a network or an artifact for many images."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm import tqdm

from training.data.tensors import to_float

BATCH = 128
VIEWS = 8  # orientations of a square


def logits(network: nn.Module, pixels: Tensor, batch_size: int = BATCH) -> Tensor:
    """Logits of a network in evaluation mode: uint8 [N,3,150,150] → float32 [N,species] on the CPU."""
    device = next(itertools.chain(network.parameters(), network.buffers())).device
    network.eval()
    return in_batches(lambda batch: network(to_float(batch.to(device)).contiguous(memory_format=torch.channels_last)), pixels, batch_size)


def probabilities(module: nn.Module, pixels: Tensor, batch_size: int = BATCH) -> Tensor:
    """Probabilities of an artifact's module: uint8 [N,3,S,S] → float32 [N,species] on the CPU."""
    return in_batches(module, pixels, batch_size)


def answers(module: nn.Module, pixels: Tensor, batch_size: int = BATCH) -> tuple[Tensor, Tensor | None]:
    """Probabilities, and distances float32 [N] where the artifact has them, of an artifact's module, in one pass."""
    if not hasattr(module, "answer"):
        return probabilities(module, pixels, batch_size), None

    def side_by_side(batch: Tensor) -> Tensor:
        probabilities, distances = module.answer(batch)  # type: ignore[operator]
        return torch.cat([probabilities, distances[:, None]], 1)

    both = in_batches(side_by_side, pixels, batch_size)
    return both[:, :-1], both[:, -1]


def over_views(answer: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """Probabilities averaged over the 8 orientations of a square, each turned by quarters and mirrored.

    A seedling from above has no up and no handedness, so no orientation is more right than another.
    """
    views = [torch.rot90(side, turns, (2, 3)) for side in (pixels, pixels.flip(-1)) for turns in range(4)]
    return torch.stack([answer(view.contiguous()) for view in views]).mean(0)


@torch.no_grad()
def in_batches(answer: Callable[[Tensor], Tensor], pixels: Tensor, batch_size: int = BATCH) -> Tensor:
    """What `answer` gives for images uint8 [N,3,S,S], float32 [N,…] on the CPU, computed a batch at a time."""
    bar = tqdm(torch.split(pixels, batch_size), "answering", leave=False, disable=None)
    return torch.cat([answer(batch).float().cpu() for batch in bar])

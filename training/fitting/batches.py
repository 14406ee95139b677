"""The batches of an epoch, as the network is shown them, with what its teachers answer to them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from training.fitting.augmentation.augment import mix
from training.fitting.augmentation.transforms import transformed
from training.recipe import Recipe


class Batch(NamedTuple):
    """What one step learns from."""

    images: Tensor  # float [B,3,side,side] in 0–1, channels last
    targets: Tensor  # float [B,species]
    moved: Tensor  # bool [B], whether the plant stands on a background that is not its own
    answers: Tensor | None  # float [B,species], the teachers' probabilities; None without teachers


def batches(
    pixels: Tensor,
    targets: Tensor,
    rows: Tensor,
    recipe: Recipe,
    side: int,
    ahead: int,
    random: Generator,
    backgrounds: Tensor | None,
    repeated: Tensor | None,
    answers_of: Callable[[Tensor], Tensor | None],
) -> Iterator[Batch]:
    """The batches `rows`, int64 [steps,B], of images uint8 [N,3,S,S] and one-hot targets [N,species]; `ahead` of them are made at once.

    backgrounds: squares of photos, uint8 [M,3,S,S], or None. repeated: bool [N], which images are seen several times in an epoch, or None.
    `random` is a CPU generator. What it draws depends on `ahead`, too.
    """
    for some in torch.split(rows, ahead):
        chosen = some.flatten()
        images, moved = transformed(pixels[chosen], recipe, backgrounds, random, side, None if repeated is None else repeated[chosen])
        parts = images.chunk(len(some))
        mixed = [mix(part, targets[batch], recipe.augment, random) for part, batch in zip(parts, some, strict=True)]
        images = torch.cat([part for part, _ in mixed]).contiguous(memory_format=torch.channels_last)
        answers = answers_of(images)
        answered = [None] * len(some) if answers is None else answers.chunk(len(some))
        for part, (_, wanted), shifted, answer in zip(images.chunk(len(some)), mixed, moved.chunk(len(some)), answered, strict=True):
            yield Batch(part, wanted, shifted, answer)

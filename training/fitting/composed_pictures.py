"""The composed pictures that a segmenter learns from, in the order of its steps: made where it learns, or ahead of it by processes."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.data.tensors import to_float
from training.fitting.augmentation.many_plants import Scenes, compose_many

# Where a processor composes, which is slow: times that pictures are used, each time in another light, and how many batches are kept.
USES, KEPT = 3, 5  # prime to each other
_Composed = tuple[Tensor, list[Tensor], Tensor, Tensor]  # images, plants, known of `Scenes`, and the state of the step's generator


@dataclass(frozen=True)
class ComposedPictures(Dataset[_Composed]):
    """The pictures of each step: the same ones, however many processes compose them."""

    pixels: Tensor  # uint8 [N,3,s,s] in the data set's own light, where pictures are composed; with `workers` on the CPU
    backgrounds: Tensor | None  # squares of photos, uint8 [M,3,s,s]
    batch_size: int
    seed: int
    workers: int = 0  # processes

    def __getitem__(self, step: int) -> _Composed:
        """What is composed for a step."""
        random = self._generator(step)
        chosen = torch.randint(len(self.pixels), (self.batch_size,), generator=random).to(self.pixels.device)
        scenes = compose_many(to_float(self.pixels[chosen]), self.backgrounds, random)
        return scenes.images, scenes.plants, scenes.known, random.get_state()

    def steps(self, first: int, end: int, device: torch.device) -> Iterator[tuple[Scenes, torch.Generator]]:
        """For each step from `first` on: its pictures, on a device, and the generator that has drawn them, for what else it draws."""
        each = self.pixels.device.type != "cpu"
        begin = first if each else max(0, first - USES * KEPT)  # what of earlier steps is used again
        turns = [step for step in range(begin, end) if each or step % USES == 0 or step < KEPT]
        coming = self._ahead(turns) if self.workers else map(self.__getitem__, turns)
        kept: dict[int, Scenes] = {}
        composing = set(turns)
        for step in range(begin, end):
            random = self._generator(step)
            if step in composing:
                images, plants, known, state = next(coming)
                on_device = [values.to(device) for values in (images, known, *plants)]
                kept[step % KEPT] = Scenes(on_device[0], on_device[2:], on_device[1])
                random.set_state(state)
            if step >= first:
                yield kept[step % KEPT], random

    def _generator(self, step: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 1_000_003 + step)

    def _ahead(self, turns: Sequence[int]) -> Iterator[_Composed]:
        """The same by processes."""
        loader = DataLoader(
            self,
            batch_size=None,
            sampler=turns,
            num_workers=self.workers,
            prefetch_factor=1,
            multiprocessing_context="fork" if sys.platform == "linux" else None,  # so that they share the images
            generator=torch.Generator(),  # of its own, so that it draws nothing from that of the network
        )
        return iter(loader)

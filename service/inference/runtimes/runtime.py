"""What every runtime gives: a model's outputs for a batch of images. Engine and segmenter know no more of it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Outputs = tuple[NDArray[np.float32], ...]


class Runtime(Protocol):
    """A loaded network. It may be called from several threads at a time."""

    def __call__(self, images: NDArray[np.uint8], alone: bool) -> Outputs:
        """uint8 [n,3,h,w] → all that the network gives, each float32 [n,…]. `alone`: with all threads, else with a share of them."""


@dataclasses.dataclass(frozen=True)
class Threads:
    """How many threads a forward pass has: `whole` when it runs alone, else its `share` of them."""

    whole: int
    share: int

    @classmethod
    def of(cls, threads: int, streams: int) -> "Threads":
        """Of so many forward passes that run at a time."""
        return cls(threads, max(1, threads // streams))

    def use(self, alone: bool) -> None:
        """Set torch's. Each time: OpenMP keeps this count for each thread, MKL one for all of them."""
        torch.set_num_threads(self.whole if alone else self.share)


class TorchRuntime:
    """A function on torch's tensors as a `Runtime`."""

    def __init__(self, function: Callable[[Tensor], Sequence[Tensor]], device: torch.device, threads: Threads) -> None:
        self._function, self._device, self._threads = function, device, threads

    def __call__(self, images: NDArray[np.uint8], alone: bool) -> Outputs:
        """As `Runtime` has it."""
        self._threads.use(alone)
        with torch.inference_mode():
            return tuple(to_numpy(output) for output in self._function(to_tensor(images, self._device)))


def to_tensor(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """In channels-last order, which convolutions like best."""
    return torch.from_numpy(images).to(device).contiguous(memory_format=torch.channels_last)


def to_numpy(tensor: Tensor) -> NDArray[np.float32]:
    """float32, in the memory of the processor."""
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array

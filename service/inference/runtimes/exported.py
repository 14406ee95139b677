"""`model.pt2` of torch.export, operation by operation as torch runs it."""

import io
from typing import Any

import torch

from service.inference.runtimes.runtime import Threads, TorchRuntime


def load(model: bytes, threads: Threads) -> TorchRuntime:
    """The network in the bytes of a `model.pt2`. Raises whatever torch does of one that is none."""
    # Of a segmenter torch notes that it wants two photos or more, though it answers one, too. What it answers is compared at loading.
    module: Any = torch.export.load(io.BytesIO(model)).module(check_guards=False)
    return TorchRuntime(module, torch.device("cpu"), threads)

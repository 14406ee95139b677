"""`model.pt2` of torch.export, operation by operation as torch runs it."""

import io
from typing import Any

import torch

from service.inference.runtimes.runtime import Threads, TorchRuntime


def load(model: bytes, threads: Threads) -> TorchRuntime:
    """The network in the bytes of a `model.pt2`. Raises whatever torch does of one that is none."""
    module: Any = torch.export.load(io.BytesIO(model)).module()
    return TorchRuntime(module, torch.device("cpu"), threads)

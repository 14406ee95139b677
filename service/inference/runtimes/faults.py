"""Whose fault it is that a model does not run: its files', or this machine's."""

import re
from typing import Any

import torch

from models_store.store import Opened

_CAUSE = re.compile(r"^[\w.]*(?:Error|Exception): (.+)", re.MULTILINE)


class EngineError(Exception):
    """This machine cannot run the model now: the device or the library asked for is not there, or memory is short."""


def blame_machine(error: Exception, opened: Opened[Any]) -> None:
    """Raise EngineError where an artifact failed for want of memory, or with its device: it may be good."""
    cause: BaseException | None = error
    while cause is not None:
        # On CPUs torch has no class of its own for it; its allocator's words are all there is. Other libraries have no more.
        if isinstance(cause, MemoryError | torch.AcceleratorError | torch.OutOfMemoryError) or any(
            words in str(cause) for words in ("allocate memory", "not enough memory", "bad_alloc")
        ):
            raise EngineError(f"{opened.path} cannot run on this machine now: {first_line(cause)}") from error
        cause = cause.__cause__


def first_line(error: BaseException) -> str:
    """What it says, in one line. TorchScript begins with its own code, and the cause comes last."""
    text = str(error).strip() or type(error).__name__
    causes = _CAUSE.findall(text)
    return str(causes[-1] if causes else text.splitlines()[0])[:200]

"""Where a training that is counted in steps, not in epochs, goes on after an interruption."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from training.errors import RunError
from training.fitting import run_folder

_DIGESTS = {"split_digest": "images of --data", "given": "pixels of photos, masks or --start", "photos": "photos"}


@dataclass(frozen=True)
class StepCheckpoint:
    """The state after some steps, in a file beside the one that is being made."""

    out: Path
    made: dict[str, Any]  # tells one training from another
    network: nn.Module
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer

    @property
    def file(self) -> Path:
        """Where it lies."""
        return _beside(self.out)

    def resume(self) -> int:
        """Restore the state. Returns how many steps it has behind it: 0 where there is none. Raises RunError for another training's."""
        if not self.file.exists():
            return 0
        kept = run_folder.load_weights(self.file)
        if (made := kept.get("made", {})) != self.made:
            differ = ", ".join(_differing(name, made.get(name), wanted) for name, wanted in self.made.items() if made.get(name) != wanted)
            raise RunError(
                f"{self.file} is of another training, with other {differ}; remove it, or give the same options and photos as then"
            )
        self.network.load_state_dict(kept["network"])
        self.averaged.load_state_dict(kept["averaged"])
        self.optimizer.load_state_dict(kept["optimizer"])
        return int(kept["step"])

    def save(self, steps: int) -> None:
        """Keep the state after so many steps. Raises DiskError."""
        tensors = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        run_folder.save_weights(self.file, tensors | {"step": steps, "made": self.made})

    def remove(self) -> None:
        """The training is at its end."""
        self.file.unlink(missing_ok=True)


def check_out(out: Path) -> None:
    """Whether weights may go to `out`, before anything is read: where nothing lies, or a training was interrupted. Raises RunError."""
    if out.is_dir():
        raise RunError(f"{out} is a folder; name a file in it with --out, such as {out / 'mine.pt'}")
    if out.exists() and not _beside(out).exists():
        raise RunError(f"{out} is there already, and would be overwritten; remove it, or name another file with --out")


def _differing(name: str, then: object, now: object) -> str:
    """What differs, with its values where these tell people something."""
    return _DIGESTS.get(name) or f"{name.replace('_', ' ')} ({then} then, {now} now)"


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.part")


def digest_of(tensors: Iterable[Tensor]) -> str:
    """The start of the SHA-256 of what is learnt from, to tell one training from another. The tensors lie on the CPU."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8).data)
    return found.hexdigest()[:12]

"""The state of a training, and what a run writes down of it: figures after each epoch, weights at least now and then."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from training.atomic_files import disk_errors
from training.fitting import early_stopping, run_folder
from training.networks.network import Network
from training.recipe import Recipe

TENSORBOARD = "tensorboard"  # in the folder of a run
_QUICK_S = 0.2  # a checkpoint that takes less is written after each epoch


@dataclass
class TrainingState:
    """All that an interrupted run needs to go on as if nothing had happened, besides seed and epoch."""

    network: Network
    averaged: AveragedModel | None
    optimizer: torch.optim.Optimizer
    epoch: int = 0  # finished epochs
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def evaluated(self) -> nn.Module:
        return self.network if self.averaged is None else self.averaged.module

    def save(self, file: Path) -> None:
        tensors: dict[str, Any] = {"epoch": self.epoch, "history": self.history}
        tensors |= {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.averaged is not None:
            tensors["averaged"] = self.averaged.state_dict()
        run_folder.save_weights(file, tensors)

    def restore(self, tensors: dict[str, Any]) -> None:
        self.epoch, self.history = tensors["epoch"], tensors["history"]
        self.network.load_state_dict(tensors["network"])
        self.optimizer.load_state_dict(tensors["optimizer"])
        if self.averaged is not None:
            self.averaged.load_state_dict(tensors["averaged"])


class RunRecord:
    """What a run writes down: each epoch's figures and weights, or several epochs' at once where writing takes longer than they do."""

    def __init__(self, folder: Path, recipe: Recipe, epochs: int) -> None:
        """`epochs`: finished before."""
        from torch.utils.tensorboard import SummaryWriter  # it takes a second

        self._folder, self._recipe = folder, recipe
        with disk_errors(folder / TENSORBOARD):
            self._writer = SummaryWriter(str(folder / TENSORBOARD), purge_step=epochs + 1)
        self._best: dict[str, Any] | None = None  # not written yet
        self._written = time.perf_counter()  # when the last writing ended
        self._writing_s = 0.0

    def add(self, state: TrainingState) -> None:
        """Keep what the last epoch gave. The last checkpoint is not older than the last epoch and ten times what writing one takes."""
        if early_stopping.best_epoch(state.history, self._recipe.best_by) is state.history[-1]:
            self._best = {"epoch": state.epoch, "network": {name: tensor.clone() for name, tensor in state.evaluated.state_dict().items()}}
        with disk_errors(self._folder / TENSORBOARD):
            for name, value in state.history[-1].items():
                self._writer.add_scalar(name, value, state.epoch)
        waited_s = time.perf_counter() - self._written
        if early_stopping.ends(state.history, self._recipe) or self._writing_s < _QUICK_S or waited_s >= 10 * self._writing_s:
            self._write(state)

    def close(self) -> None:
        """The run is at its end."""
        with disk_errors(self._folder / TENSORBOARD):
            self._writer.close()

    def _write(self, state: TrainingState) -> None:
        """Best weights first, so that the checkpoint never knows of an epoch that is lost."""
        began = time.perf_counter()
        if self._best is not None:
            run_folder.save_weights(self._folder / run_folder.BEST, self._best)
        self._best = None
        state.save(self._folder / run_folder.LAST)
        run_folder.write_metrics(self._folder, state.history)
        with disk_errors(self._folder / TENSORBOARD):
            self._writer.flush()
        self._written = time.perf_counter()
        self._writing_s = self._written - began

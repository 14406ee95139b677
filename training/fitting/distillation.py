"""Distillation: finished runs whose networks answer what another one learns.

Hinton, Vinyals, Dean (2015), *Distilling the Knowledge in a Neural Network*. Teachers see the very images that the learner sees,
changed and mixed alike: Beyer et al. (2022), *Knowledge distillation: A good teacher is patient and consistent*.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from models_store.pixels import SIZE
from training.data.split import Split
from training.errors import RunError
from training.fitting import run
from training.networks.network import AnySize
from training.recipe import Distillation


class Teachers:
    """The networks of finished runs with their best weights; none for a recipe without distillation."""

    def __init__(self, runs: Sequence[Path], settings: Distillation, species: list[str], split: Split) -> None:
        """Raises RunError where runs and recipe do not go together, or a run is of other species or of another split."""
        if bool(runs) != bool(settings.share):
            raise RunError(
                "the recipe has no [distillation] share, and --teacher is for those that have"
                if runs
                else "the recipe learns from other networks; name their finished runs: --teacher RUN"
            )
        self.share = settings.share
        self.names: list[str] = []
        self.networks: list[nn.Module] = []
        for folder in runs:
            description, network, _ = run.load_best(folder)
            if description.species != species:
                raise RunError(f"{folder} knows other species, {', '.join(description.species)}; it cannot teach these")
            if description.split_digest != split.digest:
                raise RunError(f"{folder} was trained on another split, so it may have seen test images of this one; it cannot teach")
            digest = hashlib.sha256((folder / run.BEST).read_bytes()).hexdigest()
            self.names.append(f"{description.name}@{digest[:12]}")
            self.networks.append(AnySize(network, SIZE).eval())

    @torch.no_grad()
    def soften(self, targets: Tensor, images: Tensor) -> Tensor:
        """Put the teachers' mean probability in the place of a share of each target: float [B,species], [B,3,S,S] → [B,species]."""
        if not self.networks:
            return targets
        answers = torch.stack([network(images).float().softmax(1) for network in self.networks]).mean(0)  # [B,species]
        return torch.lerp(targets, answers, self.share)

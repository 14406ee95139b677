"""Distillation: finished runs whose networks answer what another one learns.

Hinton, Vinyals, Dean (2015), *Distilling the Knowledge in a Neural Network*. Teachers see the very images that the learner sees,
changed and mixed alike: Beyer et al. (2022), *Knowledge distillation: A good teacher is patient and consistent*.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from models_store.pixels import SIZE
from training.data.split import Split
from training.errors import RunError
from training.fitting import run_folder
from training.fitting.loss import cross_entropy
from training.networks.network import AnySize
from training.recipe import Distillation


class Teachers:
    """The networks of finished runs with their best weights; none for a recipe without distillation."""

    def __init__(self, runs: Sequence[Path], settings: Distillation, species: list[str], split: Split) -> None:
        """Raises RunError where runs and recipe do not go together, or a run is of other species or of another split."""
        if bool(runs) != bool(settings.share or settings.own_share):
            raise RunError(
                "the recipe has no [distillation] share, and --teacher is for those that have"
                if runs
                else "the recipe learns from other networks; name their finished runs: --teacher RUN"
            )
        self.share, self.temperature = settings.share, settings.temperature
        self.own_share = settings.share if settings.own_share is None else settings.own_share
        self.names: list[str] = []
        self.networks: list[nn.Module] = []
        for folder in runs:
            description, network, _ = run_folder.load_best(folder)
            if description.species != species:
                raise RunError(f"{folder} knows other species, {', '.join(description.species)}; it cannot teach these")
            if description.split_digest != split.digest:
                raise RunError(f"{folder} was trained on another split, so it may have seen test images of this one; it cannot teach")
            start = description.recipe.start  # what it had learnt before, such as ImageNet, is handed on too
            self.names.append(run_folder.run_reference(folder, description) + (f" from {start}" if start else ""))
            self.networks.append(AnySize(network, SIZE).eval())

    @torch.no_grad()
    def answers(self, images: Tensor) -> Tensor | None:
        """The teachers' mean probabilities at the recipe's temperature: [B,3,S,S] → float [B,species]; None without teachers."""
        if not self.networks:
            return None
        return torch.stack([(network(images).float() / self.temperature).softmax(1) for network in self.networks]).mean(0)

    def loss(self, outputs: Tensor, answers: Tensor | None, moved: Tensor, from_labels: Tensor) -> Tensor:
        """The mean loss, a share of it the distance from the teachers' `answers`: logits [B,species], losses by labels [B] → scalar.

        `moved`, bool [B], tells whose share is `share` and whose `own_share`. The distance is multiplied by the temperature's square,
        with which gradients shrink (Hinton et al., section 2.1).
        """
        if answers is None:
            return from_labels.mean()
        from_teachers = cross_entropy(outputs / self.temperature, answers) * self.temperature**2  # [B]
        return torch.lerp(from_labels, from_teachers, torch.where(moved, self.share, self.own_share)).mean()

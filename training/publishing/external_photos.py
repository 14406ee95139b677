"""External photos, those in no split: read from a folder of species, and answered by a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models_store.manifest import Familiarity, Species
from training.artifact import answer_figures, thresholds
from training.artifact.thresholds import HeldOutAnswers
from training.data import images as data
from training.data import species
from training.data.images import Images
from training.errors import DataError
from training.evaluation import external
from training.publishing.measured_model import MeasuredModel


@dataclass(frozen=True)
class Photos:
    """A folder that holds one folder for each species, whole or part of a model's own or others."""

    name: str
    images: Images  # labels counted in `truth`
    truth: list[Species]  # as the model describes them, or `species.toml` there, or the table
    held: dict[str, Any]  # of `unseen`

    @property
    def pixels(self) -> Tensor:
        """uint8 [N,3,S,S]."""
        return self.images.pixels

    @property
    def labels(self) -> Tensor:
        """int64 [N], counted in `truth`."""
        return self.images.labels

    def shown(self) -> list[Species]:
        """What is on each photo, [N]."""
        return [self.truth[label] for label in self.labels.tolist()]


def load(name: str, folder: Path, cache: Path | None, model: MeasuredModel) -> Photos:
    """Decode a folder, without the photos that the model has learnt from. Raises DataError."""
    images, held = unseen(model, data.load(folder, cache, least=1), folder)
    own = {one.name: one for one in model.described}
    truth = [own.get(one.name, one) for one in species.describe(images.species, folder)]
    return Photos(name, images, truth, held)


def unseen(model: MeasuredModel, images: Images, folder: Path) -> tuple[Images, dict[str, Any]]:
    """The images that the model has not learnt from, how many those are that it has, and what is not known. Raises DataError for none."""
    provenance = model.provenance(images)
    seen = provenance.learnt.holds(images.records)
    if seen.all():
        raise DataError(f"{model.name} has learnt from all images in {folder}; figures on them would say nothing about other photos")
    return images.only((~seen).nonzero()[0].tolist()), {"left_out": int(seen.sum()), "unknown_origins": [*provenance.unknown]}


def ask(
    model: MeasuredModel, familiarity: Familiarity | None, name: str, pixels: Tensor, truth: list[Species], promise: float
) -> tuple[HeldOutAnswers, Tensor | None]:
    """Answers to pixels uint8 [N,3,S,S] that show `truth`, and the distances float [N] where the model measures them."""
    probabilities, distances = model.answers(pixels)
    familiar = None if distances is None or familiarity is None else distances <= familiarity.limit
    return thresholds.held_out(name, probabilities, truth, familiar, promise), distances


def figures(model: MeasuredModel, photos: Photos, asked: HeldOutAnswers) -> dict[str, Any]:
    """`external.figures` of answers to photos; of a calibrated model with what they are worth that can be relied upon."""
    calibration = model.calibration
    tells = calibration is not None and calibration.familiarity is not None
    found = external.figures(
        model.species,
        [one.name for one in photos.truth],
        photos.labels,
        torch.tensor(asked.probabilities),
        None if calibration is None else calibration.confident_from,
        torch.tensor(asked.familiar) if tells else None,
    )
    if calibration is not None:
        found["answers"] = answer_figures.figures(model.described, calibration, asked).model_dump(mode="json")
    return found | photos.held

"""Answers to images by networks that have not learnt from them, one for each fold of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.data.images import Images
from training.errors import RunError
from training.evaluation import predictions
from training.fitting import folds, provenance, run_folder
from training.networks.network import Network


@dataclass(frozen=True)
class OutOfFold:
    """Answers to the images of train and validation."""

    folds: int
    logits: Tensor  # float32 [N,species]
    labels: Tensor  # int64 [N]


def answers(folder: Path, images: Images, form: Callable[[Network], Network]) -> OutOfFold | None:
    """Of the folds of the run in `folder`, in the `form` that is published; None where it has none.

    The published network is none of them. It learns by the same recipe from about as many of the same images. Raises RunError where
    a fold is unfinished or of another recipe, DataError where these are not its images.
    """
    wanted = run_folder.read_description(folder).recipe
    found = folds.find(folder)
    logits, labels = [], []
    for fold in found:
        description, network, _ = run_folder.load_best(fold)
        if description.recipe != wanted:
            raise RunError(f"{fold} was trained by another recipe than {folder}; remove it, or train both anew")
        rows = provenance.split_of(images, description, provenance.of_run(fold, description, images).learnt).validation
        logits.append(predictions.logits(form(network), images.pixels[rows]))
        labels.append(images.labels[rows])
    return OutOfFold(len(found), torch.cat(logits), torch.cat(labels)) if found else None

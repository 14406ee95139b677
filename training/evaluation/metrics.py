"""What is measured of a model's answers on a split."""

import torch
from torch import Tensor
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

from models_store.manifest import Figures, SpeciesFigures

ECE_BINS = 15


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """Share of right answers: the report's own measure. probabilities [N,species], labels int64 [N]."""
    metric = MulticlassAccuracy(probabilities.shape[1], average="micro")
    return float(metric(probabilities, labels))


def macro_f1(probabilities: Tensor, labels: Tensor) -> float:
    """Mean F1 over the species: the small ones count as much as the large ones."""
    metric = MulticlassF1Score(probabilities.shape[1], average="macro")
    return float(metric(probabilities, labels))


def figures(split: str, species: list[str], probabilities: Tensor, labels: Tensor) -> Figures:
    """All figures of one split. probabilities float [N,species], labels int64 [N]."""
    k = len(species)
    per_species = [
        metric(probabilities, labels).tolist()
        for metric in (
            MulticlassPrecision(k, average=None),
            MulticlassRecall(k, average=None),
            MulticlassF1Score(k, average=None),
        )
    ]
    counts = torch.bincount(labels, minlength=k).tolist()
    rows = zip(species, *per_species, counts, strict=True)
    return Figures(
        split=split,
        n=len(labels),
        accuracy=accuracy(probabilities, labels),
        macro_f1=macro_f1(probabilities, labels),
        ece=float(MulticlassCalibrationError(k, n_bins=ECE_BINS, norm="l1")(probabilities, labels)),
        per_species={name: SpeciesFigures(precision=p, recall=r, f1=f1, n=n) for name, p, r, f1, n in rows},
        confusion=MulticlassConfusionMatrix(k)(probabilities, labels).tolist(),
    )

"""What is measured of a model's answers: on a split, and how well its distances tell pictures of anything else."""

import torch
from torch import Tensor

from models_store.manifest import Figures, SpeciesFigures

ECE_BINS = 15


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """Share of right answers: the report's own measure. probabilities [N,species], labels int64 [N]."""
    return float((probabilities.argmax(1) == labels).float().mean())


def macro_f1(probabilities: Tensor, labels: Tensor) -> float:
    """Mean F1 over the species that are shown or answered: the small ones count as much as the large ones."""
    counts = confusion(probabilities, labels)
    shown_or_answered = (counts.sum(1) + counts.sum(0)) > 0
    weights = shown_or_answered.float() / shown_or_answered.sum()
    return float((_precision_recall_f1(counts)[2] * weights).sum())


def confusion(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Answers counted, int64 [species,species]: a row for each species that is shown, a column for each that is answered."""
    k = probabilities.shape[1]
    return torch.bincount(labels * k + probabilities.argmax(1), minlength=k * k).reshape(k, k)


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Expected calibration error (Naeini et al., 2015), over `ECE_BINS` bins of the highest probability, which are equally wide."""
    confidences, answers = probabilities.max(1)
    places = torch.bucketize(confidences, torch.linspace(0, 1, ECE_BINS + 1), right=True) - 1

    def summed(values: Tensor) -> Tensor:
        return torch.zeros(ECE_BINS + 1).scatter_add_(0, places, values)

    n = summed(torch.ones_like(confidences))
    apart = summed((answers == labels).float()) / n - summed(confidences) / n
    return float((apart.nan_to_num().abs() * (n / n.sum())).sum())


def auroc(known: Tensor, strange: Tensor) -> float:
    """Area under the receiver operating characteristic: how often a strange picture's distance [M] exceeds a known one's [N].

    A tie counts half.
    """
    ranked = known.sort().values
    below, not_above = torch.searchsorted(ranked, strange), torch.searchsorted(ranked, strange, right=True)
    return float((below + not_above).double().mean() / (2 * len(ranked)))


def figures(split: str, species: list[str], probabilities: Tensor, labels: Tensor) -> Figures:
    """All figures of one split. probabilities float [N,species], labels int64 [N]."""
    counts = confusion(probabilities, labels)
    measured = (values.tolist() for values in _precision_recall_f1(counts))
    rows = zip(species, *measured, counts.sum(1).tolist(), strict=True)
    return Figures(
        split=split,
        n=len(labels),
        accuracy=accuracy(probabilities, labels),
        macro_f1=macro_f1(probabilities, labels),
        ece=calibration_error(probabilities, labels),
        per_species={name: SpeciesFigures(precision=p, recall=r, f1=f1, n=n) for name, p, r, f1, n in rows},
        confusion=counts.tolist(),
    )


def _precision_recall_f1(counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each species, float32 [species]; 0 where nothing was there to be right."""
    right, shown, answered = counts.diagonal(), counts.sum(1), counts.sum(0)
    return _share(right, answered), _share(right, shown), _share(2 * right, shown + answered)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part.float() / whole.clamp(min=1), 0.0)

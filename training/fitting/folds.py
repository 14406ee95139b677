"""Cross-validation: the images of train and validation in folds, a network for each that learns from the others.

Each image is so answered by a network that has not learnt from it. The folders lie in that of the run, `fold-1` and so on.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from training.artifact import binomial
from training.errors import RunError
from training.fitting import early_stopping, run_folder


@dataclass(frozen=True)
class Fold:
    """What one network answers of the images that it did not learn from."""

    right: int
    n: int


def folder(of: Path, number: int) -> Path:
    """Where fold 1… of a run lies."""
    return of / f"fold-{number}"


def find(of: Path) -> list[Path]:
    """The finished folds of a run, in order; none where it has none. Raises RunError where some are missing or unfinished."""
    first = folder(of, 1)
    if not first.exists():
        return []
    fold = run_folder.read_description(first).fold
    if fold is None:
        raise RunError(f"{first} is a run, but no fold; move it elsewhere")
    found = [folder(of, number) for number in range(1, fold[1] + 1)]
    for number, one in enumerate(found, 1):
        if not one.exists() or not run_folder.is_finished(one, run_folder.read_description(one)):
            raise RunError(
                f"fold {number} of {fold[1]} of {of} is not finished; start 'python -m training fit --folds {fold[1]}' with it again"
            )
    return found


def results(of: Path) -> list[Fold]:
    """Of each fold's best epoch. Raises RunError."""
    made = []
    for one in find(of):
        description = run_folder.read_description(one)
        best = early_stopping.best_epoch(run_folder.read_metrics(one), description.recipe.best_by)
        n = description.images["validation"]
        made.append(Fold(round(best["validation_accuracy"] * n), n))
    return made


def text(found: list[Fold]) -> str:
    """Mean and spread over the folds, and the accuracy over all images with its interval."""
    shares = [one.right / one.n for one in found]
    right, n = sum(one.right for one in found), sum(one.n for one in found)
    low, high = binomial.interval(right, n)
    return (
        f"{len(found)} folds: accuracy {mean(shares):.1%} ± {stdev(shares):.1%} (mean and standard deviation);"
        f" of all {n} images {right} are answered rightly by a network that has not learnt from them,"
        f" {right / n:.1%} (95%: {low:.1%} to {high:.1%})"
    )

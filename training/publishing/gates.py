"""What a network must show before it is published."""

from torch import Tensor

from training.artifact import binomial
from training.errors import RunError


def check_better_than_guessing(probabilities: Tensor, labels: Tensor, species: list[str]) -> None:
    """Refuse a network whose validation answers cannot be told from guessing.

    probabilities float [N,species], labels int64 [N]. Guessing is one answer for all images, the most frequent species. A
    network passes when it is right so often that guessing would be in at most 5% of cases (exact binomial test), or always.
    Raises RunError.
    """
    n, right = len(labels), int((probabilities.argmax(1) == labels).sum())
    counts = labels.bincount(minlength=len(species))
    chance = float(counts.max()) / n
    if right == n or binomial.chance_of_at_least(right, n, chance) <= 1 - binomial.CERTAINTY:
        return
    raise RunError(
        f"{right} of {n} validation images are answered rightly ({right / n:.0%}), which cannot be told from always answering"
        f" {species[int(counts.argmax())]} ({chance:.0%}). Nothing was published: train longer, by another recipe, or with more images"
    )

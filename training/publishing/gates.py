"""What a network must show before it is published, and what is said of one that is published all the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from models_store.manifest import Figures
from training.artifact import binomial
from training.data.images import Images
from training.data.split import Split
from training.errors import RunError

FEW_TO_LEARN_FROM = 20  # images of a species
FEW_TO_TEST_ON = 100  # images; the 95% interval of 90% right answers is then 12 points wide
_NAMED = 5  # species that are told by name


@dataclass(frozen=True)
class Verdict:
    """What is said of a model that may be published."""

    said: list[str]  # for the card, one sentence each
    forced: str | None = None  # what spoke against it, had it not been forced


def guessing(right: int, labels: Tensor, species: list[str], part: str = "validation") -> str | None:
    """Why `right` answers to images of a part, of `labels` int64 [N], cannot be told from guessing; None where they can.

    Guessing is one answer for all images, the most frequent species. Answers pass when so many are right that guessing would give
    that in at most 5% of cases (exact binomial test), or all of them.
    """
    n, counts = len(labels), labels.bincount(minlength=len(species))
    chance = float(counts.max()) / n
    if right == n or binomial.chance_of_at_least(right, n, chance) <= 1 - binomial.CERTAINTY:
        return None
    return (
        f"{right} of {n} {part} images are answered rightly ({right / n:.0%}), which cannot be told from always answering"
        f" {species[int(counts.argmax())]} ({chance:.0%})"
    )


def check_better_than_guessing(
    probabilities: Tensor, labels: Tensor, species: list[str], force: bool = False, part: str = "validation"
) -> str | None:
    """Refuse a network whose answers to one part of the images cannot be told from guessing.

    probabilities float [N,species], labels int64 [N]. With `force` nothing is refused, and what would have been said is returned.
    Raises RunError.
    """
    found = guessing(int((probabilities.argmax(1) == labels).sum()), labels, species, part)
    if found and not force:
        raise RunError(
            f"{found}. Nothing was published: train longer, by another recipe, or with more images; --force publishes it all the same"
        )
    return found


def few_images(images: Images, split: Split, figures: Figures) -> list[str]:
    """What to say where there are few images to learn from, or few that figures are of."""
    said = []
    counts = images.labels[sorted(set(split.train))].bincount(minlength=len(images.species)).tolist()
    few = [f"{name} ({n})" for name, n in zip(images.species, counts, strict=True) if n < FEW_TO_LEARN_FROM]
    if few:
        said.append(f"fewer than {FEW_TO_LEARN_FROM} images to learn from: {_some(few)}; more photos are the surest way to a better model")
    if figures.n < FEW_TO_TEST_ON:
        low, high = binomial.of_accuracy(figures.accuracy, figures.n)
        said.append(f"{figures.n} {figures.split} images are few: its accuracy lies somewhere between {low:.0%} and {high:.0%}")
    return said


def overlap(split: Split, unknown: Sequence[str]) -> list[str]:
    """What to say where earlier weights have, or may have, learnt from images that are measured on."""
    said = [
        f"{n} of the {part} images were learnt from, here or by the weights that training began with; they are left out of all figures"
        for part, n in split.left_out.items()
    ]
    if unknown:
        said.append(f"what {' and '.join(unknown)} had learnt from is not known, so its figures may be too good")
    return said


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")

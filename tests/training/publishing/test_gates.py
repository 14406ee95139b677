import pytest
import torch

from training.errors import RunError
from training.publishing import gates

SPECIES = [f"species {label}" for label in range(12)]
LABELS = torch.arange(26) % 12  # two of the species thrice, the others twice


def answers(right, labels):
    """One-hot answers, the first `right` of them right."""
    given = torch.where(torch.arange(len(labels)) < right, labels, (labels + 1) % 12)
    return torch.nn.functional.one_hot(given, 12).float()


@pytest.mark.parametrize("right", [0, 3, 4, 6])
def test_what_may_be_guessing_is_refused(right):
    with pytest.raises(
        RunError, match=rf"^{right} of 26 validation images .* always answering species 0 \(12%\). Nothing was published: train"
    ):
        gates.check_better_than_guessing(answers(right, LABELS), LABELS, SPECIES)


@pytest.mark.parametrize("right", [7, 26])
def test_what_guessing_hardly_reaches_passes(right):
    # Of 26 answers, each right with the chance 3/26, 7 or more are right in 2.7% of cases, 6 or more in 7.4%.
    gates.check_better_than_guessing(answers(right, LABELS), LABELS, SPECIES)


def test_a_handful_all_answered_rightly_passes():
    labels = torch.tensor([0, 1])
    gates.check_better_than_guessing(answers(2, labels), labels, SPECIES)


def test_a_network_that_always_names_the_most_frequent_species_is_refused():
    labels = torch.tensor([0] * 300 + [1] * 200)
    with pytest.raises(RunError, match="60%"):
        gates.check_better_than_guessing(torch.eye(12)[torch.zeros(500, dtype=torch.int64)], labels, SPECIES)

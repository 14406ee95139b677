from dataclasses import replace

import pytest
import torch

from models_store.manifest import Figures
from training.artifact import binomial
from training.data.split import Split
from training.errors import RunError
from training.publishing import gates

SPECIES = [f"species {label}" for label in range(12)]
LABELS = torch.arange(26) % 12  # two of the species thrice, the others twice


def of(n, accuracy, part="test"):
    """Figures of n images."""
    return Figures(split=part, n=n, accuracy=accuracy, macro_f1=0, ece=0, per_species={}, confusion=[])


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


def test_by_force_it_passes_and_is_told_why():
    assert "cannot be told" in gates.check_better_than_guessing(answers(3, LABELS), LABELS, SPECIES, force=True)
    assert gates.check_better_than_guessing(answers(26, LABELS), LABELS, SPECIES, force=True) is None


def test_few_images_are_said_by_name(images, parts):
    counts = images.labels[parts.train].bincount().tolist()
    learn, test = gates.few_images(images, parts, of(8, 0.75))
    low, high = binomial.interval(6, 8)
    assert learn.startswith(f"fewer than 20 images to learn from: {images.species[0]} ({counts[0]}), ")
    assert test == f"8 test images are few: its accuracy lies somewhere between {low:.0%} and {high:.0%}"
    more = replace(images, labels=images.labels.repeat(20))
    rows = list(range(len(more.labels)))
    assert gates.few_images(more, Split(rows, [], rows, parts.digest), of(720, 0.9)) == []
    assert gates.few_images(images, Split(parts.train * 20, [], rows, parts.digest), of(720, 0.9)) == [learn]  # the same ones again


def test_an_overlap_is_said(parts):
    assert gates.overlap(parts, []) == []
    told = gates.overlap(replace(parts, left_out={"test": 3}), ["old/1"])
    assert told[0].startswith("3 of the test images were learnt from")
    assert told[1] == "what old/1 had learnt from is not known, so its figures may be too good"


def test_a_handful_all_answered_rightly_passes():
    labels = torch.tensor([0, 1])
    gates.check_better_than_guessing(answers(2, labels), labels, SPECIES)


def test_a_network_that_always_names_the_most_frequent_species_is_refused():
    labels = torch.tensor([0] * 300 + [1] * 200)
    with pytest.raises(RunError, match="60%"):
        gates.check_better_than_guessing(torch.eye(12)[torch.zeros(500, dtype=torch.int64)], labels, SPECIES)

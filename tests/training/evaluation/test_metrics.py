"""Figures against values by hand and against scikit-learn."""

import numpy as np
import pytest
import torch

from training.evaluation import metrics

SPECIES = ["Maize", "Charlock", "Cleavers"]
# Five answers by hand: labels 0 0 1 1 2, answers 0 1 1 1 0.
PROBABILITIES = torch.tensor([[0.95, 0.03, 0.02], [0.30, 0.62, 0.08], [0.01, 0.98, 0.01], [0.10, 0.82, 0.08], [0.62, 0.10, 0.28]])
LABELS = torch.tensor([0, 0, 1, 1, 2])


def test_by_hand():
    found = metrics.figures("test", SPECIES, PROBABILITIES, LABELS)
    assert (found.split, found.n) == ("test", 5)
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.confusion == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]  # rows: species, columns: answers
    maize, charlock, cleavers = (found.per_species[name] for name in SPECIES)
    assert (maize.precision, maize.recall, maize.f1, maize.n) == pytest.approx((1 / 2, 1 / 2, 1 / 2, 2))
    assert (charlock.precision, charlock.recall, charlock.f1, charlock.n) == pytest.approx((2 / 3, 1, 0.8, 2))
    assert (cleavers.precision, cleavers.recall, cleavers.f1, cleavers.n) == (0, 0, 0, 1)
    assert found.macro_f1 == pytest.approx((0.5 + 0.8 + 0) / 3)
    # Bins of 1/15: 0.62 twice, none right; 0.82; 0.95 and 0.98, of which both are right.
    assert found.ece == pytest.approx((2 * 0.62 + 1 * (1 - 0.82) + 2 * (1 - 0.965)) / 5)


@pytest.mark.parametrize("seed", [0, 1])
def test_against_scikit_learn(seed):
    from sklearn import metrics as others  # a second, in this process alone

    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 12, (800,), generator=random)
    logits = torch.randn(800, 12, generator=random) + 2 * torch.eye(12)[labels]
    probabilities = logits.softmax(1)
    answers = probabilities.argmax(1)
    found = metrics.figures("test", [str(label) for label in range(12)], probabilities, labels)
    assert found.accuracy == pytest.approx(others.accuracy_score(labels, answers))
    assert found.macro_f1 == pytest.approx(others.f1_score(labels, answers, average="macro"))
    assert found.confusion == others.confusion_matrix(labels, answers).tolist()
    theirs = others.precision_recall_fscore_support(labels, answers)
    ours = [[getattr(row, name) for row in found.per_species.values()] for name in ("precision", "recall", "f1", "n")]
    assert np.array(ours) == pytest.approx(np.array(theirs))


def test_calibration_error_against_its_definition():
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (1000,), generator=random)
    probabilities = (2 * torch.randn(1000, 5, generator=random) + 2 * torch.eye(5)[labels]).softmax(1)
    highest, answers = probabilities.max(1)
    right = (answers == labels).double()
    error = 0.0
    for number in range(metrics.ECE_BINS):
        within = (highest > number / metrics.ECE_BINS) & (highest <= (number + 1) / metrics.ECE_BINS)
        if within.any():
            error += float(within.double().mean() * (right[within].mean() - highest[within].double().mean()).abs())
    assert metrics.figures("test", list("abcde"), probabilities, labels).ece == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("digits", [0, 3])  # rounded, most distances are tied
def test_auroc_against_scikit_learn(digits):
    from sklearn import metrics as others  # a second, in this process alone

    random = torch.Generator().manual_seed(0)
    known, strange = (100 + 30 * torch.randn(400, generator=random)).round(decimals=digits), 130 + 40 * torch.randn(60, generator=random)
    strange = strange.round(decimals=digits)
    theirs = others.roc_auc_score([0] * len(known) + [1] * len(strange), torch.cat([known, strange]))
    assert metrics.auroc(known, strange) == pytest.approx(theirs, abs=1e-9)
    assert metrics.auroc(torch.tensor([1.0, 2.0]), torch.tensor([2.0])) == 0.75


def test_a_species_neither_shown_nor_answered_does_not_count():
    probabilities = torch.cat([PROBABILITIES, torch.zeros(5, 1)], 1)
    assert metrics.macro_f1(probabilities, LABELS) == pytest.approx(1.3 / 3)
    assert metrics.figures("test", [*SPECIES, "Nettle"], probabilities, LABELS).per_species["Nettle"].f1 == 0


def test_macro_f1_leaves_out_no_species():
    assert metrics.macro_f1(PROBABILITIES, LABELS) == pytest.approx(1.3 / 3)
    assert metrics.accuracy(PROBABILITIES, LABELS) == pytest.approx(0.6)

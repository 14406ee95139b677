"""Figures on photos in no split, by hand."""

import pytest
import torch

from training.evaluation import external

SPECIES = ["Charlock", "Maize", "Sugar beet"]
ANSWERS = torch.tensor([[0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.9, 0.05, 0.05], [0.1, 0.1, 0.8], [0.0, 0.05, 0.95]])
LABELS = torch.tensor([0, 0, 0, 1, 1])  # three of Maize, two of a species that the model does not know


def test_by_hand():
    familiar = torch.tensor([True, False, True, True, False])
    found = external.figures(SPECIES, ["Maize", "Nettle"], LABELS, ANSWERS, 0.75, familiar)
    maize, nettle = found["per_species"]["Maize"], found["per_species"]["Nettle"]
    assert maize == {
        "n": 3,
        "accuracy": 2 / 3,
        "familiar": 2 / 3,
        "confident": 2 / 3,
        "confident_accuracy": 1 / 2,
        "taken_for": {"Maize": 2, "Charlock": 1},
    }
    assert nettle == {
        "n": 2,
        "accuracy": None,
        "familiar": 1 / 2,
        "confident": 1 / 2,
        "confident_accuracy": 0.0,
        "taken_for": {"Sugar beet": 2},
    }
    assert found["n"] == 5
    assert found["accuracy_interval"] == pytest.approx((0.0943, 0.9916), abs=1e-4)  # of 2 of 3, as in any table
    assert found["accuracy"] == 2 / 3  # of the photos whose species it knows
    assert found["confident"] == 3 / 5
    assert found["confident_accuracy"] == 1 / 3


def test_a_run_has_no_threshold_and_no_limit():
    found = external.figures(SPECIES, ["Maize", "Nettle"], LABELS, ANSWERS)
    assert set(found) == {"n", "accuracy", "accuracy_interval", "per_species"}
    assert external.figures(SPECIES, ["Nettle"], torch.zeros(5, dtype=torch.int64), ANSWERS)["accuracy_interval"] is None


def test_the_table():
    lines = external.text(
        "seedlings/3 on field", SPECIES, external.figures(SPECIES, ["Maize", "Nettle"], LABELS, ANSWERS, 0.85)
    ).splitlines()
    assert lines[1].split() == ["Maize", "3", "66.7%", "–", "33.3%", "Maize", "2,", "Charlock", "1"]
    assert lines[2].split() == ["Nettle", "2", "–", "–", "50.0%", "Sugar", "beet", "2"]
    assert lines[-1] == "seedlings/3 on field; of the confident answers 0.0% are right"
    assert lines[-3] == "no answer to Nettle can be right: the model knows Charlock, Maize, Sugar beet"


def test_a_folder_without_photos_has_no_shares():
    """All of them were left out."""
    familiar = torch.ones(2, dtype=torch.bool)
    found = external.figures(SPECIES, ["Charlock", "Maize"], torch.tensor([1, 1]), ANSWERS[:2], 0.75, familiar)
    assert found["per_species"]["Charlock"] == {
        "n": 0,
        "accuracy": None,
        "familiar": None,
        "confident": None,
        "confident_accuracy": None,
        "taken_for": {},
    }
    text = external.text("seedlings/3 on field", SPECIES, found)
    assert text.splitlines()[1].split() == ["Charlock", "0", "–", "–", "–"]
    assert "no answer to" not in text

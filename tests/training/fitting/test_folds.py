"""Folds of a run."""

import shutil

import pytest

from training.errors import RunError
from training.fitting import folds


def test_mean_spread_and_interval():
    # 0.9 and 0.7: mean 0.8, standard deviation √0.02; 16 of 20, Clopper-Pearson 56.3% to 94.3%.
    assert folds.text([folds.Fold(9, 10), folds.Fold(7, 10)]) == (
        "2 folds: accuracy 80.0% ± 14.1% (mean and standard deviation); of all 20 images 16 are answered rightly by a network that has not"
        " learnt from them, 80.0% (95%: 56.3% to 94.3%)"
    )


def test_a_run_without_folds_has_none(learnt):
    assert folds.find(learnt) == []


def test_another_run_in_its_place_is_named(learnt, tmp_path):
    shutil.copytree(learnt, tmp_path / "fold-1")
    with pytest.raises(RunError, match="fold-1 is a run, but no fold"):
        folds.find(tmp_path)

"""The page of one's own runs."""

import shutil

import pytest
from PIL import Image

from tests.training.experiments.report.reader import Reader
from training.errors import DataError, RunError
from training.experiments.report import own_runs
from training.fitting import folds
from training.fitting.loop import fit


@pytest.fixture(scope="module")
def brief(fabric, images, parts, tmp_path_factory):
    """A run of one epoch."""
    from training.recipe import Recipe

    folder = tmp_path_factory.mktemp("brief") / "brief <i>"
    fit(fabric, Recipe(network="tiny", epochs=1, batch_size=8), "mine", images, parts, folder)
    return folder


def test_one_run(images, learnt, tmp_path):
    file = own_runs.build([learnt], images, "validation", tmp_path / "page")
    read = Reader(file.read_text())
    assert {path.name for path in file.parent.iterdir()} == {"index.html", *read.pictures}
    assert {"loss.png", "accuracy.png", "confusion.png", "reliability.png", "least-sure.png", "saliency.png"} <= set(read.pictures)
    for name in read.pictures:
        with Image.open(file.parent / name) as picture:
            assert picture.width > 800
    assert "95% interval of the recall" in read.text
    assert "tensorboard --logdir" in read.text
    assert "The test images are kept for the end" in read.text
    assert "only the run right" not in read.text


@pytest.mark.slow
def test_several_runs_are_compared(images, learnt, brief, tmp_path):
    file = own_runs.build([brief, learnt], images, "test", tmp_path / "page")
    read = Reader(file.read_text())
    assert "of run, the best of them on these images" in read.text
    assert "only the run right" in read.text
    assert "<i>" not in file.read_text()
    assert "has none left that tell the truth" in read.text


def test_a_run_with_folds_says_whose_answers_are_shown(images, learnt, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(folds, "results", lambda of: [folds.Fold(3, 4), folds.Fold(4, 4)])
    read = Reader(own_runs.build([learnt], images, "validation", tmp_path / "page").read_text())
    assert "2 folds: accuracy 87.5%" in read.text
    assert f"show the answers of the run's own network to {len(parts.rows('validation'))} validation images" in read.text


def test_names_of_runs(learnt, images, tmp_path):
    twin = shutil.copytree(learnt, tmp_path / "elsewhere" / learnt.name)
    read = Reader(own_runs.build([learnt, twin], images, "validation", tmp_path / "page").read_text())
    assert f"elsewhere/{learnt.name}" in read.text
    assert "<td>100%</td>" in (tmp_path / "page" / "index.html").read_text()  # equal runs differ by nothing
    with pytest.raises(DataError, match="given twice"):
        own_runs.build([learnt, learnt], images, "validation", tmp_path / "page")


def test_what_is_no_run_is_named(images, tmp_path):
    with pytest.raises(RunError, match="is no run"):
        own_runs.build([tmp_path], images, "validation", tmp_path / "page")

"""Results of runs, as small files."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from training import networks
from training.data.images import Images
from training.errors import DataError, RunError
from training.evaluation import metrics, predictions
from training.experiments import results
from training.fitting import run_folder

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "results"


@pytest.fixture(scope="module")
def recorded(learnt, images, tmp_path_factory):
    """The result of a run, and the folder that it is kept in."""
    folder = tmp_path_factory.mktemp("results")
    return results.record(learnt, images, folder), folder


def test_what_is_kept_in_the_repository_is_read():
    """Some of it was written by release 0.1, under its names."""
    kept = results.read(KEPT)
    assert [f"{one.name}.json" for one in kept] == sorted(file.name for file in (KEPT / results.RUNS).iterdir())
    of_0_1 = results.find(KEPT, "comparison.base.0")
    assert "test_views" in json.loads((KEPT / results.RUNS / "comparison.base.0.json").read_text())
    assert (of_0_1.recipe.schedule.name, of_0_1.test.n, of_0_1.test_tta.n) == ("warmup-cosine", 816, 816)
    table = list(csv.DictReader((KEPT / results.TABLE).read_text().splitlines()))
    assert {(row["recipe"], row["network"], int(row["seed"])) for row in table} == {
        (one.recipe_name, one.recipe.network, one.recipe.seed) for one in kept
    }


def test_a_result_holds_the_figures_of_the_test_images(recorded, learnt, images, parts):
    one, folder = recorded
    _, network, epoch = run_folder.load_best(learnt)
    answers = predictions.logits(network, images.pixels[parts.test]).softmax(1)
    assert one.test == metrics.figures("test", images.species, answers, images.labels[parts.test])
    assert one.best_epoch == epoch
    assert one.validation_accuracy == max(row["validation_accuracy"] for row in one.epochs)
    assert one.parameters == networks.parameters(network)
    assert one.test_tta.n == len(parts.test)
    assert results.find(folder, one.name) == one
    assert results.find(folder, "other.tiny.0") is None


def test_a_run_of_release_0_1_is_recorded(recorded, learnt, images, tmp_path):
    """Its description has the names of then, and nothing tells what it has learnt from but its split."""
    of_0_1 = shutil.copytree(learnt, tmp_path / "run")
    (of_0_1 / "learnt.npy").unlink()
    description = json.loads((of_0_1 / run_folder.DESCRIPTION).read_text())
    del description["finished"]
    description["grounds"] = description.pop("backgrounds")
    description["recipe"]["schedule"]["name"] = "one-cycle"
    description["recipe"]["augment"]["ground"] = description["recipe"]["augment"].pop("background")
    (of_0_1 / run_folder.DESCRIPTION).write_text(json.dumps(description))
    found = results.record(of_0_1, images, tmp_path / "results")
    assert found.recipe.schedule.name == "warmup-cosine"
    assert (found.test, found.epochs, found.backgrounds) == (recorded[0].test, recorded[0].epochs, recorded[0].backgrounds)


def test_the_table_has_one_line_a_run(recorded):
    one, folder = recorded
    (row,) = csv.DictReader((folder / results.TABLE).read_text().splitlines())
    assert (row["recipe"], row["network"], row["best_epoch"]) == ("test", "tiny", str(one.best_epoch))
    assert float(row["test_accuracy"]) == pytest.approx(one.test.accuracy, abs=1e-4)


def test_a_result_says_nothing_of_folders(recorded, learnt):
    _, folder = recorded
    assert str(learnt.parent) not in (folder / results.RUNS / "test.tiny.0.json").read_text()


def test_other_images_are_refused(learnt, images, tmp_path):
    fewer = Images(images.species, images.files[:-1], images.pixels[:-1], images.labels[:-1], images.digests[:-1])
    with pytest.raises(DataError, match="not the images of the training"):
        results.record(learnt, fewer, tmp_path)


def test_an_unfinished_run_and_a_mean_are_refused(learnt, images, tmp_path):
    copy = shutil.copytree(learnt, tmp_path / "run")
    run_folder.write_metrics(copy, run_folder.read_metrics(copy)[:2])
    described = run_folder.read_description(copy)
    (copy / run_folder.DESCRIPTION).write_text(described.model_copy(update={"finished": False}).model_dump_json())
    with pytest.raises(RunError, match="finished 2 of 20 epochs"):
        results.record(copy, images, tmp_path / "results")
    mean = run_folder.read_description(copy).model_copy(update={"averaged": ["one", "two"]})
    (copy / run_folder.DESCRIPTION).write_text(mean.model_dump_json())
    with pytest.raises(RunError, match="is a mean of runs"):
        results.record(copy, images, tmp_path / "results")


@pytest.mark.parametrize("kept", [slice(0, 0), slice(0, 19), slice(1, 20)], ids=["none", "without the last", "without the first"])
def test_a_finished_run_without_all_its_rows_is_refused(learnt, images, tmp_path, kept):
    copy = shutil.copytree(learnt, tmp_path / "run")
    header, *rows = (copy / run_folder.METRICS).read_text().splitlines()
    (copy / run_folder.METRICS).write_text("\n".join([header, *rows[kept], ""]))
    with pytest.raises(RunError, match=r"metrics\.csv lacks epochs of a run that run\.json calls finished; copy the run's folder"):
        results.record(copy, images, tmp_path / "results")


def test_a_damaged_result_is_named(recorded, tmp_path):
    shutil.copytree(recorded[1] / results.RUNS, tmp_path / results.RUNS)
    (tmp_path / results.RUNS / "test.tiny.0.json").write_text('{"recipe_name": "test"}')
    with pytest.raises(RunError, match=r"test\.tiny\.0\.json cannot be read .*; remove it and record the run again"):
        results.read(tmp_path)

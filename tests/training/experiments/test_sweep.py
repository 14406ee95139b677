"""A smaller run of each recipe; results that survive an interruption."""

import csv
import shutil

import pytest

from training import recipe as recipes
from training.errors import RecipeError, RunError
from training.experiments import results, sweep
from training.experiments.sweep import SweepEntry
from training.fitting import loop as fitting
from training.fitting import plant_view_segmenter, run_folder

RECIPE = 'network = "tiny"\nepochs = 3\nbatch_size = 8\n'


@pytest.fixture
def entries(tmp_path):
    (tmp_path / "one.toml").write_text(RECIPE)
    (tmp_path / "two.toml").write_text(RECIPE + "label_smoothing = 0.0\n")
    return [SweepEntry(str(tmp_path / "one.toml"), "as it is"), SweepEntry(str(tmp_path / "two.toml"), "no smoothing", against="one")]


@pytest.fixture
def swept(fabric, images, tmp_path):
    """Sweep into the test's own folders."""
    return lambda entries, seeds=(0,): sweep.sweep(fabric, entries, seeds, images, tmp_path / "runs", tmp_path / "results")


NAMES = sorted(file.stem for file in recipes.FOLDER.glob("*.toml"))
WITH_A_SEGMENTER = ("field", "plant")  # which is trained, too


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] if name in WITH_A_SEGMENTER else []) for name in NAMES])
def test_every_recipe_trains(name, fabric, images, parts, tmp_path):
    def small(name, folder, teachers=()):
        recipe = recipes.load(name, network="tiny", start="", frozen=0.0, fixed_norms=False, epochs=1)
        cut = None
        if recipe.plant_view != "off":
            cut = tmp_path / "segmenter.pt"
            plant_view_segmenter.train(images.pixels[parts.train], images.pixels[parts.validation], None, [], steps=1, seed=0, out=cut)
        return fitting.fit(fabric, recipe, name, images, parts, tmp_path / folder, teachers, (), cut)

    teachers = []
    if recipes.load(name).distillation.share:
        small("teacher", "teacher")
        teachers = [tmp_path / "teacher"]
    assert len(small(name, "run", teachers)) == 1


@pytest.mark.parametrize("entry", [entry for entry in sweep.SWEEPS["ablation"] if entry.against], ids=lambda entry: entry.key)
def test_an_entry_differs_from_the_one_before_by_what_it_says(entry):
    (against,) = sweep.choose("ablation", [entry.against])
    before, after = (one.load(seed=0).model_dump() for one in (against, entry))
    changed = {key for key in after if before[key] != after[key]}
    several = {"base": {"optimizer", "label_smoothing", "ema_decay"}, "seedlings": {"epochs", "ema_decay"}}
    assert changed == several.get(entry.key, changed)
    assert len(changed) == 1 or entry.key in several, changed


def test_one_result_for_each_recipe_and_seed(swept, entries, tmp_path, parts):
    swept(entries, seeds=(0, 1))
    assert [one.name for one in results.read(tmp_path / "results")] == ["one.tiny.0", "one.tiny.1", "two.tiny.0", "two.tiny.1"]
    one = results.find(tmp_path / "results", "two.tiny.1")
    assert one.recipe.seed == 1
    assert len(one.epochs) == 3
    assert one.test.n == len(parts.test)
    assert one.validation_accuracy == max(row["validation_accuracy"] for row in one.epochs)
    rows = list(csv.DictReader((tmp_path / "results" / "runs.csv").read_text().splitlines()))
    assert [row["recipe"] for row in rows] == ["one", "one", "two", "two"]
    assert str(tmp_path) not in (tmp_path / "results" / "runs" / "one.tiny.0.json").read_text()


def test_checkpoints_go_and_best_weights_stay(swept, entries, tmp_path):
    swept(entries[:1])
    assert not (tmp_path / "runs" / "one.tiny.0" / run_folder.LAST).exists()
    assert (tmp_path / "runs" / "one.tiny.0" / run_folder.BEST).exists()


def test_it_goes_on_where_it_was_interrupted(swept, entries, tmp_path, monkeypatch):
    def interrupted(*arguments):
        record(*arguments)
        raise KeyboardInterrupt

    record = run_folder.write_metrics
    monkeypatch.setattr(run_folder, "write_metrics", interrupted)
    with pytest.raises(KeyboardInterrupt):
        swept(entries)
    monkeypatch.setattr(run_folder, "write_metrics", record)
    assert len(run_folder.read_metrics(tmp_path / "runs" / "one.tiny.0")) == 1
    swept(entries)
    first = results.find(tmp_path / "results", "one.tiny.0")
    shutil.rmtree(tmp_path / "runs")
    shutil.rmtree(tmp_path / "results")
    swept(entries)
    without_time = [{key: value for key, value in row.items() if key != "seconds"} for row in first.epochs]
    whole = results.find(tmp_path / "results", "one.tiny.0").epochs
    assert [{key: value for key, value in row.items() if key != "seconds"} for row in whole] == without_time


def test_what_has_a_result_is_not_trained_again(swept, entries, monkeypatch):
    swept(entries)
    trained_again = []
    monkeypatch.setattr(fitting, "fit", lambda *arguments: trained_again.append(arguments))
    swept(entries)
    assert trained_again == []


def test_a_result_of_another_recipe_is_no_result(swept, entries, tmp_path):
    swept(entries[:1])
    (tmp_path / "one.toml").write_text(RECIPE.replace("= 3", "= 4"))
    with pytest.raises(RunError, match=r"one\.tiny\.0 .*another recipe"):
        swept(entries[:1])


def test_only_takes_names_of_the_sweep():
    assert [entry.key for entry in sweep.choose("networks", ["base", "lenet"])] == ["lenet", "base"]
    assert len(sweep.choose("ablation", None)) == len(sweep.SWEEPS["ablation"])
    with pytest.raises(RecipeError, match="has no vgg; it has lenet"):
        sweep.choose("networks", ["vgg"])

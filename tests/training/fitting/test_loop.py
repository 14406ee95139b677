import csv
import math
import time

import pytest
import torch

from models_store import store
from tests import fakes
from tests.training.conftest import Tiny
from training import networks
from training.artifact import torchscript
from training.atomic_files import write_json
from training.errors import DataError, DiskError, RunError, TrainingError
from training.fitting import early_stopping, provenance, run_folder, warm_start
from training.fitting.loop import fit
from training.networks.network import AnySize
from training.recipe import Optimizer, Recipe, Resolution


class Interrupted(Tiny):
    """The network `tiny` until so many steps of training are done: in the next one somebody presses Ctrl-C."""

    def __init__(self, species, steps):
        super().__init__(species)
        self.steps_left = steps

    def features(self, images):
        if self.training:
            if not self.steps_left:
                raise KeyboardInterrupt
            self.steps_left -= 1
        return super().features(images)


@pytest.fixture
def trained(fabric, recipe, images, parts, tmp_path):
    """A finished run of four epochs."""
    fit(fabric, recipe, "test", images, parts, tmp_path / "run")
    return tmp_path / "run"


def weights(folder, which=run_folder.LAST):
    return run_folder.load_weights(folder / which)


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def unfinished(folder):
    """Let `run.json` say what it says before the end."""
    description = run_folder.read_description(folder)
    write_json(folder / run_folder.DESCRIPTION, description.model_copy(update={"finished": False}).model_dump(mode="json"))


def without_seconds(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def test_a_run_learns_and_leaves_its_files(trained):
    assert {file.name for file in trained.iterdir()} == {"run.json", "learnt.npy", "metrics.csv", "tensorboard", "last.pt", "best.pt"}
    rows = list(csv.DictReader((trained / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert any((trained / "tensorboard").iterdir())


def test_the_best_weights_are_those_of_the_best_validation(trained):
    history = weights(trained)["history"]
    best = max(history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
    assert weights(trained, run_folder.BEST)["epoch"] == best["epoch"]


@pytest.mark.parametrize("finished_epochs", [0, 1, 3])
def test_an_interrupted_run_resumes_to_the_same_result(trained, fabric, recipe, images, parts, tmp_path, monkeypatch, finished_epochs):
    interrupted = tmp_path / "interrupted"
    steps = len(parts.train) // recipe.batch_size
    with monkeypatch.context() as patched:
        # In the middle of an epoch, that has changed the weights already.
        patched.setitem(networks.NETWORKS, "tiny", lambda species: Interrupted(species, finished_epochs * steps + steps - 1))
        with pytest.raises(KeyboardInterrupt):
            fit(fabric, recipe, "test", images, parts, interrupted)
    assert (interrupted / run_folder.LAST).exists() == bool(finished_epochs)
    fit(fabric, recipe, "test", images, parts, interrupted)
    whole, resumed = weights(trained), weights(interrupted)
    for part in ("network", "averaged", "optimizer"):
        assert same(whole[part], resumed[part])
    assert without_seconds(whole["history"]) == without_seconds(resumed["history"])
    assert same(weights(trained, run_folder.BEST), weights(interrupted, run_folder.BEST))


def test_smaller_images_come_first(fabric, recipe, images, parts, tmp_path, monkeypatch):
    sides, features = [], AnySize.forward

    def seen(model, inputs):
        sides.append(inputs.shape[2:])
        return features(model, inputs)

    monkeypatch.setattr(AnySize, "forward", seen)
    recipe = recipe.model_copy(update={"resolution": Resolution(side=90, share=0.5)})
    history = fit(fabric, recipe, "test", images, parts, tmp_path / "run")
    steps = len(sides) // 4
    assert sides == [(90, 90)] * 2 * steps + [(150, 150)] * 2 * steps
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_a_run_ends_when_validation_gets_no_better(fabric, recipe, images, parts, tmp_path, capsys):
    settings = recipe.model_copy(
        update={"epochs": 60, "patience": 2, "best_by": "loss", "optimizer": Optimizer(learning_rate=0.3)}  # which learns and unlearns
    )
    history = fit(fabric, settings, "test", images, parts, tmp_path / "run")
    assert len(history) < 60
    assert len(history) - early_stopping.best_epoch(history, "loss")["epoch"] == 2
    printed = capsys.readouterr().out
    assert "at most" in printed or "under a minute left" in printed
    assert "stopped: validation got no better in 2 epochs" in printed
    assert run_folder.read_description(tmp_path / "run").finished
    assert fit(fabric, settings, "test", images, parts, tmp_path / "run") == run_folder.read_metrics(tmp_path / "run")
    assert "nothing was changed" in capsys.readouterr().out


def test_a_finished_run_is_left_as_it_is(trained, fabric, recipe, images, parts, capsys):
    for swept in ((), (run_folder.LAST,), (run_folder.LAST, run_folder.BEST)):
        for name in swept:
            (trained / name).unlink(missing_ok=True)
        before = {file: file.stat().st_mtime_ns for file in trained.rglob("*")}
        assert len(fit(fabric, recipe, "test", images, parts, trained)) == 4
        assert {file: file.stat().st_mtime_ns for file in trained.rglob("*")} == before
        assert "is finished, 4 epochs; nothing was changed" in capsys.readouterr().out


def test_an_epoch_whose_row_was_lost_gets_it_back(trained, fabric, recipe, images, parts):
    rows = run_folder.read_metrics(trained)
    run_folder.write_metrics(trained, rows[:3])  # as a kill between the checkpoint and its row leaves it
    unfinished(trained)
    fit(fabric, recipe, "test", images, parts, trained)
    assert run_folder.read_metrics(trained) == rows
    assert run_folder.read_description(trained).finished


def test_the_seed_decides(trained, fabric, recipe, images, parts, tmp_path):
    fit(fabric, recipe.model_copy(update={"seed": 1}), "test", images, parts, tmp_path / "other")
    assert not same(weights(trained)["network"], weights(tmp_path / "other")["network"])


def test_another_recipe_does_not_resume(trained, fabric, recipe, images, parts):
    with pytest.raises(RunError, match="begun with another recipe"):
        fit(fabric, recipe.model_copy(update={"epochs": 9}), "test", images, parts, trained)


def test_a_folder_of_something_else_is_not_written_to(fabric, recipe, images, parts, tmp_path):
    (tmp_path / "letters.txt").write_text("dear reader")
    with pytest.raises(RunError, match="is no run"):
        fit(fabric, recipe, "test", images, parts, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["letters.txt"]


def test_a_damaged_checkpoint_is_named(trained, fabric, recipe, images, parts):
    (trained / run_folder.LAST).write_bytes((trained / run_folder.LAST).read_bytes()[:1000])
    run_folder.write_metrics(trained, run_folder.read_metrics(trained)[:3])
    unfinished(trained)
    with pytest.raises(RunError, match=r"last\.pt is damaged"):
        fit(fabric, recipe, "test", images, parts, trained)


def test_no_room_leaves_no_run(fabric, recipe, images, parts, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(DiskError, match="free space"):
        fit(fabric, recipe, "test", images, parts, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_keeps_the_last_checkpoint(trained, recipe, images, parts, fabric, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = (trained / run_folder.LAST).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(DiskError, match=r"last\.pt cannot be written \(No space left"):
            run_folder.save_weights(trained / run_folder.LAST, {})
    assert (trained / run_folder.LAST).read_bytes() == before
    assert not list(trained.glob(".last*"))


def test_a_loss_that_is_no_number_stops_the_run(fabric, images, parts, tmp_path):
    recipe = Recipe(network="tiny", epochs=3, batch_size=8, optimizer={"name": "sgd", "learning_rate": 1e30}, schedule={"name": "constant"})
    with pytest.raises(RunError, match=r"lower optimizer\.learning_rate"):
        fit(fabric, recipe, "test", images, parts, tmp_path / "run")


def test_a_network_that_ends_in_a_softmax_is_refused(fabric, recipe, images, parts, tmp_path, monkeypatch):
    class Squashed(networks.NETWORKS["tiny"]):
        def classify(self, features):
            return super().classify(features).softmax(1)

    monkeypatch.setitem(networks.NETWORKS, "tiny", Squashed)
    with pytest.raises(TrainingError, match="ends in a softmax"):
        fit(fabric, recipe, "test", images, parts, tmp_path / "run")


def test_the_reports_mistake_is_in_its_validation_loss_too(fabric, recipe, images, parts, tmp_path):
    history = fit(fabric, recipe.model_copy(update={"softmax_before_loss": True}), "test", images, parts, tmp_path / "run")
    k = len(images.species)
    floor = math.log(1 + (k - 1) / math.e)
    assert all(floor <= row["validation_loss"] <= floor + 1 for row in history)


def test_a_run_goes_on_from_the_weights_of_its_start(fabric, recipe, images, parts, tmp_path):
    model = torchscript.to_torchscript(networks.build("tiny", 3), 1.0)
    folder = store.publish(tmp_path / "store", model, fakes.manifest, lambda _: "# fake\n", "seedlings")
    barely = recipe.optimizer.model_copy(update={"learning_rate": 1e-9})
    fit(fabric, recipe.model_copy(update={"start": str(folder), "epochs": 1, "optimizer": barely}), "test", images, parts, tmp_path / "run")
    begun = networks.build("tiny", 3)
    warm_start.set_weights(begun, images.species, str(folder))
    after = weights(tmp_path / "run")["network"]
    assert all(torch.allclose(after[name], parameter, atol=1e-6) for name, parameter in begun.named_parameters())


def test_a_start_that_has_seen_the_test_images_is_refused(fabric, recipe, images, parts, tmp_path):
    def of_another_split(version, sha256, size_bytes):
        known = fakes.manifest(version, sha256, size_bytes)
        training = known.training.model_copy(update={"images": parts.counts(), "recipe": {"split_seed": 7}})
        return known.model_copy(update={"training": training})

    model = torchscript.to_torchscript(networks.build("tiny", 3), 1.0)
    folder = store.publish(tmp_path / "store", model, of_another_split, lambda _: "# fake\n", "seedlings")
    with pytest.raises(RunError, match='start from it with split = "report" and split_seed = 7 only'):
        fit(fabric, recipe.model_copy(update={"start": str(folder)}), "test", images, parts, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_all_images_are_learnt_from_and_nothing_is_measured(fabric, recipe, images, parts, tmp_path, capsys):
    folder = tmp_path / "run"
    history = fit(fabric, recipe, "test", images, parts, folder, all_images=True)
    description = run_folder.read_description(folder)
    assert description.all_images
    assert description.images == {"train": len(images.labels), "validation": 0, "test": 0}
    assert all("validation_accuracy" not in row for row in history)
    assert "validation" not in capsys.readouterr().out
    assert weights(folder, run_folder.BEST)["epoch"] == 4  # the last
    assert provenance.of_run(folder, description).learnt.holds_file(images.records).all()
    with pytest.raises(RunError, match="--all-images"):
        fit(fabric, recipe, "test", images, parts, folder)
    with pytest.raises(DataError, match="nothing is left to measure on"):
        provenance.split_of(images, description, provenance.of_run(folder, description).learnt)


def test_a_slow_disk_does_not_hold_up_every_epoch(trained, fabric, recipe, images, parts, tmp_path, monkeypatch):
    folder, written = tmp_path / "slow", []
    save = run_folder.save_weights

    def slowly(file, tensors):
        time.sleep(0.3)
        written.append((file.name, tensors["epoch"]))
        save(file, tensors)

    monkeypatch.setattr(run_folder, "save_weights", slowly)
    fit(fabric, recipe, "test", images, parts, folder)
    assert [epoch for name, epoch in written if name == run_folder.LAST] == [1, 4]
    assert same(weights(folder, run_folder.BEST), weights(trained, run_folder.BEST))
    assert without_seconds(run_folder.read_metrics(folder)) == without_seconds(run_folder.read_metrics(trained))

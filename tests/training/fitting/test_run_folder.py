"""The run folder: what is written into it, what is refused, and that folders of older releases open."""

import json

import numpy as np
import pytest
import torch

from models_store.learnt import FILE, Learnt
from training import networks
from training.errors import RunError
from training.fitting import run_folder
from training.recipe import Recipe

LEARNT = Learnt(np.array([[1, 2], [3, 4]], np.uint64))
# As release 0.1 wrote it, its word for the schedule among the rest.
OF_0_1 = """
{"recipe_name": "seedlings",
 "recipe": {"network": "tiny", "start": "", "epochs": 2, "batch_size": 8,
  "optimizer": {"name": "adamw", "learning_rate": 0.003, "momentum": 0.9, "betas": [0.9, 0.999], "weight_decay": 0.05},
  "schedule": {"name": "one-cycle", "warmup": 0.15, "falls": 2},
  "augment": {"enabled": true, "rotate_degrees": 180.0, "flip": true, "scale": [0.75, 1.25], "shift": 0.1,
   "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "ground": 0.0, "mixup": 0.0},
  "resolution": {"side": 150, "share": 0.0}, "distillation": {"share": 0.0},
  "label_smoothing": 0.1, "ema_decay": 0.0, "norms_without_dropout": false, "softmax_before_loss": false,
  "seed": 3, "split_seed": 0},
 "species": ["Maize", "Sugar beet"], "split_digest": "abc", "images": {"train": 6, "validation": 2, "test": 2},
 "averaged": [], "teachers": ["teacher.resnet.0@0123456789ab"],
 "device": "CPU, 2 threads", "precision": "32-true", "torch_version": "2.14.1"}
"""


@pytest.fixture
def description():
    return run_folder.Description(
        recipe_name="recipes/mine.toml",
        recipe=Recipe(network="tiny", epochs=2, seed=3),
        species=["Maize", "Sugar beet"],
        split_digest="abc",
        images={"train": 6, "validation": 2, "test": 2},
        device="CPU, 2 threads",
        precision="32-true",
        torch_version="2.14.1",
    )


def test_a_run_folder_of_release_0_1_opens(tmp_path):
    network = networks.build("tiny", 2)
    (tmp_path / run_folder.DESCRIPTION).write_text(OF_0_1)
    run_folder.save_weights(tmp_path / run_folder.BEST, {"epoch": 2, "network": network.state_dict()})
    found, opened, epoch = run_folder.load_best(tmp_path)
    assert (found.name, epoch, found.teachers) == ("seedlings.tiny.3", 2, ["teacher.resnet.0@0123456789ab"])
    assert (found.recipe.schedule.name, found.recipe.plant_view, found.backgrounds) == ("warmup-cosine", "off", [])
    images = torch.rand(2, 3, 150, 150)
    assert torch.allclose(opened(images), network.eval()(images), atol=1e-5)  # the one in channels-last order


def test_an_older_name_of_the_backgrounds_is_read(tmp_path):
    (tmp_path / run_folder.DESCRIPTION).write_text(json.dumps(json.loads(OF_0_1) | {"grounds": ["soils@0123456789ab"]}))
    assert run_folder.read_description(tmp_path).backgrounds == ["soils@0123456789ab"]


def test_a_run_begins_once_and_then_goes_on_from_its_last_epoch(tmp_path, description):
    folder = tmp_path / "run"
    assert run_folder.begin_or_resume(folder, description, LEARNT) is None
    assert run_folder.read_description(folder) == description
    assert run_folder.begin_or_resume(folder, description, LEARNT) is None  # interrupted before an epoch was finished
    run_folder.save_weights(folder / run_folder.LAST, {"epoch": 1})
    assert run_folder.begin_or_resume(folder, description, LEARNT) == {"epoch": 1}
    assert np.array_equal(Learnt.read((folder / FILE).read_bytes()).records, LEARNT.records)


def test_images_that_changed_under_their_names_are_noticed(tmp_path, description):
    run_folder.begin_or_resume(tmp_path / "run", description, LEARNT)
    seen_otherwise = Learnt(np.array([[1, 7], [3, 4]], np.uint64))  # by another release of Pillow
    run_folder.begin_or_resume(tmp_path / "run", description, seen_otherwise)
    with pytest.raises(RunError, match="was begun with other images under the names of these"):
        run_folder.begin_or_resume(tmp_path / "run", description, Learnt(np.array([[1, 2], [5, 4]], np.uint64)))


def test_a_run_whose_checkpoint_is_gone_does_not_start_over(tmp_path, description):
    folder = tmp_path / "run"
    run_folder.begin_or_resume(folder, description, LEARNT)
    run_folder.write_metrics(folder, [{"epoch": 1.0, "validation_accuracy": 0.5}])
    with pytest.raises(RunError, match=r"last\.pt is gone, so the run cannot go on after its 1 epochs; give a new folder"):
        run_folder.begin_or_resume(folder, description, LEARNT)


def test_a_run_is_finished_when_it_says_so_or_by_the_metrics_of_an_older_release(tmp_path, description):
    folder = tmp_path / "run"
    assert not run_folder.is_finished_already(folder, description)
    run_folder.begin_or_resume(folder, description, LEARNT)
    rows = [{"epoch": 1.0, "validation_accuracy": 0.5}, {"epoch": 2.0, "validation_accuracy": 0.6}]
    run_folder.write_metrics(folder, rows[:1])
    assert not run_folder.is_finished_already(folder, description)
    run_folder.write_metrics(folder, rows)
    assert run_folder.is_finished_already(folder, description)
    (folder / run_folder.METRICS).unlink()
    run_folder.finish(folder)
    assert run_folder.is_finished_already(folder, description)
    with pytest.raises(RunError, match="was begun with another recipe"):
        run_folder.is_finished_already(folder, description.model_copy(update={"recipe": Recipe(network="tiny", epochs=3, seed=3)}))
    with pytest.raises(RunError, match=r"best\.pt is gone: train the run anew in another folder"):
        run_folder.load_best(folder)


def test_leftovers_of_a_killed_writer_are_no_run(tmp_path, description):
    (tmp_path / ".run.json-abc123_x").write_text("{")
    run_folder.remove_leftovers_in(tmp_path)
    assert run_folder.begin_or_resume(tmp_path, description, LEARNT) is None
    assert sorted(file.name for file in tmp_path.iterdir()) == [FILE, run_folder.DESCRIPTION]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"recipe": Recipe(network="tiny", epochs=3, seed=3)}, "another recipe"),
        ({"species": ["Maize"]}, "another species"),
        ({"split_digest": "abd"}, "another split"),
        ({"teachers": ["a.resnet.0@1"]}, "another choice of teachers"),
        ({"backgrounds": ["soils@1"]}, "another choice of backgrounds"),
        ({"segmenter": "segmenter.pt@1"}, "another segmenter"),
    ],
)
def test_a_folder_of_another_run_is_refused(tmp_path, description, changed, words):
    run_folder.begin_or_resume(tmp_path / "run", description, LEARNT)
    with pytest.raises(RunError, match=f"was begun with {words}; give a new folder"):
        run_folder.begin_or_resume(tmp_path / "run", description.model_copy(update=changed), LEARNT)


def test_an_adaptation_goes_on_with_its_own_version_and_corrections_alone(tmp_path, description):
    begun = description.model_copy(
        update={"recipe": description.recipe.model_copy(update={"start": "models/mine/1"}), "corrections": "abc"}
    )
    run_folder.begin_or_resume(tmp_path, begun, LEARNT)
    with pytest.raises(RunError, match=r"was begun with other corrections: .* give a new folder with --run"):
        run_folder.is_finished_already(tmp_path, begun.model_copy(update={"corrections": "abd"}))
    newer = {"recipe": begun.recipe.model_copy(update={"start": "models/mine/2", "epochs": 9})}
    with pytest.raises(RunError, match="was begun from models/mine/1, and now models/mine/2 is to be trained further; give a new folder"):
        run_folder.is_finished_already(tmp_path, begun.model_copy(update=newer))
    run_folder.write_json(tmp_path / run_folder.DESCRIPTION, begun.model_copy(update={"corrections": ""}).model_dump(mode="json"))
    assert not run_folder.is_finished_already(tmp_path, begun)  # of a release that did not write them down


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is no run: it has no run.json"), ("{", "run.json cannot be read"), ('{"recipe_name": "x"}', "run.json cannot be read")],
)
def test_a_folder_that_is_no_run_is_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / run_folder.DESCRIPTION).write_text(content)
    with pytest.raises(RunError, match=words):
        run_folder.read_description(tmp_path)


def test_weights_that_are_missing_damaged_or_of_another_network_are_named(tmp_path, description):
    run_folder.begin_or_resume(tmp_path / "run", description, LEARNT)
    best = tmp_path / "run" / run_folder.BEST
    with pytest.raises(RunError, match="has not finished an epoch"):
        run_folder.load_best(best.parent)
    best.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(RunError, match=r"best\.pt is damaged"):
        run_folder.load_best(best.parent)
    run_folder.save_weights(best, {"epoch": 1, "network": networks.build("lenet", 2).state_dict()})
    with pytest.raises(RunError, match="does not fit network 'tiny'"):
        run_folder.load_best(best.parent)


def test_metrics_come_back_as_they_were_written(tmp_path):
    history = [{"epoch": 1.0, "train_loss": 0.1}, {"epoch": 2.0, "train_loss": 1e-7}]
    run_folder.write_metrics(tmp_path, history)
    assert run_folder.read_metrics(tmp_path) == history
    (tmp_path / run_folder.METRICS).write_text("epoch\nfirst\n")
    with pytest.raises(RunError, match=r"metrics\.csv cannot be read"):
        run_folder.read_metrics(tmp_path)

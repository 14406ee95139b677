"""The mean of runs answers as one network, says whose mean it is, and is made of nothing that does not go together."""

import pytest
import torch

from training.atomic_files import write_json
from training.data import split
from training.errors import RunError
from training.experiments import results
from training.fitting import provenance, run_folder, weight_average
from training.fitting.distillation import Teachers
from training.fitting.loop import fit
from training.recipe import Distillation


@pytest.fixture
def trained(fabric, recipe, images, parts, tmp_path):
    """Train a tiny network; `changes` to the recipe. Returns its run folder."""

    def train(name, **changes):
        recipe_ = recipe.model_copy(update={"epochs": 2, **changes})
        fit(fabric, recipe_, name, images, split.of(images, recipe_.split_seed), tmp_path / name)
        return tmp_path / name

    return train


def test_weights_are_the_mean_of_those_the_runs_ended_with(trained, tmp_path):
    runs = [trained("one"), trained("two", seed=1), trained("three", ema_decay=0.0)]
    described = weight_average.average(runs, tmp_path / "mean")
    assert [name.split("@")[0] for name in described.averaged] == ["one.tiny.0", "two.tiny.1", "three.tiny.0"]
    description, network, _ = run_folder.load_best(tmp_path / "mean")
    assert description == described
    ends = [run_folder.load_weights(folder / run_folder.LAST) for folder in runs]
    weights = [{k.removeprefix("module."): v for k, v in end["averaged"].items()} for end in ends[:2]] + [ends[2]["network"]]
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, sum(one[name] for one in weights) / 3, atol=1e-6), name


def test_a_mean_is_neither_trained_on_nor_recorded(trained, fabric, recipe, images, parts, tmp_path):
    weight_average.average([trained("one"), trained("two", seed=1)], tmp_path / "mean")
    with pytest.raises(RunError, match="begun with another origin"):
        fit(fabric, recipe.model_copy(update={"epochs": 2}), "one", images, parts, tmp_path / "mean")
    with pytest.raises(RunError, match="was not trained itself; export it"):
        results.record(tmp_path / "mean", images, tmp_path / "results")


def test_what_does_not_go_together_is_refused(trained, recipe, tmp_path):
    one = trained("one")
    with pytest.raises(RunError, match="two runs or more"):
        weight_average.average([one], tmp_path / "mean")
    with pytest.raises(RunError, match="of another network, species, start, split or choice of images"):
        weight_average.average([one, trained("other split", split_seed=1)], tmp_path / "mean")
    with pytest.raises(RunError, match="is there already"):
        weight_average.average([one, trained("two", seed=1)], one)
    assert not (tmp_path / "mean").exists()


def test_a_run_that_has_not_ended_is_named(trained, tmp_path):
    one, two = trained("one"), trained("two", seed=1)
    description = run_folder.read_description(two)
    write_json(two / run_folder.DESCRIPTION, description.model_copy(update={"finished": False}).model_dump(mode="json"))
    run_folder.write_metrics(two, run_folder.read_metrics(two)[:1])
    with pytest.raises(RunError, match="two has finished 1 of 2 epochs"):
        weight_average.average([one, two], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_a_finished_run_without_its_last_weights_is_named(trained, tmp_path):
    one, two = trained("one"), trained("two", seed=1)
    (two / run_folder.LAST).unlink()
    with pytest.raises(RunError, match=r"two is finished, but last\.pt, the weights that it ended with, was removed, as a sweep does"):
        weight_average.average([one, two], tmp_path / "mean")
    (two / run_folder.LAST).write_bytes((one / run_folder.LAST).read_bytes())
    weight_average.average([one, two], tmp_path / "mean")
    with pytest.raises(RunError, match="mean is a mean of runs itself"):
        weight_average.average([one, tmp_path / "mean"], tmp_path / "another")


def test_a_run_is_called_the_same_by_whoever_names_it(trained, images, parts, tmp_path):
    one, two = trained("one"), trained("two", seed=1)
    described = weight_average.average([one, two], tmp_path / "mean")
    taught = Teachers([one, two], Distillation(share=0.5), images.species, parts)
    assert described.averaged == taught.names


def test_a_mean_has_learnt_from_what_its_runs_have(trained, images, parts, tmp_path):
    weight_average.average([trained("one"), trained("two", seed=1)], tmp_path / "mean")
    found = provenance.of_run(tmp_path / "mean", run_folder.read_description(tmp_path / "mean"))
    assert found.learnt.holds_file(images.records).nonzero()[0].tolist() == parts.train
    assert found.unknown == ()

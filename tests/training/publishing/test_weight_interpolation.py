"""How far weights go from those a run began with to those it learnt."""

import dataclasses

import pytest
import torch
from torch import nn

from models_store import store
from models_store.learnt import FILE as LEARNT
from training import networks
from training.errors import RunError
from training.evaluation.predictions import logits
from training.fitting import run_folder
from training.fitting.loop import fit
from training.networks.network import Network
from training.publishing import export, measured_model, weight_interpolation
from training.publishing.weight_interpolation import Interpolation, between, choose


def small(weight, mean):
    """A norm, and one dense layer of one weight and a bias of half of it."""
    network = Network(nn.Sequential(nn.BatchNorm2d(1)), nn.Sequential(nn.Flatten(), nn.Linear(1, 1)))
    network.convolutions[0].running_mean.fill_(mean)
    network.convolutions[0].num_batches_tracked.fill_(int(mean))
    nn.init.constant_(network.classifier[1].weight, weight)
    nn.init.constant_(network.classifier[1].bias, weight / 2)
    return network.eval()


def test_weights_and_statistics_of_norms_lie_on_the_line():
    start, learnt = small(1, 2), small(5, 10)
    mixed = between(start, learnt, 0.25)
    assert mixed.classifier[1].weight.item() == 2  # 0.25 · 5 + 0.75 · 1
    assert mixed.classifier[1].bias.item() == 1
    assert mixed.convolutions[0].running_mean.item() == 4
    assert mixed.convolutions[0].num_batches_tracked.item() == 10  # a count has no share
    image = torch.full((1, 1, 1, 1), 7.0)  # a norm of mean 4, variance 1: 3
    assert mixed(image).item() == pytest.approx(2 * 3 + 1, abs=1e-3)
    assert (start.classifier[1].weight.item(), learnt.classifier[1].weight.item()) == (1, 5)
    assert between(start, learnt, 1).classifier[1].weight.item() == 5


@pytest.mark.parametrize(
    ("right", "share", "tried"),
    [
        ([474], 1.0, 1),  # two of 500 lost
        ([480], 1.0, 1),
        ([473, 474], 0.75, 2),  # three are more than half a point
        ([400, 470, 473, 476], 0.25, 4),
        ([400, 471, 472, 470], 0.5, 4),  # none loses so little: the one that loses least
        ([400, 471, 471, 471], 0.75, 4),
    ],
)
def test_the_largest_share_is_taken_that_loses_little(right, share, tried):
    answers = iter(right)
    found = choose(500, 476, lambda _: next(answers))
    assert (found.share, list(found.tried.values())) == (share, right[:tried])
    assert list(found.tried) == [1.0, 0.75, 0.5, 0.25][:tried]


def test_it_is_told_what_was_chosen_by():
    found = Interpolation(0.75, 500, 476, {1.0: 470, 0.75: 475})
    assert found.text() == ("weights taken: 75% new; of 500 validation images 476 were right before, 470 with 100% new, 475 with 75% new")


def test_outputs_for_new_species_stay_as_they_were_learnt(published):
    torch.manual_seed(0)
    species = [*(one.name for one in store.read_manifest(published).species), "Cleavers"]
    learnt = networks.build("tiny", len(species)).eval()
    start = weight_interpolation.start_of(learnt, species, str(published))
    before = measured_model.of_artifact(published)
    output, new = start.classifier[-1], learnt.classifier[-1]
    assert torch.equal(output.weight[-1], new.weight[-1])
    pixels = torch.randint(256, (4, 3, 150, 150), dtype=torch.uint8)
    temperature = store.read_manifest(published).calibration.temperature
    known = (logits(start, pixels)[:, :-1] / temperature).softmax(1)
    assert torch.allclose(known, before.probabilities(pixels), atol=1e-5)
    mixed = between(start, learnt, 0.5).classifier[-1]
    assert torch.equal(mixed.weight[-1], new.weight[-1])
    assert torch.equal(mixed.bias[-1], new.bias[-1])
    assert torch.allclose(mixed.weight[0], (output.weight[0] + new.weight[0]) / 2)


@pytest.fixture
def went_on(fabric, recipe, published, images, parts, tmp_path):
    """A run that went on from `published` for an epoch; then its learnt weights are those of the start but for `lift` on one output.

    Where `lift` is `at` times what the closest right answer to a validation image bears, share 1 / `at` is the largest that loses none.
    """
    fit(fabric, recipe.model_copy(update={"epochs": 1, "start": str(published)}), "went on", images, parts, tmp_path / "run")

    def lifted(at):
        best = run_folder.load_weights(tmp_path / "run" / run_folder.BEST)
        _, network, _ = run_folder.load_best(tmp_path / "run")
        start = weight_interpolation.start_of(network, images.species, str(published))
        found, labels = logits(start, images.pixels[parts.validation]), images.labels[parts.validation]
        sure = (found.argmax(1) == labels) & (labels != 0)
        lift = at * float((found[sure].max(1).values - found[sure, 0]).min())
        with torch.no_grad():
            start.classifier[-1].bias[0] += lift
        run_folder.save_weights(tmp_path / "run" / run_folder.BEST, best | {"network": start.state_dict()})
        return tmp_path / "run"

    return lifted


@pytest.mark.parametrize(("at", "share"), [(0.9, 1.0), (1.2, 0.75), (1.6, 0.5), (3.0, 0.25)])
def test_a_run_that_forgot_gives_up_a_part_of_what_it_learnt(at, share, went_on, published, images, parts, tmp_path):
    folder, before = went_on(at), measured_model.of_artifact(published)
    chosen, found = weight_interpolation.interpolate(folder, images, before, None, "float32", parts)
    assert (found.share, found.n) == (share, len(parts.validation))
    assert all(found.tried[other] < found.before for other in found.tried if other > share)
    description, network, _ = run_folder.load_best(chosen)
    assert description.new_weights_share == share
    assert chosen == (folder if share == 1 else folder / "interpolated")
    _, learnt, _ = run_folder.load_best(folder)  # as it was
    start = weight_interpolation.start_of(learnt, images.species, str(published))
    begun, lifted, taken = (one.classifier[-1].bias[0].item() for one in (start, learnt, network))
    assert taken - begun == pytest.approx(share * (lifted - begun), rel=1e-4)
    assert (chosen / LEARNT).read_bytes() == (folder / LEARNT).read_bytes()


def test_what_is_published_says_its_share(went_on, fabric, published, images, parts, tmp_path):
    folder, before = went_on(1.6), measured_model.of_artifact(published)
    chosen, _ = weight_interpolation.interpolate(folder, images, before, None, "float32", parts)
    place = export.export(chosen, images, tmp_path / "store", "seedlings")
    assert store.read_manifest(place).training.recipe["new_weights_share"] == 0.5
    assert "Weights: 50% of those of epoch 1 of 1" in (place / "card.md").read_text()
    described = run_folder.read_description(chosen)
    with pytest.raises(RunError, match="begun with another origin"):  # nothing is trained on in it
        fit(fabric, described.recipe, described.recipe_name, images, parts, chosen)


def test_validation_images_that_were_corrected_are_not_chosen_by(went_on, published, images, parts):
    folder, before = went_on(0.5), measured_model.of_artifact(published)
    learnt = dataclasses.replace(parts, train=parts.train[1:], validation=[*parts.validation, parts.train[0]])
    _, found = weight_interpolation.interpolate(folder, images, before, None, "float32", learnt)
    assert found.n == len(parts.validation)

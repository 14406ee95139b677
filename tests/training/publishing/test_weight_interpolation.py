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
from training.publishing.weight_interpolation import Interpolation, Validated, between, choose

PLATT = 1 - 1 / 6  # of four images each label counts so much, and the other species the rest
FORGETS = 6.0  # added to one output, so much that most answers are that species


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
    ("found", "share", "tried"),
    [
        ([(474, 0.8)], 1.0, 1),  # two of 500 lost
        ([(460, 0.9251)], 1.0, 1),  # half a point of probability
        ([(480, 0.8)], 1.0, 1),
        ([(473, 0.9249), (473, 0.9251)], 0.9, 2),  # three are more than half a point
        ([(470, 0.9)] * 6 + [(474, 0.9)], 0.4, 7),
        ([(470, 0.92)] * 4 + [(460, 0.924)] + [(472, 0.92)] * 5, 0.6, 10),  # none loses so little: the highest probability
        ([(470, 0.9)] + [(470, 0.91)] * 9, 0.9, 10),  # of several the largest
    ],
)
def test_the_largest_share_is_taken_that_loses_little(found, share, tried):
    answers = (Validated(*one) for one in found)
    chosen = choose(500, Validated(476, 0.93), lambda _: next(answers))
    assert (chosen.share, [one[:2] for one in chosen.tried.values()]) == (share, found[:tried])
    assert list(chosen.tried) == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1][:tried])


def test_right_answers_and_their_mean_probability():
    # At every temperature the probabilities of the first two add up to one, as do those of the other two.
    logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 1, 0, 1])
    assert Validated.of(logits, labels)[:2] == (2, pytest.approx(0.5))
    mostly = torch.tensor([[1.0, 0.0]] * 4), torch.tensor([0, 0, 0, 1])
    # Three of four answers of one strength are right: the best temperature says three quarters, but for Platt's doubt.
    said = 0.75 * PLATT + 0.25 * (1 - PLATT)
    assert Validated.of(*mostly)[:2] == (3, pytest.approx(0.75 * said + 0.25 * (1 - said), abs=1e-3))
    assert Validated.of(9 * mostly[0], mostly[1])[:2] == pytest.approx(Validated.of(*mostly)[:2], abs=1e-3)
    assert Validated.of(9 * mostly[0], mostly[1]).temperature == pytest.approx(9 * Validated.of(*mostly).temperature, rel=0.01)


def test_it_is_told_what_was_chosen_by():
    found = Interpolation(0.7, 500, Validated(476, 0.926), {1.0: Validated(470, 0.9143), 0.7: Validated(472, 0.9219)})
    assert found.text() == (
        "weights taken: 70% new; of 500 validation images (mean probability of the right species) 476 (92.6%) were right before,"
        " 470 (91.4%) with 100% new, 472 (92.2%) with 70% new"
    )


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
    """A run that went on from `published` for an epoch; then its learnt weights are those of the start but for `lift` on one output."""
    fit(fabric, recipe.model_copy(update={"epochs": 1, "start": str(published)}), "went on", images, parts, tmp_path / "run")

    def lifted(lift):
        best = run_folder.load_weights(tmp_path / "run" / run_folder.BEST)
        _, network, _ = run_folder.load_best(tmp_path / "run")
        start = weight_interpolation.start_of(network, images.species, str(published))
        with torch.no_grad():
            start.classifier[-1].bias[0] += lift
        run_folder.save_weights(tmp_path / "run" / run_folder.BEST, best | {"network": start.state_dict()})
        return tmp_path / "run"

    return lifted


@pytest.mark.parametrize("lift", [0.0, FORGETS])
def test_a_run_that_forgot_gives_up_a_part_of_what_it_learnt(lift, went_on, published, images, parts, tmp_path):
    folder, before = went_on(lift), measured_model.of_artifact(published)
    chosen, found = weight_interpolation.interpolate(folder, images, before, parts)
    by_hand = {}
    for share in weight_interpolation.SHARES:
        answers = before.probabilities(images.pixels[parts.validation]).log()
        answers[:, 0] += share * lift / store.read_manifest(published).calibration.temperature
        by_hand[share] = Validated.of(answers, images.labels[parts.validation])
    assert (found.share < 1) == (lift > 0)
    assert found.n == len(parts.validation)
    tried = {share: validated[:2] for share, validated in found.tried.items()}  # temperatures are of other logits by hand
    assert tried == {share: pytest.approx(by_hand[share][:2], abs=1e-4) for share in by_hand if share >= found.share}
    assert found.temperature == found.tried[found.share].temperature
    share = found.share
    description, network, _ = run_folder.load_best(chosen)
    assert description.new_weights_share == share
    assert chosen == (folder if share == 1 else folder / "interpolated")
    _, learnt, _ = run_folder.load_best(folder)  # as it was
    start = weight_interpolation.start_of(learnt, images.species, str(published))
    begun, lifted, taken = (one.classifier[-1].bias[0].item() for one in (start, learnt, network))
    assert taken - begun == pytest.approx(share * (lifted - begun), rel=1e-4)
    assert (chosen / LEARNT).read_bytes() == (folder / LEARNT).read_bytes()


def test_what_is_published_says_its_share(went_on, fabric, published, images, parts, tmp_path):
    folder, before = went_on(FORGETS), measured_model.of_artifact(published)
    chosen, found = weight_interpolation.interpolate(folder, images, before, parts)
    place = export.export(chosen, images, tmp_path / "store", "seedlings", force=True)
    assert 0 < found.share < 1
    assert store.read_manifest(place).training.recipe["new_weights_share"] == found.share
    assert f"Weights: {found.share:.0%} of those of epoch 1 of 1" in (place / "card.md").read_text()
    described = run_folder.read_description(chosen)
    with pytest.raises(RunError, match="begun with another origin"):  # nothing is trained on in it
        fit(fabric, described.recipe, described.recipe_name, images, parts, chosen)


def test_validation_images_that_were_corrected_are_not_chosen_by(went_on, published, images, parts):
    folder, before = went_on(0.0), measured_model.of_artifact(published)
    learnt = dataclasses.replace(parts, train=parts.train[1:], validation=[*parts.validation, parts.train[0]])
    _, found = weight_interpolation.interpolate(folder, images, before, learnt)
    assert found.n == len(parts.validation)

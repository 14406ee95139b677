"""A network that goes on from a published version answers as that version did."""

import pytest
import torch
from torch import nn

from models_store import store
from tests import fakes
from training import networks, recipe
from training.artifact import compression, torchscript
from training.artifact.ood_distance import Distance
from training.errors import RunError, TrainingError
from training.evaluation.predictions import logits
from training.fitting import warm_start

FORMS = {
    "whole": lambda network: network,
    "float16": compression.store_halves,
    "int8": compression.store_bytes,
    "factored": lambda network: compression.factorize(network, 8),
    "factored float16": lambda network: compression.store_halves(compression.factorize(network, 8)),
    "factored int8": lambda network: compression.store_bytes(compression.factorize(network, 8)),
}


def trained(name, seed=0):
    """A network for the species of `fakes`, its norms no longer as they were made."""
    torch.manual_seed(seed)
    network = networks.build(name, len(fakes.NAMES))
    with torch.no_grad():
        network(torch.rand(4, 3, 150, 150))
    return network.eval()


@pytest.fixture
def network():
    return trained("tiny")


@pytest.fixture
def publish(tmp_path):
    """Publish a network for the species of `fakes`. Returns the version's folder, as a recipe gives it."""
    return lambda network: str(
        store.publish(tmp_path, torchscript.to_torchscript(network, 1.7), fakes.manifest, lambda _: "# fake\n", "seedlings")
    )


def narrower(network):
    """The same layers, half as many units in the hidden one."""
    network.classifier[2], network.classifier[4] = nn.Linear(192, 16), nn.Linear(16, 3)
    return network


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_a_version_is_taken_up(form, network, publish, images):
    served, begun = form(network), trained("tiny", seed=1)
    manifest = warm_start.set_weights(begun, list(fakes.NAMES), publish(served))
    assert (manifest.name, manifest.version) == ("seedlings", 1)
    assert torch.allclose(logits(begun, images.pixels), logits(served, images.pixels), atol=1e-5)


def test_a_versions_distance_is_no_layer(network, tmp_path, images):
    model = torchscript.to_torchscript(network, 1.7, Distance(torch.rand(20, 12)))
    folder = store.publish(tmp_path, model, fakes.manifest, lambda _: "# fake\n", "seedlings")
    begun = trained("tiny", seed=1)
    warm_start.set_weights(begun, list(fakes.NAMES), str(folder))
    assert torch.allclose(logits(begun, images.pixels), logits(network, images.pixels), atol=1e-5)


def test_norms_without_weights_are_taken_up(publish, images):
    network, begun = trained("lenet"), trained("lenet", seed=1)
    warm_start.set_weights(begun, list(fakes.NAMES), publish(network))
    assert torch.allclose(logits(begun, images.pixels), logits(network, images.pixels), atol=1e-5)


def test_outputs_are_matched_by_name_and_new_species_keep_fresh_weights(network, publish, images):
    maize, _, charlock = range(3)  # in fakes.NAMES
    begun, fresh = trained("tiny", seed=1), trained("tiny", seed=1)
    warm_start.set_weights(begun, ["Charlock", "Fat Hen", "Maize"], publish(network))
    assert torch.allclose(logits(begun, images.pixels)[:, [0, 2]], logits(network, images.pixels)[:, [charlock, maize]], atol=1e-5)
    assert torch.equal(begun.classifier[4].weight[1], fresh.classifier[4].weight[1])
    assert torch.equal(begun.classifier[4].bias[1], fresh.classifier[4].bias[1])


@pytest.mark.parametrize(
    "name", [file.stem for file in recipe.FOLDER.glob("*.toml") if recipe.load(file.stem).start not in ("", "imagenet")]
)
def test_what_our_recipes_start_from_fits_their_networks(name, images):
    settings = recipe.load(name)
    manifest, module = torchscript.load(store.SHIPPED_STORE / settings.start)
    species = [one.name for one in manifest.species]
    network = networks.build(settings.network, len(species))
    warm_start.set_weights(network, species, settings.start)
    pixels = images.pixels[:3]
    probabilities = (logits(network, pixels) / manifest.calibration.temperature).softmax(1)
    with torch.no_grad():
        assert torch.allclose(probabilities, module(pixels), atol=1e-4)


@pytest.mark.parametrize("species", [fakes.NAMES, ("Maize", "Fat Hen", "Charlock")])
def test_layers_that_do_not_fit_are_named(network, publish, species):
    folder = publish(network)
    with pytest.raises(RunError, match=r"start = '.*' does not fit the recipe's network: size mismatch for (weight|bias)"):
        warm_start.set_weights(narrower(trained("tiny")), list(species), folder)
    with pytest.raises(RunError, match=r"start = '.*': it has 5 layers with weights and the recipe's network 6"):
        warm_start.set_weights(networks.build("lenet", 3), list(species), folder)


def test_a_version_that_is_not_there_is_named(network):
    with pytest.raises(TrainingError, match=r"seedlings/99/manifest\.json is missing"):
        warm_start.set_weights(network, list(fakes.NAMES), "seedlings/99")


def test_behind_a_plant_view_it_goes_on_from_one_that_saw_whole_photos(network, publish):
    behind = networks.build("tiny", len(fakes.NAMES), plant_view="alone")
    view = {name: tensor.clone() for name, tensor in behind.convolutions[0].state_dict().items()}
    warm_start.set_weights(behind, fakes.NAMES, publish(network))
    given, held = network.convolutions.state_dict(), behind.convolutions[1:].state_dict()
    assert all(torch.equal(a, b) for a, b in zip(given.values(), held.values(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(network.classifier.parameters(), behind.classifier.parameters(), strict=True))
    assert all(torch.equal(view[name], tensor) for name, tensor in behind.convolutions[0].state_dict().items())


def test_behind_a_plant_view_it_goes_on_from_another_one(publish):
    torch.manual_seed(0)
    first, second = (networks.build("tiny", len(fakes.NAMES), plant_view="alone").eval() for _ in range(2))
    warm_start.set_weights(second, fakes.NAMES, publish(first))
    images = torch.rand(2, 3, 150, 150)
    with torch.no_grad():
        assert torch.allclose(first(images), second.eval()(images), atol=1e-5)

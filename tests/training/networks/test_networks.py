"""One harness for every network that a recipe can name."""

import io

import pytest
import torch
from torch import nn

from training import networks
from training.artifact import torchscript
from training.evaluation import predictions
from training.fitting.loss import cross_entropy
from training.fitting.optimizer import build as build_optimizer
from training.networks.network import AnySize
from training.recipe import Optimizer

NAMES = ("base", "dropout", "lenet", "alexnet", "resnet", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
PARAMETERS = {
    "base": 54_717_714,
    "dropout": 54_717_714,
    "lenet": 2_233_696,
    "alexnet": 57_053_004,
    "resnet": 11_182_668,
    "efficientnet-lite0": 3_386_380,
    "efficientnet-lite1": 4_151_052,
    "efficientnet-lite2": 4_826_444,
}
# The report's own summary (its figures 6 and 7): layer, output for one image, parameters.
SUMMARY = [
    ("BatchNorm2d", (3, 150, 150), 6),
    ("Conv2d", (64, 73, 73), 9_472),
    ("MaxPool2d", (64, 36, 36), 0),
    ("BatchNorm2d", (64, 36, 36), 128),
    ("Conv2d", (128, 34, 34), 204_928),
    ("MaxPool2d", (128, 16, 16), 0),
    ("BatchNorm2d", (128, 16, 16), 256),
    ("Conv2d", (256, 16, 16), 295_168),
    ("Conv2d", (256, 16, 16), 590_080),
    ("Conv2d", (512, 16, 16), 1_180_160),
    ("MaxPool2d", (512, 7, 7), 0),
    ("Flatten", (25_088,), 0),
    ("Linear", (2_048,), 51_382_272),
    ("Linear", (512,), 1_049_088),
    ("Linear", (12,), 6_156),
]


def some_pixels(n=2):
    return torch.randint(0, 256, (n, 3, 150, 150), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=NAMES)
def network(request):
    torch.manual_seed(0)
    return networks.build(request.param, 12).eval()


def test_every_registered_network_is_tested():
    assert set(networks.NETWORKS) - {"tiny"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_counted_exactly(name):
    with torch.device("meta"):
        assert networks.parameters(networks.build(name, 12)) == PARAMETERS[name]


@pytest.mark.parametrize(("name", "dropouts"), [("base", 0), ("dropout", 4)])
def test_the_reports_networks_layer_by_layer(name, dropouts):
    seen = []
    with torch.device("meta"):
        network = networks.build(name, 12)
        layers = [layer for layer in network.modules() if not list(layer.children())]
        for layer in layers:
            layer.register_forward_hook(lambda layer, _, output: seen.append((layer, tuple(output.shape[1:]))))
        network(torch.rand(1, 3, 150, 150))
    table = [
        (type(layer).__name__, shape, networks.parameters(layer)) for layer, shape in seen if not isinstance(layer, (nn.ReLU, nn.Dropout))
    ]
    assert table == SUMMARY
    assert sum(row[2] for row in table) == 54_717_714
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.2] * dropouts
    assert sum(isinstance(layer, nn.ReLU) for layer in layers) == 7


def test_it_gives_logits_in_two_halves(network):
    images = some_pixels().float() / 255
    with torch.no_grad():
        logits = network(images)
        assert torch.equal(network.classify(network.features(images)), logits)
    assert logits.shape == (2, 12)
    assert logits.min() < 0  # a probability is not
    assert network.features(images).ndim == 4


def test_scripted_saved_and_read_again_it_answers_the_same(network):
    pixels = some_pixels()
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, temperature=2.0)))
    expected = (predictions.logits(network, pixels) / 2).softmax(1)
    assert torch.allclose(predictions.probabilities(module, pixels), expected, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(module.classify(module.features(pixels)).softmax(1), expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("species", [2, 31])
def test_it_takes_any_number_of_species(name, species):
    with torch.device("meta"):
        network = networks.build(name, species).eval()
        assert network(torch.rand(1, 3, 150, 150)).shape == (1, species)


@pytest.mark.parametrize(
    "settings",
    [
        Optimizer(name="sgd", momentum=0, learning_rate=0.05),
        Optimizer(name="sgd", momentum=0.9, learning_rate=0.01),
        Optimizer(name="rmsprop", momentum=0, learning_rate=3e-4, weight_decay=0),
        Optimizer(name="adagrad", learning_rate=3e-3, weight_decay=0),
        Optimizer(name="adam", learning_rate=1e-3, weight_decay=0),
        Optimizer(name="adamw", learning_rate=1e-3),
    ],
    ids=["sgd", "momentum", "rmsprop", "adagrad", "adam", "adamw"],
)
def test_every_optimiser_of_the_report_learns_a_batch(settings, images):
    torch.manual_seed(0)
    network = networks.build("lenet", 3)
    optimizer = build_optimizer(network, settings)
    batch, labels = images.pixels[::3].float() / 255, images.labels[::3]  # [12,3,150,150], [12]
    losses = []
    for _ in range(12):
        loss = cross_entropy(network(batch), labels).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0], losses


@pytest.mark.parametrize("name", NAMES)
def test_images_of_another_size_fill_the_same_places(name):
    network = networks.build(name, 12)
    network.train()
    model = AnySize(network, 150)
    assert network.training
    model.eval()
    whole = torch.rand(2, 3, 150, 150)
    with torch.no_grad():
        assert torch.equal(model(whole), network(whole))
        assert model(whole[:, :, :98, :98]).shape == (2, 12)

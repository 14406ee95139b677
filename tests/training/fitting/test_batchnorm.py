"""Norms that fit what they meet when dropout is off."""

import pytest
import torch
from torch import nn

from tests.training.conftest import Tiny
from training import networks
from training.fitting import batchnorm, run_folder
from training.fitting import loop as fitting
from training.networks.network import Network


def pixels(n=96):
    return torch.randint(0, 256, (n, 3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def network(p):
    """As in the report's network: dropout, the largest of its neighbours, a norm."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Dropout(p), nn.MaxPool2d(3, 2), nn.BatchNorm2d(8))


def trained(p):
    """After a while of training in name: nothing but the norm's running figures moves."""
    made = network(p).train()
    for _ in range(50):
        made(pixels().float() / 255)
    return made


def off(made):
    """How far from 0 and 1 the mean and deviation of a channel come out, in the worst one."""
    with torch.no_grad():
        outputs = made.eval()(pixels().float() / 255).transpose(0, 1).flatten(1)  # [8, pixels]
    return float(torch.maximum(outputs.mean(1).abs(), (outputs.std(1) - 1).abs()).max())


def test_measured_norms_fit():
    made = trained(0.5)
    assert off(made) > 0.3
    made.train()
    batchnorm.measure(made, made, pixels())
    assert off(made) < 0.05
    assert not any(layer.training for layer in made.modules())
    assert made[4].momentum == 0.1


def test_parts_count_by_their_images():
    """129 images are 65 and 64, not 128 and one."""
    made = nn.Sequential(nn.BatchNorm2d(3)).train()
    different = torch.cat([torch.zeros(128, 3, 4, 4), torch.full((1, 3, 4, 4), 255.0)]).to(torch.uint8)
    batchnorm.measure(made, made, different)
    assert made[0].running_mean.tolist() == pytest.approx([1 / 129] * 3, rel=0.02)


def test_a_norm_that_learns_nothing_stays():
    made, kept = trained(0.5), trained(0.5)
    made.train()[4].eval()
    before = {name: tensor.clone() for name, tensor in kept.state_dict().items()}
    batchnorm.measure(made, kept, pixels())
    assert all(torch.equal(before[name], tensor) for name, tensor in kept.state_dict().items())


@pytest.mark.parametrize(
    ("momentum", "dropout", "asked", "due"),
    [(0.1, 0.5, True, True), (0.1, 0.0, True, False), (0.1, 0.5, False, False), (0.01, 0.0, False, True), (None, 0.0, False, False)],
)
def test_when_it_is_due(momentum, dropout, asked, due):
    made = nn.Sequential(nn.Dropout(dropout), nn.BatchNorm2d(3, momentum=momentum)).train()
    assert batchnorm.is_due(made, 50, asked) is due
    assert batchnorm.is_due(made, 5, asked) is (momentum is not None or due)  # even 0.1 remembers ten steps
    made[1].eval()
    assert batchnorm.is_due(made, 5, asked) is (asked and dropout > 0)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_slow_norms_have_the_figures_of_the_training_images(fabric, recipe, images, parts, tmp_path, monkeypatch, ema_decay):
    """They would have 6% of the way there behind them."""

    def slow(species: int) -> Network:
        made = Tiny(species)
        made.convolutions[0].momentum = 0.01
        return made

    monkeypatch.setitem(networks.NETWORKS, "tiny", slow)
    fitting.fit(fabric, recipe.model_copy(update={"epochs": 2, "ema_decay": ema_decay}), "test", images, parts, tmp_path / "run")
    first = run_folder.load_best(tmp_path / "run")[1].convolutions[0]
    seen = images.pixels[parts.train].double() / 255
    assert torch.allclose(first.running_mean.double(), seen.mean((0, 2, 3)), atol=1e-3)
    assert torch.allclose(first.running_var.double(), seen.var((0, 2, 3)), atol=1e-3)


@pytest.mark.parametrize("asks", [False, True])
def test_a_recipe_asks_for_it(fabric, recipe, images, parts, tmp_path, monkeypatch, asks):
    asked = []
    monkeypatch.setattr(batchnorm, "is_due", lambda network, steps, without_dropout: asked.append((steps, without_dropout)))
    fitting.fit(fabric, recipe.model_copy(update={"norms_without_dropout": asks, "epochs": 1}), "test", images, parts, tmp_path / "run")
    assert asked == [(len(parts.train) / recipe.batch_size, asks)]

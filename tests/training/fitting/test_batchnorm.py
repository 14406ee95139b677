"""Norms that fit what they meet when dropout is off."""

import pytest
import torch
from torch import nn

from training.fitting import batchnorm
from training.fitting import loop as fitting


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
    batchnorm.measure(made, pixels())
    assert off(made) < 0.05
    assert not any(layer.training for layer in made.modules())
    assert made[4].momentum == 0.1


def test_without_dropout_nothing_is_measured():
    made = trained(0.0)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    batchnorm.measure(made, pixels())
    assert all(torch.equal(before[name], tensor) for name, tensor in made.state_dict().items())


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_recipe_asks_for_it(fabric, recipe, images, parts, tmp_path, monkeypatch, ema_decay):
    measured = []
    monkeypatch.setattr(batchnorm, "measure", lambda network, train: measured.append((network, len(train))))
    for asks in (False, True):
        changes = {"norms_without_dropout": asks, "epochs": 2, "ema_decay": ema_decay}
        fitting.fit(fabric, recipe.model_copy(update=changes), "test", images, parts, tmp_path / str(asks))
    assert [n for _, n in measured] == [len(parts.train)] * 2

import pytest
import torch

from training.fitting.optimizer import build, learning_rate
from training.recipe import Optimizer, Schedule


def test_warmup_cosine_rises_and_falls():
    settings, schedule = Optimizer(learning_rate=1.0), Schedule(name="warmup-cosine", warmup=0.2)
    rates = [learning_rate(settings, schedule, step, 100) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 20
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert 0 < rates[0] < 0.06
    assert 0 < rates[-1] < 0.01


def test_constant_stays():
    settings = Optimizer(learning_rate=0.5)
    assert {learning_rate(settings, Schedule(name="constant"), step, 9) for step in range(9)} == {0.5}


def test_biases_and_norms_do_not_decay():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    decayed, kept = build(network, Optimizer(weight_decay=0.1)).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(4, 3, 3, 3)]
    assert decayed["weight_decay"] == 0.1
    assert len(kept["params"]) == 3
    assert kept["weight_decay"] == 0


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adagrad", "adam", "adamw"])
def test_every_optimiser_goes_downhill(name):
    torch.manual_seed(0)
    layer = torch.nn.Linear(8, 1)
    optimizer = build(layer, Optimizer(name=name, learning_rate=0.01))
    inputs, wanted = torch.randn(32, 8), torch.randn(32, 1)
    losses = []
    for _ in range(60):
        loss = (layer(inputs) - wanted).square().mean()
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.9 * losses[0]


def test_stairs_fall_to_a_tenth_at_even_distances():
    settings, schedule = Optimizer(learning_rate=0.01), Schedule(name="step", falls=2)
    rates = [learning_rate(settings, schedule, step, 90) for step in range(90)]
    assert rates[0] == rates[29] == 0.01
    assert rates[30] == rates[59] == pytest.approx(1e-3)
    assert rates[60] == rates[89] == pytest.approx(1e-4)

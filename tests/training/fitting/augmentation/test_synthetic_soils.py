"""Drawn soils."""

import torch

from training.data.tensors import cut_out
from training.fitting.augmentation.synthetic_soils import soils

SIDE = 60


def draw(n, seed=0):
    return soils(n, SIDE, torch.Generator().manual_seed(seed), torch.device("cpu"))


def test_soils_are_of_many_colours_and_never_green():
    drawn = draw(64)
    assert drawn.shape == (64, 3, SIDE, SIDE)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    means = drawn.mean((2, 3))
    assert float(means.std(0).min()) > 0.05
    assert float(cut_out(drawn).mean()) < 0.1


def test_a_soil_has_a_texture():
    assert (draw(16).std((2, 3)).mean(1) > 0.01).all()


def test_the_seed_decides():
    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(3, seed=1))

"""Straw, moss and rulers on drawn soils."""

import functools

import torch

from training.fitting.augmentation.litter import litter
from training.fitting.augmentation.synthetic_soils import soils


def made(draw, n=12):
    return draw(n, 96, torch.Generator().manual_seed(0), torch.device("cpu"))


def test_shapes_and_range_and_seed():
    one, again = made(litter), made(litter)
    assert one.shape == (12, 3, 96, 96)
    assert 0 <= float(one.min()) < float(one.max()) <= 1
    assert torch.equal(one, again)
    assert made(litter, 0).shape == (0, 3, 96, 96)


def test_straw_is_brighter_than_its_soil():
    changed = made(functools.partial(litter, mossy=0, measured=0)) - made(soils)
    covered = changed.abs().amax(1) > 0.1
    assert 0.05 < float(covered.float().mean()) < 0.9
    assert float(changed.mean(1)[covered].mean()) > 0.05


def test_moss_is_green_and_lies_in_cushions():
    red, green, blue = made(functools.partial(litter, straws=1, mossy=1, measured=0)).mean(0)
    bare_red, bare_green, bare_blue = made(soils).mean(0)
    assert float((2 * green - red - blue).mean()) > float((2 * bare_green - bare_red - bare_blue).mean()) + 0.02


def test_a_ruler_is_a_bar_with_marks():
    changed = (made(functools.partial(litter, straws=1, mossy=0, measured=1)) - made(soils)).abs().amax((1, 2, 3))
    assert float((changed > 0.1).float().mean()) > 0.9

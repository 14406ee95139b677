"""Straw, moss and rulers on drawn soils, and stones on any picture."""

import functools

import torch

from training.fitting.augmentation.litter import litter, stones
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


def test_stones_cover_what_they_say_and_only_darken_the_rest():
    images = torch.full((12, 3, 96, 96), 0.4)
    with_stones, stone = stones(images, torch.Generator().manual_seed(0))
    assert with_stones.shape == images.shape
    assert stone.shape == (12, 1, 96, 96)
    assert 0 <= float(stone.min()) < float(stone.amax((2, 3)).min())  # each has one
    assert 0.01 < float(stone.mean()) < 0.6
    bare = (stone == 0).expand_as(images)
    assert float(with_stones[bare].max()) <= 0.4 + 1e-6
    assert float((with_stones - images)[(stone > 0.99).expand_as(images)].abs().mean()) > 0.05
    assert 0 <= float(with_stones.min()) < float(with_stones.max()) <= 1
    assert stones(images[:0], torch.Generator())[0].shape == (0, 3, 96, 96)

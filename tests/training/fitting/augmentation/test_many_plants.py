"""Pictures of many plants, and what is known of them."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from training.data.tensors import to_float
from training.fitting.augmentation import many_plants
from training.fitting.augmentation.many_plants import SIDE, Scenes, centres, centres_of_parts, compose_many, connected_parts


@pytest.fixture(scope="module")
def scenes(images):
    squares = images.pixels[:4].flip(1)
    return compose_many(to_float(images.pixels[:8]), squares, torch.Generator().manual_seed(0))


def test_pictures_and_masks(scenes):
    assert scenes.images.shape == (8, 3, SIDE, SIDE)
    assert 0 <= float(scenes.images.min()) < float(scenes.images.max()) <= 1
    assert all(plant.shape == (8, 1, SIDE, SIDE) for plant in scenes.plants)
    shares = torch.stack([plant.mean((1, 2, 3)) for plant in scenes.plants])  # [plants, pictures]
    assert (shares.sum(0) > 0.001).float().mean() > 0.5
    assert len({round(float(share), 4) for share in shares.flatten()}) > 8  # of many sizes


def test_masks_lie_on_green(scenes):
    red, green, blue = scenes.images.unbind(1)
    excess = (2 * green - red - blue)[:, None]
    inside = scenes.plant > 0.9
    assert float(excess[inside].mean()) > float(excess[scenes.plant < 0.1].mean()) + 0.05


def test_each_pixel_is_of_one_plant(scenes):
    assert float(torch.stack(scenes.plants).sum(0).max()) <= 1.01


def test_the_seed_decides(images):
    one, other = (compose_many(to_float(images.pixels[:4]), None, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.plant, other.plant)


def test_turned_pictures_keep_their_masks():
    mark = torch.zeros(1, 1, 8, 8)
    mark[..., 1, 2] = 1
    turned = Scenes(mark.expand(1, 3, 8, 8), [mark], torch.ones(1)).turned(torch.Generator().manual_seed(1))
    assert torch.equal(turned.images[:, :1], turned.plants[0])
    assert float(turned.plants[0].sum()) == 1


def test_hills_stand_on_the_centres():
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 10:51, 8:49] = 1  # centre 30, 28
    tiny = torch.zeros(1, 1, 64, 64)
    tiny[..., 55:58, 55:58] = 1  # nine pixels: none
    hills = centres([mask, tiny], 4)[0, 0]
    top = divmod(int(hills.argmax()), 16)
    assert top == (7, 7)
    assert float(hills[7, 7]) == pytest.approx(1, abs=0.1)
    spread = ((41**2 - 1) / 6) ** 0.5  # radius of gyration of a square
    sigma = 0.35 * spread / 4
    y, x = (30 + 0.5) / 4 - 0.5, (28 + 0.5) / 4 - 0.5
    assert float(hills[9, 4]) == pytest.approx(math.exp(-((9 - y) ** 2 + (4 - x) ** 2) / (2 * sigma**2)), rel=1e-3)
    assert float(hills[13:, 13:].max()) < 1e-3
    assert many_plants.centres([tiny], 4).max() == 0


@pytest.fixture(scope="module")
def masks():
    """Blots, a spiral one pixel wide, pixels that touch at a corner, nothing."""
    blots = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(5)) < 0.45
    spiral = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    row, column, down, across = 2, 2, 0, 1
    for length in (60, 60, 60, 56, 56, 52, 52, 48, 48, 44, 44, 40, 40):
        for _ in range(length):
            spiral[..., row, column] = True
            row, column = min(63, row + down), min(63, column + across)
        down, across = across, -down
    return torch.cat([blots, spiral, torch.eye(64, dtype=torch.bool)[None, None], torch.zeros(1, 1, 64, 64, dtype=torch.bool)])


def test_connected_parts_are_those_of_scipy(masks):
    for mask, labels in zip(masks[:, 0].numpy(), connected_parts(masks)[:, 0].numpy(), strict=True):
        known, count = ndimage.label(mask, np.ones((3, 3)))
        pairs = {(int(one), int(other)) for one, other in zip(known.ravel(), labels.ravel(), strict=True)}
        assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}) == count + (not mask.all())
        assert (0, 0) in pairs


def test_hills_of_connected_parts_are_those_of_their_masks(masks):
    hills, known = centres_of_parts(masks, 4, 30, 12)
    for mask, hill, few in zip(masks, hills, known, strict=True):
        labels, count = ndimage.label(mask[0].numpy(), np.ones((3, 3)))
        parts = [torch.from_numpy(labels == number).float()[None, None] for number in range(1, count + 1)]
        parts = [part for part in parts if part.sum() >= 30]
        assert float(few) == (len(parts) <= 12)
        expected = centres(parts, 4)[0] if parts and few else torch.zeros(1, 16, 16)
        assert torch.allclose(hill, expected, atol=1e-4)
    assert known.tolist().count(1.0) >= 3
    assert float(centres_of_parts(masks, 4, 1, 12)[1][0]) == 0  # blots are more than twelve

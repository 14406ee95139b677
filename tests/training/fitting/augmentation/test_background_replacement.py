"""Plants set on other backgrounds: what is plant stays, what is background goes."""

import pytest
import torch

from training.fitting.augmentation.background_replacement import bare, compose
from training.recipe import FieldScenes

STILL = {"share": 1.0, "scale": (1, 1), "shift": 0, "wide": 0, "stretch": 0, "looks": 0, "second": 0, "sun": 0}
GREEN, BROWN = torch.tensor([0.2, 0.6, 0.15]), torch.tensor([0.4, 0.3, 0.25])
SIDE = 60


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def discs(n=8, radius=12):
    """A green disc in the middle of brown, and its mask by geometry: float [n,3,60,60], [n,1,60,60]."""
    places = torch.arange(SIDE) - (SIDE - 1) / 2
    mask = ((places[:, None] ** 2 + places**2) <= radius**2).float().expand(n, 1, SIDE, SIDE)
    return torch.lerp(BROWN[:, None, None].expand(n, 3, SIDE, SIDE), GREEN[:, None, None].expand(n, 3, SIDE, SIDE), mask), mask


def test_a_moved_plant_keeps_its_colour_and_its_ground_is_gone():
    images, mask = discs()
    scene = compose(images, mask, None, FieldScenes(**STILL | {"others": 0, "photos": 0}), random())
    assert scene.moved.all()
    inside, outside = scene.plants[:, 0] > 0.99, scene.plants[:, 0] < 0.01
    core = torch.nn.functional.avg_pool2d(scene.plants, 7, 1, 3)[:, 0] > 0.999
    assert torch.allclose(scene.images.permute(0, 2, 3, 1)[core], GREEN.expand(int(core.sum()), 3), atol=0.02)
    assert float(inside.float().mean()) == pytest.approx(float(mask.mean()), rel=0.1)  # turned, not scaled
    background = scene.images.permute(0, 2, 3, 1)[outside]
    assert float((background - BROWN).abs().sum(1).lt(0.02).float().mean()) < 0.2


def test_a_photo_as_background():
    images, mask = discs()
    blue = torch.tensor([20, 40, 200], dtype=torch.uint8)[None, :, None, None].expand(3, 3, SIDE, SIDE)
    scene = compose(images, mask, blue, FieldScenes(**STILL | {"others": 0, "photos": 1}), random())
    background = scene.images.permute(0, 2, 3, 1)[scene.plants[:, 0] < 0.01]
    assert (background[:, 2] > 2 * background[:, 0]).all()


def test_share_0_keeps_each_plant_on_its_background():
    images, mask = discs()
    scene = compose(images, mask, None, FieldScenes(**STILL | {"share": 0}), random())
    assert not scene.moved.any()
    assert torch.allclose(scene.images, images, atol=0.45)
    flat = scene.images.permute(0, 2, 3, 1)[scene.plants[:, 0] < 0.01]
    assert torch.allclose(flat, BROWN.expand_as(flat), atol=5e-3)


def test_scale_decides_how_much_of_the_picture_is_plant():
    images, mask = discs(16)
    small = compose(images, mask, None, FieldScenes(**STILL | {"scale": (0.5, 0.5)}), random()).plants
    large = compose(images, mask, None, FieldScenes(**STILL | {"scale": (2, 2)}), random()).plants
    assert float(small.mean()) == pytest.approx(float(mask.mean()) / 4, rel=0.1)
    assert float(large.mean()) == pytest.approx(float(mask.mean()) * 4, rel=0.1)


def test_a_second_plant_stands_at_the_edge():
    images, mask = discs(32, radius=20)
    scene = compose(images, mask, None, FieldScenes(**STILL | {"second": 1.0}), random())
    alone = compose(images, mask, None, FieldScenes(**STILL), random()).plants
    more = (scene.plants - alone).clamp(min=0)
    assert int((more.amax((1, 2, 3)) > 0.5).sum()) > 16
    middle = more[:, :, 24:36, 24:36]
    assert float(middle.mean()) < 0.05


def test_the_seed_decides():
    images, mask = discs()
    settings = FieldScenes(share=0.7)
    once = compose(images, mask, None, settings, random(2))
    again = compose(images, mask, None, settings, random(2))
    assert torch.equal(once.images, again.images)
    assert torch.equal(once.plants, again.plants)
    assert not torch.equal(once.images, compose(images, mask, None, settings, random(3)).images)
    assert once.images.min() >= 0
    assert once.images.max() <= 1


def test_bare_ground_has_no_plant():
    images, mask = discs()
    background = bare(images, mask)
    assert torch.allclose(background, BROWN[:, None, None].expand_as(background), atol=0.03)

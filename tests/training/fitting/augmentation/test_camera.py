"""Light and camera, each by a value that can be reckoned by hand."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from training.fitting.augmentation import camera
from training.fitting.augmentation.camera import blurred, fringed, jpeg, photograph, shadowed
from training.recipe import Camera

STILL = {"share": 1.0, "light": (1, 1), "colour": 0, "tone": 0, "blur": 0.3, "fringe": 0, "few_pixels": 0, "noise": 0, "jpeg": 0}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def some_images(n=6, side=48):
    coarse = torch.rand(n, 3, 6, 6, generator=random(1))
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear").clamp(0.05, 0.95)


def test_off_it_gives_the_very_images():
    images = some_images()
    assert photograph(images, Camera(), random()) is images


def test_each_image_has_its_own_chance():
    images = some_images(200, 16)
    share = torch.cat([torch.zeros(100), torch.full((100,), 0.5)])
    changed = (photograph(images, Camera(**STILL | {"light": (0.5, 0.5)}), random(), share) - images).abs().amax((1, 2, 3)) > 0.01
    assert not changed[:100].any()
    assert 30 < int(changed[100:].sum()) < 70


@pytest.mark.parametrize("factor", [0.3, 0.8, 1.05])
def test_light_is_a_factor(factor):
    images = some_images()
    lit = photograph(images, Camera(**STILL | {"light": (factor, factor)}), random())
    flat = blurred(images * factor, torch.full((6,), 0.3))  # the least blur hardly changes smooth images
    assert torch.allclose(lit, flat.clamp(0, 1), atol=0.02)


def test_all_together_stay_in_range_and_follow_the_seed():
    images = some_images()
    settings = Camera(share=1.0)
    once = photograph(images, settings, random(3))
    assert once.shape == images.shape
    assert once.min() >= 0
    assert once.max() <= 1
    assert torch.equal(once, photograph(images, settings, random(3)))
    assert not torch.equal(once, photograph(images, settings, random(4)))


def test_blur_spreads_a_point_as_a_gauss_of_its_own_width():
    points = torch.zeros(3, 1, 21, 21)
    points[:, :, 10, 10] = 1
    spread = blurred(points, torch.tensor([0.0, 1.0, 2.0]))
    assert torch.allclose(spread[0], points[0], atol=1e-6)
    assert torch.allclose(spread.sum((1, 2, 3)), torch.ones(3), atol=1e-4)
    places = torch.arange(21.0) - 10
    for image, sigma in ((1, 1.0), (2, 2.0)):
        variance = float((spread[image, 0].sum(0) * places**2).sum())
        assert variance == pytest.approx(sigma**2, rel=0.05)


def test_fringes_move_red_and_blue_alone():
    image = torch.zeros(1, 3, 5, 5)
    image[:, :, 2, 2] = 1
    where = [tuple(channel.nonzero()[0].tolist()) for channel in fringed(image)[0]]
    assert where == [(2, 3), (2, 2), (1, 2)]


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_jpeg_is_near_what_pillow_leaves(subsampling: str):
    images = (some_images(2, 50) + 0.05 * torch.randn(2, 3, 50, 50, generator=random())).clamp(0, 1)
    halved = torch.full((2,), subsampling == "4:2:0")
    for quality in (30, 60, 90):
        ours = jpeg(images, torch.full((2,), float(quality)), halved)
        for image, left in zip(images, ours, strict=True):
            stream = io.BytesIO()
            picture = Image.fromarray(image.mul(255).round().byte().permute(1, 2, 0).numpy())
            picture.save(stream, "JPEG", quality=quality, subsampling=subsampling)
            theirs = torch.from_numpy(np.asarray(Image.open(stream)) / 255).permute(2, 0, 1).float()
            lost = float((image - theirs).abs().mean())
            assert float((left - theirs).abs().mean()) < 0.6 * lost + 0.004
            assert float((image - left).abs().mean()) == pytest.approx(lost, rel=0.4, abs=0.004)


def test_jpeg_halves_the_colours_of_some_images_alone():
    lines = torch.zeros(2, 3, 16, 16)
    lines[:, 0, :, ::2], lines[:, 2, :, 1::2] = 1, 0.6  # red and blue in turns, hardly lighter or darker
    kept, halved = jpeg(lines, torch.full((2,), 95.0), torch.tensor([False, True]))
    assert torch.equal(kept, jpeg(lines, torch.full((2,), 95.0))[0])
    assert float((kept[0] - kept[2]).std()) > 5 * float((halved[0] - halved[2]).std())


def test_colours_are_quantised_once(monkeypatch):
    quantised, seen = camera.quantised, []
    monkeypatch.setattr(camera, "quantised", lambda planes, *given: seen.append(planes.shape) or quantised(planes, *given))
    jpeg(some_images(5, 32), torch.full((5,), 80.0), torch.arange(5) < 2)
    assert sorted(tuple(shape) for shape in seen) == [(2, 2, 16, 16), (3, 2, 32, 32), (5, 1, 32, 32)]


def test_a_camera_halves_the_colours_of_a_share():
    images = some_images(1, 32).expand(64, 3, 32, 32)
    settings = STILL | {"jpeg": 1.0, "jpeg_quality": (90, 90)}
    usual, some = (photograph(images, Camera(**settings, jpeg_halved=share), random()) for share in (0.0, 0.5))
    assert 20 <= int((usual != some).flatten(1).any(1).sum()) <= 44


def test_few_pixels_leave_no_fine_lines():
    lines = (torch.arange(60) % 2).float().expand(8, 3, 60, 60)
    seen = photograph(lines, Camera(**STILL | {"few_pixels": 1.0, "least_side": 20}), random())
    assert float(seen[:, :, 10:-10, 10:-10].std()) < 0.25 * float(lines.std())


def test_a_shadow_darkens_a_part():
    images = torch.full((40, 3, 32, 32), 0.8)
    dark = shadowed(images, 1.0, random())
    assert (dark <= images + 1e-6).all()
    assert 0.2 < float((dark < 0.6).float().mean()) < 0.8
    assert torch.equal(shadowed(images, 0.0, random()), images)

import pytest
import torch
import torch.nn.functional as F

from training.data.tensors import plants, to_float
from training.fitting.augmentation.augment import augment, mix, resize
from training.recipe import Augment

OFF = {"rotate_degrees": 0, "flip": False, "scale": (1, 1), "shift": 0, "brightness": 0, "contrast": 0, "saturation": 0}


def some_images(n=8):
    return torch.rand(n, 3, 24, 24, generator=torch.Generator().manual_seed(1))


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def test_to_float_scales_to_one():
    assert to_float(torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)).flatten().tolist() == [0.0, 1.0]


def test_resizing_takes_means():
    images = some_images()
    assert resize(images, 24) is images
    fine = torch.arange(24.0) % 2  # columns of 0 and 1, which have to become grey
    smaller = resize(fine.expand(1, 3, 24, 24), 8)
    assert smaller.shape == (1, 3, 8, 8)
    assert torch.allclose(smaller, torch.full_like(smaller, 0.5), atol=0.2)


def test_all_off_changes_nothing():
    images = some_images()
    assert torch.allclose(augment(images, Augment(**OFF), random()), images, atol=1e-5)
    assert augment(images, Augment(enabled=False), random()) is images


def test_each_image_has_its_own_draw():
    one = some_images(1).expand(8, 3, 24, 24)
    changed = augment(one.clone(), Augment(), random())
    assert changed.shape == one.shape
    assert all(not torch.allclose(changed[0], changed[i], atol=1e-3) for i in range(1, 8))
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_the_seed_decides():
    images = some_images()
    assert torch.equal(augment(images, Augment(), random(3)), augment(images, Augment(), random(3)))
    assert not torch.equal(augment(images, Augment(), random(3)), augment(images, Augment(), random(4)))


def test_a_flip_is_a_mirror_image():
    images = some_images(64)
    flipped = augment(images, Augment(**(OFF | {"flip": True})), random())
    mirrored = [torch.allclose(after, before.flip(-1), atol=1e-4) for before, after in zip(images, flipped, strict=True)]
    kept = [torch.allclose(after, before, atol=1e-4) for before, after in zip(images, flipped, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 16 < sum(mirrored) < 48


@pytest.mark.parametrize(("scale", "shrinks"), [((0.5, 0.5), True), ((2, 2), False)])
def test_scale_is_zoom(scale, shrinks):
    square = torch.zeros(1, 3, 64, 64)
    square[..., 24:40, 24:40] = 1  # 16×16 in the middle
    area = augment(square, Augment(**(OFF | {"scale": scale})), random())[
        :, 0, 12:52, 12:52
    ].sum()  # farther out a shrunk image is reflected
    assert area == pytest.approx(64 if shrinks else 1024, rel=0.1)


def test_stretching_pulls_the_sides_apart():
    square = F.pad(torch.ones(1, 3, 20, 20), (20, 20, 20, 20)).expand(64, -1, -1, -1)
    stretched = augment(square, Augment(**OFF, stretch=0.3), random()) > 0.5  # [64,3,60,60]
    width, height = stretched[:, 0].any(1).sum(1), stretched[:, 0].any(2).sum(1)
    assert (width * height / 400).sub(1).abs().max() < 0.2  # the area stays
    ratio = (width / height).log()
    assert 0.4 < ratio.max() < 0.7
    assert -0.7 < ratio.min() < -0.4


def test_rotation_keeps_the_centre_and_turns_the_rest():
    image = torch.zeros(32, 3, 65, 65)
    image[..., 30:35, 30:35] = 1
    image[..., 30:35, 50:60] = 1
    turned = augment(image, Augment(**(OFF | {"rotate_degrees": 180})), random())
    assert (turned[:, 0, 32, 32] > 0.9).all()
    rows = (turned[:, 0].sum(2) > 1).float().argmax(1)  # first lit row of each image
    assert len(set(rows.tolist())) > 5


def test_a_turn_is_that_of_torchvision_counter_clockwise():
    from torchvision.transforms.functional import InterpolationMode, rotate  # two seconds, in this process alone

    drawn = torch.rand(6, 3, 13, 13, generator=random(1))
    images = F.interpolate(drawn, (65, 65), mode="bicubic").clamp(0, 1)  # smooth, so that interpolation hardly matters
    turned = augment(images, Augment(**(OFF | {"rotate_degrees": 50})), random(5))
    angles = (torch.rand(6, generator=random(5)) * 2 - 1) * 50  # the first thing that is drawn
    assert len({angle > 0 for angle in angles.tolist()}) == 2
    centre = (torch.arange(65) - 32).square()
    within = (centre[:, None] + centre[None, :]).sqrt() < 31  # what no corner turns into
    for image, after, angle in zip(images, turned, angles.tolist(), strict=True):
        expected = rotate(image, angle, InterpolationMode.BILINEAR)  # torchvision's angles are counter-clockwise
        assert torch.allclose(after[:, within], expected[:, within], atol=2e-3)
        assert not torch.allclose(after[:, within], rotate(image, -angle, InterpolationMode.BILINEAR)[:, within], atol=0.1)


def test_colour_moves_brightness_not_hue():
    image = torch.tensor([0.2, 0.6, 0.3])[None, :, None, None].expand(16, 3, 8, 8).clone()
    changed = augment(image, Augment(**(OFF | {"brightness": 0.4})), random())[:, :, 0, 0]
    assert torch.allclose(changed / changed.sum(1, keepdim=True), image[:, :, 0, 0] / 1.1, atol=1e-4)
    assert changed.sum(1).std() > 0.1


def some_targets(n=8, species=4):
    return torch.eye(species)[torch.arange(n) % species]


@pytest.mark.parametrize("settings", [Augment(), Augment(mixup=0.4, enabled=False)])
def test_without_mixup_nothing_is_mixed(settings):
    images, targets = some_images(), some_targets()
    mixed = mix(images, targets, settings, random())
    assert mixed[0] is images
    assert mixed[1] is targets


def test_images_and_targets_are_mixed_alike():
    n = 32
    numbers = torch.eye(n)  # as a target, each image has a number of its own: the mixed one tells who lies in it, at which share
    images = some_images(n)
    mixed, targets = mix(images, numbers, Augment(mixup=0.4), random())
    assert torch.allclose(mixed, torch.einsum("nm,mchw->nchw", targets, images), atol=1e-5)
    assert ((targets > 0).sum(1) <= 2).all()
    assert targets.min() >= 0
    assert torch.allclose(targets.sum(1), torch.ones(n))
    assert len(set(targets.diagonal().tolist())) > n // 2  # a share of its own for each


def test_the_seed_decides_what_is_mixed():
    images, targets = some_images(), some_targets()
    once, again, other = (mix(images, targets, Augment(mixup=0.4), random(seed)) for seed in (3, 3, 4))
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1], again[1])
    assert not torch.equal(once[0], other[0])


def on_backgrounds(n=32, side=40):
    """A green square, somewhere in each image, on a background of a grey of the image's own. Returns images and where the squares are."""
    greys = torch.linspace(0.2, 0.9, n)
    images = greys[:, None, None, None].expand(n, 3, side, side).clone()
    squares = torch.zeros(n, 1, side, side, dtype=torch.bool)
    for i in range(n):
        squares[i, :, 4 + i % 16 : 18 + i % 16, 6 + i % 12 : 20 + i % 12] = True
    return torch.where(squares, torch.tensor([0.2, 0.7, 0.2])[:, None, None], images), squares


def test_plants_stay_and_grounds_change():
    images, squares = on_backgrounds()
    changed = augment(images, Augment(**OFF, background=1), random())
    assert torch.allclose(changed[squares.expand_as(images)], images[squares.expand_as(images)], atol=0.05)
    corners = changed[:, 0, 0, 0]  # no square comes near
    assert sorted(corners.tolist()) == pytest.approx(sorted(images[:, 0, 0, 0].tolist()), abs=0.04)  # each background is used once
    assert (corners != images[:, 0, 0, 0]).sum() > 24
    green = plants(changed) > 0.5
    around = torch.nn.functional.max_pool2d(squares.float(), 5, 1, 2) > 0
    assert not green[~around].any()  # the other image's plant did not come along


def test_as_many_grounds_change_as_the_recipe_says():
    images, _ = on_backgrounds(256)
    for share in (0.0, 0.5):
        corners = augment(images, Augment(**OFF, background=share), random())[:, 0, 0, 0]
        assert ((corners - images[:, 0, 0, 0]).abs() > 1e-4).float().mean() == pytest.approx(share, abs=0.1)

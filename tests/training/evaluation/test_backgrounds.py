"""Plants on other backgrounds: the plants stay, the backgrounds go, and who knows plants by their background is found out."""

import torch

from training.data.tensors import plants, to_float
from training.evaluation.backgrounds import accuracy, on_backgrounds

SQUARE = (slice(None), slice(None), slice(14, 26), slice(14, 26))  # in the middle of 40×40
INNER = (slice(None), slice(None), slice(17, 23), slice(17, 23))
CORNER = (slice(None), slice(None), slice(0, 6), slice(0, 6))


def some(n=8):
    """Two species, told apart by their green or by the grey of their background alike: uint8 [N,3,40,40], int64 [N]."""
    labels = torch.arange(n) % 2
    pixels = torch.where(labels[:, None, None, None] == 0, 90, 170).expand(n, 3, 40, 40).to(torch.uint8).clone()
    greens = torch.tensor([[40, 120, 40], [70, 220, 70]], dtype=torch.uint8)[labels]  # [N,3]
    pixels[SQUARE] = greens[:, :, None, None]
    return pixels, labels


def by_plant(pixels):
    bright = (pixels[SQUARE].float().mean((1, 2, 3)) > 90).float()
    return torch.stack([1 - bright, bright], 1)


def by_background(pixels):
    bright = (pixels[CORNER].float().mean((1, 2, 3)) > 130).float()
    return torch.stack([1 - bright, bright], 1)


def test_plants_stay_and_grounds_go():
    pixels, _ = some()
    changed = on_backgrounds(pixels, pixels.roll(1, 0), torch.Generator().manual_seed(0))
    for images in changed.values():
        assert images.shape == pixels.shape
        assert images.dtype == torch.uint8
        assert (images[INNER].int() - pixels[INNER].int()).abs().max() <= 6
        assert (plants(to_float(images))[CORNER] < 0.5).all()
    assert (changed["another photo's"][CORNER].int() - pixels.roll(1, 0)[CORNER].int()).abs().max() <= 6
    assert changed["black"][CORNER].float().mean() < 15 < changed["soil"][CORNER].float().mean() < 90
    assert changed["white"][CORNER].float().mean() > 240


def test_the_draws_are_the_same_each_time():
    pixels, labels = some(300)
    seen = ([], [])
    for answered in seen:
        accuracy(lambda images, answered=answered: answered.append(images) or by_plant(images), pixels, labels)
    assert len(seen[0]) == 3 * 4  # batches, backgrounds
    assert all(torch.equal(one, again) for one, again in zip(*seen, strict=True))


def test_who_knows_the_ground_alone_is_found_out():
    pixels, labels = some(64)
    assert (by_background(pixels).argmax(1) == labels).all()
    assert all(share == 1 for share in accuracy(by_plant, pixels, labels).values())
    assert all(share < 0.7 for share in accuracy(by_background, pixels, labels).values())

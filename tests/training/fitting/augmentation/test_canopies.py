"""Closed canopies, as lawns are."""

import torch

from training.data.tensors import cut_out, to_float
from training.fitting.augmentation.canopies import canopies, grown_over


def layers(images, n=6):
    pixels = to_float(images.pixels[:n])
    return torch.cat([pixels, cut_out(pixels)], 1)


def test_a_canopy_is_green_and_closed_over_most_of_it(images):
    made = canopies(layers(images), 8, 64, torch.Generator().manual_seed(0))
    assert made.shape == (8, 4, 64, 64)
    assert 0 <= float(made.min()) < float(made.max()) <= 1
    plants = made[:, 3]
    assert float(plants.mean()) > 0.5
    red, green, blue, _ = made.unbind(1)
    assert float((2 * green - red - blue)[plants > 0.9].mean()) > float((2 * green - red - blue)[plants < 0.1].mean()) + 0.03


def test_it_grows_over_a_part_of_a_picture_and_leaves_the_rest(images):
    pictures = torch.full((12, 3, 64, 64), 0.4)
    grown, plants = grown_over(pictures, layers(images), torch.Generator().manual_seed(0))
    assert grown.shape == pictures.shape
    assert plants.shape == (12, 1, 64, 64)
    changed = ((grown - pictures).abs() > 1e-3).any(1, keepdim=True)
    assert bool(changed[plants > 0.01].all())
    shares = changed.float().mean((1, 2, 3))
    assert float(shares.min()) < 0.9 < float(shares.max())
    assert grown_over(pictures[:0], layers(images), torch.Generator())[0].shape == (0, 3, 64, 64)

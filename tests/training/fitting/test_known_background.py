"""Telling the background of the training images from any other."""

import pytest
import torch

from training.fitting import known_background
from training.networks.plant_view import Segmenter


def backgrounds(colour, images, seed):
    """Noise around one colour, each picture in a light of its own: uint8 [N,3,64,64]."""
    random = torch.Generator().manual_seed(seed)
    light = 0.7 + 0.6 * torch.rand(images, 1, 1, 1, generator=random)
    pixels = torch.tensor(colour)[:, None, None] * light * (1 + 0.1 * torch.randn(images, 3, 64, 64, generator=random))
    return pixels.clamp(0, 255).to(torch.uint8)


def fitted(seed=0):
    torch.manual_seed(1)
    segmenter = Segmenter().eval()
    grey, blue = backgrounds([120.0, 120.0, 110.0], 64, 0), backgrounds([40.0, 60.0, 160.0], 64, 1)
    known_background.fit(segmenter, grey, backgrounds([120.0, 120.0, 110.0], 64, 2), blue, seed)
    return segmenter


@pytest.fixture(scope="module")
def segmenter():
    return fitted()


def test_others_of_the_kind_are_known_and_no_other_backgrounds(segmenter):
    assert known_background.share(segmenter, backgrounds([120.0, 120.0, 110.0], 64, 2)) >= known_background.KNOWN
    assert known_background.share(segmenter, backgrounds([40.0, 60.0, 160.0], 64, 3)) == 0
    assert known_background.share(segmenter, backgrounds([150.0, 90.0, 50.0], 64, 4)) < 0.1


def test_only_the_gate_learns_and_the_same_seed_gives_the_same(segmenter):
    torch.manual_seed(1)
    before = Segmenter().eval().state_dict()
    first, second = segmenter.state_dict(), fitted().state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], first[name])}
    assert changed == {"ground"}
    assert all(torch.equal(first[name], second[name]) for name in first)

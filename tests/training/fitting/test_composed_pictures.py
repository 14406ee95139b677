"""Composed pictures, in the order of a training's steps."""

import itertools

import pytest
import torch

from training.fitting.composed_pictures import KEPT, ComposedPictures

CPU = torch.device("cpu")


def taken(pixels, workers, first=0, end=KEPT + 2):
    """Of each step: the pictures, the masks of all plants on them, and what is drawn next."""
    found = ComposedPictures(pixels, pixels[:2], 1, 7, workers).steps(first, end, CPU)
    return [(scenes.images, scenes.plant, scenes.known, torch.rand(3, generator=random)) for scenes, random in found]


def same(one, other):
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(itertools.chain(*one), itertools.chain(*other), strict=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:This process .* is multi-threaded")
def test_they_are_the_same_by_any_number_of_processes_and_after_an_interruption(images):
    whole = taken(images.pixels, 0)
    assert [torch.equal(whole[step][0], whole[step + KEPT][0]) for step in range(2)] == [True, False]  # those of 6 are new
    assert not torch.equal(whole[0][3], whole[KEPT][3])  # each use in another light
    assert same(taken(images.pixels, 2), whole)
    assert same(taken(images.pixels, 2, first=5), whole[5:])
    assert same(taken(images.pixels, 0, first=5), whole[5:])


def test_other_seeds_compose_other_pictures(images):
    (one, _), (other, _) = (next(ComposedPictures(images.pixels, None, 1, seed).steps(0, 1, CPU)) for seed in (1, 2))
    assert not torch.equal(one.images, other.images)

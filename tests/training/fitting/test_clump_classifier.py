"""The classifier of clumps: what it learns from, and that it learns."""

import numpy as np
import pytest
import torch

from models_store import clumps
from models_store.plants import Plant
from training.errors import DataError
from training.fitting import clump_classifier
from training.fitting.clump_classifier import ClumpPlan, Parts


def test_what_a_part_holds():
    """Masks of 32×32 pixels, and a map twice as large."""
    masks = np.zeros((3, 32, 32), bool)
    masks[0, 2:8, 2:8] = True  # 36 pixels
    masks[1, 2:8, 8:14] = True  # right beside it
    masks[2, 20:30, 2:30] = True  # 280 pixels, of which a part of 60 is found

    def box(top, left, height, width):
        return Plant(left, top, np.ones((height, width), bool), clump=False)

    one, both = box(4, 4, 12, 12), box(4, 4, 12, 24)
    corner = box(4, 4, 12, 15)  # of the second plant 6 of 36 pixels, of the part 14%
    ground, share = box(30, 30, 10, 10), box(40, 4, 20, 12)
    for part, expected in ((one, 0), (both, 1), (corner, -1), (ground, -1), (share, 0)):
        assert clump_classifier._holds([part], (64, 64), masks).tolist() == [expected], part
    assert clump_classifier._holds([box(40, 4, 20, 12), one], (64, 64), masks).tolist() == [0, 0]
    assert clump_classifier._holds([], (64, 64), masks).tolist() == []


def greenest(photo):
    """A segmenter that takes the greenest quarter of a photo for one part."""
    red, green, blue = photo.astype(float)
    index = 2 * green - red - blue
    return photo, [Plant(0, 0, index >= np.quantile(index, 0.75), clump=False)]


@pytest.mark.slow
def test_parts_are_those_of_composed_pictures_and_of_images(images):
    made = clump_classifier.parts(images.pixels, greenest, 24, 0)
    assert made.crops.shape[1:] == (4, clumps.SIDE, clumps.SIDE)
    assert len(made.crops) == len(made.several)
    assert made.several.any()
    again = clump_classifier.parts(images.pixels, greenest, 24, 0)
    assert torch.equal(made.crops, again.crops)
    assert torch.equal(made.several, again.several)


def test_a_segmenter_that_finds_nothing_is_told(images):
    with pytest.raises(DataError, match="on 8 pictures the segmenter finds no parts of single plants, or none of several"):
        clump_classifier.parts(images.pixels, lambda photo: (photo, []), 8, 0)


def discs(n, random):
    """Crops of one disc, or of two that touch."""
    several = torch.rand(n, generator=random) < 0.4
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    crops = torch.full((n, 4, 64, 64), 90.0)
    crops[:, 3] = 0
    for crop, two in zip(crops, several, strict=True):
        centres = ((32, 18), (32, 46)) if two else ((32, 32),)
        for y, x in centres:
            inside = (rows - y) ** 2 + (columns - x) ** 2 <= (15 if two else 24) ** 2
            crop[1][inside], crop[3][inside] = 170, 255
    return Parts(crops.add(8 * torch.randn(n, 4, 64, 64, generator=random)).clamp(0, 255).to(torch.uint8), several)


@pytest.mark.slow
def test_it_learns_and_its_mistakes_are_counted(monkeypatch):
    monkeypatch.setattr(clump_classifier, "BATCH", 32)
    random = torch.Generator().manual_seed(0)
    network = clump_classifier.train(discs(256, random), ClumpPlan(0, epochs=10))
    held = discs(64, random)

    def counted(held, limit=0.5):
        return clump_classifier.figures(lambda crops: network(crops / 255).sigmoid(), network, held, ClumpPlan(16, seed=3), limit)

    found = counted(held)
    assert (found.pictures, found.seed) == (16, 3)
    assert (found.several, found.single) == (int(held.several.sum()), int((~held.several).sum()))
    assert (found.passed, found.called) == (0, 0)
    wrong = counted(Parts(held.crops, ~held.several))
    assert (wrong.passed, wrong.called) == (wrong.several, wrong.single)
    assert counted(held, 1.1).passed == found.several

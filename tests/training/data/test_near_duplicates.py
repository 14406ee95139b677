import pytest
import torch

from training.data import near_duplicates
from training.data.images import Images
from training.data.split import Split


def made(pixels, train, validation, test):
    n = len(pixels)
    images = Images(["a", "b"], [f"a/{i}.png" for i in range(n)], pixels, torch.arange(n) % 2, [str(i) for i in range(n)])
    return images, Split(train, validation, test, digest="0" * 64)


@pytest.fixture
def photos():
    """uint8 [6,3,150,150] that have nothing to do with one another."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(6, 3, 10, 10, generator=random)
    return (torch.nn.functional.interpolate(coarse, 150, mode="bilinear") * 255).to(torch.uint8)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_turned_darker_copy_is_found(photos, turns, mirror):
    copy = torch.rot90(photos[1], turns, (1, 2)).float() * 0.7 + 10
    photos[4] = (copy.flip(2) if mirror else copy).to(torch.uint8)
    images, split = made(photos, [0, 1], [2, 3], [4, 5])
    first, second = near_duplicates.neighbours(images, split)
    assert (first.row, first.other) == (4, 1)
    assert first.similarity > 0.99
    assert second.similarity < 0.5


def test_twins_inside_one_part_are_no_leak(photos):
    photos[5] = photos[4]
    images, split = made(photos, [0, 1], [2, 3], [4, 5])
    assert all(one.similarity < 0.5 for one in near_duplicates.neighbours(images, split))


def test_the_document_counts_and_takes_them_out(photos):
    photos[4] = photos[3]
    images, split = made(photos, [0, 1], [2, 3], [4, 5])
    answers = torch.tensor([[1.0, 0.0], [1.0, 0.0]])  # right for 4, wrong for 5
    found = near_duplicates.document(images, split, answers, "a model")
    assert found["accuracy"] == 0.5
    assert found["pairs"] == [{"test": "a/4.png", "other": "a/3.png", "in": "validation", "similarity": 1.0}]
    near = next(row for row in found["thresholds"] if row["threshold"] == near_duplicates.NEAR)
    assert near == {"threshold": near_duplicates.NEAR, "near_duplicates": 1, "kept": 1, "accuracy_without": 0.0}


def test_an_even_image_is_like_nothing(photos):
    photos[4] = 128
    images, split = made(photos, [0, 1], [2, 3], [4, 5])
    assert near_duplicates.neighbours(images, split)[0].similarity == 0

"""The batches of an epoch: each row once, however many are made at once."""

import pytest
import torch
import torch.nn.functional as F

from training.fitting.batches import batches
from training.recipe import Augment, Camera, FieldScenes, Recipe

PLAIN = Recipe(network="tiny", epochs=1, augment=Augment(enabled=False))


@pytest.fixture
def made(images):
    """The batches of twelve images, four in each, by recipe and how many are made at once."""
    targets = F.one_hot(images.labels, len(images.species)).float()
    rows = torch.randperm(12, generator=torch.Generator().manual_seed(1)).view(3, 4)

    def make(recipe, ahead):
        random = torch.Generator().manual_seed(2)

        def answers(shown):
            return shown.flatten(1)[:, :3].softmax(1)

        return rows, list(
            batches(images.pixels, targets, rows, recipe, 150, ahead, random, None, torch.arange(len(images.files)) < 4, answers)
        )

    return make


@pytest.mark.parametrize("ahead", [1, 2, 8])
def test_each_row_once_with_its_target_and_the_teachers_answer(made, images, ahead):
    rows, found = made(PLAIN, ahead)
    assert len(found) == 3
    for batch, row in zip(found, rows, strict=True):
        assert torch.equal(batch.images, images.pixels[row].float() / 255)
        assert torch.equal(batch.targets.argmax(1), images.labels[row])
        assert torch.equal(batch.answers, batch.images.flatten(1)[:, :3].softmax(1))
        assert not batch.moved.any()


@pytest.mark.parametrize("ahead", [1, 3])
def test_the_camera_of_images_seen_again_and_again_is_that_of_their_rows(made, images, ahead):
    rows, found = made(PLAIN.model_copy(update={"camera": Camera(repeated_share=1.0)}), ahead)
    for batch, row in zip(found, rows, strict=True):
        changed = (batch.images != images.pixels[row].float() / 255).flatten(1).any(1)
        assert torch.equal(changed, row < 4)


@pytest.mark.parametrize("ahead", [1, 3])
def test_moved_plants_are_told_from_others(made, images, ahead):
    recipe = Recipe(network="tiny", epochs=1, field=FieldScenes(share=0.5, second=0, sun=0, wide=1, wide_scale=(3, 4)))
    _, found = made(recipe, ahead)
    assert 0 < sum(int(batch.moved.sum()) for batch in found) < 12


def test_images_are_mixed_within_their_batch(made, images):
    rows, found = made(Recipe(network="tiny", epochs=1, augment=Augment(mixup=0.4)), 3)
    for batch, row in zip(found, rows, strict=True):
        there = set(images.labels[row].tolist())
        assert {species for species in range(3) if batch.targets[:, species].any()} <= there
        assert torch.allclose(batch.targets.sum(1), torch.ones(4))

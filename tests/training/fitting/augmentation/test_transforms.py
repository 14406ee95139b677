"""What a network in training is shown: augmentation, field and camera in their order."""

import pytest
import torch

from training.data.tensors import cut_out, to_float
from training.fitting.augmentation.augment import augment, resize
from training.fitting.augmentation.background_replacement import compose
from training.fitting.augmentation.transforms import transformed
from training.recipe import Augment, Camera, FieldScenes, Recipe

FIELD = FieldScenes(share=0.5)


def random():
    return torch.Generator().manual_seed(5)


def recipe(**parts):
    return Recipe(network="tiny", epochs=1, **parts)


@pytest.fixture
def pixels(images):
    return images.pixels[:12]


def test_with_all_off_images_are_as_they_are(pixels):
    shown = transformed(pixels, recipe(augment=Augment(enabled=False)), None, random())
    assert torch.equal(shown.images, to_float(pixels))
    assert not shown.moved.any()


def test_images_are_made_smaller_before_they_are_changed(pixels):
    shown = transformed(pixels, recipe(), None, random(), side=90).images
    assert torch.equal(shown, augment(resize(to_float(pixels), 90), Augment(), random()))


def test_a_field_takes_the_place_of_the_augmentation(pixels):
    images = to_float(pixels)
    expected = compose(images, cut_out(images), None, FIELD, random())
    shown = transformed(pixels, recipe(field=FIELD), None, random())
    assert torch.equal(shown.images, expected.images)
    assert torch.equal(shown.moved, expected.moved)


@pytest.mark.parametrize("field", [FieldScenes(), FIELD], ids=["augmented", "in a field"])
def test_the_camera_may_change_what_is_seen_again_and_again_alone(pixels, field):
    repeated = torch.arange(len(pixels)) % 3 == 0
    plain = transformed(pixels, recipe(field=field), None, random()).images.clamp(1e-4, 1)  # as far as a camera sees
    camera = Camera(share=0.0, repeated_share=1.0)
    shown = transformed(pixels, recipe(field=field, camera=camera), None, random(), repeated=repeated).images
    assert torch.equal((shown - plain).abs().flatten(1).amax(1) > 1e-6, repeated)
    unknown = transformed(pixels, recipe(field=field, camera=camera), None, random()).images  # which of them are
    assert torch.equal(unknown.clamp(1e-4, 1), plain)


@pytest.mark.parametrize(("camera", "whose"), [({"own_share": 0.0}, "moved"), ({"own_share": 1.0}, "all"), ({}, "all")])
def test_the_camera_may_leave_images_on_their_own_ground_alone(pixels, camera, whose):
    images = to_float(pixels)
    scene = compose(images, cut_out(images), None, FIELD, random())
    shown = transformed(pixels, recipe(field=FIELD, camera=Camera(share=1.0, **camera)), None, random()).images
    changed = (shown != scene.images).flatten(1).any(1)
    assert 0 < int(scene.moved.sum()) < len(pixels)
    assert torch.equal(changed, scene.moved if whose == "moved" else torch.ones_like(changed))

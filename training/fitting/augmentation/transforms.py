"""The transforms of a recipe, one after the other: what a network in training is shown of its images."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from training.data.tensors import cut_out, to_float
from training.fitting.augmentation.augment import augment, resize
from training.fitting.augmentation.background_replacement import compose
from training.fitting.augmentation.camera import photograph
from training.recipe import Recipe


class Transformed(NamedTuple):
    """Images as they are shown."""

    images: Tensor  # float [N,3,side,side] in 0–1
    moved: Tensor  # bool [N], whether the plant stands on a background that is not its own


def transformed(
    pixels: Tensor,
    recipe: Recipe,
    backgrounds: Tensor | None,
    random: Generator,
    side: int | None = None,
    repeated: Tensor | None = None,
) -> Transformed:
    """Images in the recipe's field and before its camera: uint8 [N,3,S,S] → a view.

    backgrounds: squares of photos to set plants on, uint8 [M,3,S,S], where the pixels are, or None. `random` is a CPU generator, so
    that a seed gives the same draws on every device. Where a recipe has a `[field]`, its geometry takes the place of `[augment]`'s.
    repeated: bool [N], which of them are seen several times in an epoch; None: none.
    """
    images = to_float(pixels)
    moved = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    if recipe.field.share:
        scene = compose(images, cut_out(images), backgrounds, recipe.field, random)
        images, moved = scene.images, scene.moved
    if side is not None:
        images = resize(images, side)
    if not recipe.field.share:
        images = augment(images, recipe.augment, random)
    return Transformed(photograph(images, recipe.camera, random, _chances(recipe, moved, repeated)), moved)


def _chances(recipe: Recipe, moved: Tensor, repeated: Tensor | None) -> Tensor | None:
    """The chance of each image to be changed by the camera, float [N] on the CPU; None where it is that of the recipe for all."""
    camera = recipe.camera
    chances = None
    if recipe.field.share and camera.share:
        chances = torch.where(moved.cpu(), camera.share, camera.share if camera.own_share is None else camera.own_share)
    if repeated is not None and camera.repeated_share is not None:
        others = torch.full((len(moved),), camera.share) if chances is None else chances
        chances = torch.where(repeated.cpu(), camera.repeated_share, others)
    return chances

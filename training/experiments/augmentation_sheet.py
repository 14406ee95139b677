"""What a network learns from, as one picture: images of every species, augmented."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.atomic_files import write_atomically
from training.data.images import Images
from training.fitting.augmentation.transforms import transformed
from training.recipe import Recipe

_COLUMNS = 12


def write(images: Images, recipe: Recipe, backgrounds: torch.Tensor | None, out: Path, count: int) -> None:
    """Draw `count` images in turn of every species as the recipe shows them in training, as a PNG. Raises DiskError."""
    random = torch.Generator().manual_seed(recipe.seed)
    order = torch.randperm(len(images.labels), generator=random)
    # The n-th image of each species before the (n+1)-th of any, so that all are seen.
    turn = torch.zeros(len(order), dtype=torch.int64)
    for label in range(len(images.species)):
        rows = (images.labels[order] == label).nonzero()[:, 0]
        turn[rows] = torch.arange(len(rows)) * len(images.species) + label
    chosen = order[turn.argsort()[:count]]
    shown = transformed(images.pixels[chosen], recipe, backgrounds, random).images.mul(255).round().to(torch.uint8).numpy()  # [n,3,S,S]
    side = shown.shape[-1]
    sheet = np.full((-(-len(shown) // _COLUMNS) * side, min(_COLUMNS, len(shown)) * side, 3), 255, np.uint8)
    for number, image in enumerate(shown):
        top, left = number // _COLUMNS * side, number % _COLUMNS * side
        sheet[top : top + side, left : left + side] = image.transpose(1, 2, 0)
    write_atomically(out, lambda stream: Image.fromarray(sheet).save(stream, "PNG"))

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
    batches = (
        images.pixels[rows] for rows in torch.split(chosen, recipe.batch_size)
    )  # as in training: plants get the backgrounds of their batch
    shown = (image for batch in batches for image in transformed(batch, recipe, backgrounds, random).images)  # float [3,S,S] in 0–1
    side = images.pixels.shape[-1]
    sheet = np.full((-(-len(chosen) // _COLUMNS) * side, min(_COLUMNS, len(chosen)) * side, 3), 255, np.uint8)
    for number, image in enumerate(shown):
        top, left = number // _COLUMNS * side, number % _COLUMNS * side
        sheet[top : top + side, left : left + side] = image.mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    write_atomically(out, lambda stream: Image.fromarray(sheet).save(stream, "PNG"))

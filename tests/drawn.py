"""Images that tests draw themselves: simple plants on gravel, one shape and hue for each species."""

import io
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw

SPECIES = ("Maize", "Charlock", "Sugar beet", "Cleavers", "Fat Hen", "Black-grass")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image file in one of Pillow's formats, or HEIF."""
    if kind == "HEIF":
        pillow_heif.register_heif_opener(thumbnails=False)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def plant(species: int, seed: int, side: int = 150) -> Image.Image:
    """One seedling from above: `species + 2` leaves of a species' own green, turned and shaded at random."""
    random = np.random.default_rng([species, seed])
    gravel = random.integers(90, 170, (side // 5 + 1, side // 5 + 1, 1)) + random.integers(-15, 15, (side // 5 + 1, side // 5 + 1, 3))
    image = Image.fromarray(gravel.clip(0, 255).astype(np.uint8)).resize((side, side))
    draw = ImageDraw.Draw(image)
    leaves, turn, length = species + 2, random.uniform(0, 2 * np.pi), side * random.uniform(0.3, 0.42)
    colour = (20 + 35 * (species % 3), 120 + int(random.integers(0, 40)), 20 + 45 * (species // 3))
    for leaf in range(leaves):
        angle = turn + 2 * np.pi * leaf / leaves
        tip = side / 2 + length * np.array([np.cos(angle), np.sin(angle)])
        aside = side * 0.06 * np.array([-np.sin(angle), np.cos(angle)])
        middle = (side / 2 + tip) / 2
        draw.polygon([(side / 2, side / 2), tuple(middle + aside), tuple(tip), tuple(middle - aside)], fill=colour)
    return image


def folder(root: Path, species: int = 3, images: int = 12) -> Path:
    """A data folder of `species` × `images` drawn PNGs. Returns `root`."""
    for label in range(species):
        (root / SPECIES[label]).mkdir(parents=True)
        for number in range(images):
            plant(label, number).save(root / SPECIES[label] / f"{number:03}.png")
    return root

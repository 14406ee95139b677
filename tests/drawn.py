"""Images that tests draw themselves: simple plants on gravel, one shape and hue for each species."""

import functools
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


@functools.cache  # a large one of fine blades takes seconds; not to be drawn upon
def lawn(
    seed: int,
    size: tuple[int, int] = (640, 480),
    *,
    width: tuple[float, float] = (2, 6),
    length: tuple[float, float] = (30, 90),
    colour: tuple[int, int, int] = (75, 125, 45),
    dry: float = 0.1,
    shadow: float = 0.0,
) -> Image.Image:
    """Blades of random directions all over a photo; `dry` is the share of straw-coloured ones, `shadow` how deep large shadows are."""
    random = np.random.default_rng(seed)
    photo = Image.new("RGB", size, tuple(round(0.5 * value) for value in colour))
    draw = ImageDraw.Draw(photo)
    for _ in range(round(3 * size[0] * size[1] / (np.mean(width) * np.mean(length)))):
        start, angle = random.uniform(-20, 20 + np.array(size)), random.uniform(0, 2 * np.pi)
        along = random.uniform(*length) * np.array([np.cos(angle), np.sin(angle)])
        bent = start + along / 2 + random.normal(0, 0.05 * length[1], 2)
        own = np.array((165, 150, 95) if random.random() < dry else colour * (1 + random.normal(0, 0.08, 3)))
        fill = tuple(int(value) for value in (own * np.exp(random.normal(0, 0.25))).clip(0, 255))
        draw.line([tuple(start), tuple(bent), tuple(start + along)], fill, round(random.uniform(*width)), "curve")
    light = np.asarray(Image.fromarray(random.random((4, 5)).astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
    return Image.fromarray((np.asarray(photo) * (1 - shadow * light.clip(0, 1))[..., None]).astype(np.uint8))


def cloth(
    seed: int,
    size: tuple[int, int] = (640, 480),
    *,
    colour: tuple[int, int, int] = (40, 120, 55),
    weave: float = 0.0,
    thread: float = 6.0,
    folds: float = 0.0,
    noise: float = 0.0,
) -> Image.Image:
    """Cloth of one colour; `weave` and `folds` are how much they change its brightness, `thread` is in pixels."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[1], : size[0]]
    turn = random.uniform(0, 2 * np.pi)
    light = 1 + weave * np.sin(2 * np.pi * x / thread) * np.sin(2 * np.pi * y / thread)
    light += folds * np.sin(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / 150)
    values = np.array(colour) * light[..., None] + random.normal(0, noise, (*x.shape, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))

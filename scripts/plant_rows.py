"""How well masks of small plants on large photos fit, with edges by colour and without: rows of plants that were set on drawn soil.

python -m scripts.plant_rows --data DIR --split validation

DIR is the Plant Seedlings data set. On each photo of 12 megapixels stand 40 plants of one species, 2 to 6% of its width. They are cut
out of their images by greenness. So their true masks are known, but what is not green is no part of them.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models_store import store
from models_store.greenness import excess_green
from training.data import images, split
from training.evaluation.detection_metrics import otsu
from training.publishing import photo_segmenter

WIDTH, HEIGHT, ACROSS, DOWN = 4000, 3000, 10, 4
SOILS = ((120, 95, 72), (128, 124, 118), (90, 70, 55), (150, 125, 100))  # mean colours
PLANTS = (  # species, and size as a share of the width
    ("Charlock", 0.05),
    ("Cleavers", 0.03),
    ("Common Chickweed", 0.02),
    ("Maize", 0.06),
    ("Scentless Mayweed", 0.02),
    ("Shepherds Purse", 0.04),
    ("Small-flowered Cranesbill", 0.05),
    ("Sugar beet", 0.03),
)
_LARGEST = 1000  # pixels a side at which an image is cut
_LEAST = 1200  # pixels of a plant; smaller ones are not sharp enough
Floats = NDArray[np.float64]


def cut(file: Path) -> tuple[Floats, Floats] | None:
    """The largest plant of an image: [h,w,3] and its mask [h,w]. None where it is too small."""
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    image.thumbnail((_LARGEST, _LARGEST), Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    smooth = ndimage.gaussian_filter(pixels.transpose(2, 0, 1).astype(float), (0, 1, 1)).astype(np.uint8)
    green = excess_green(smooth)
    plant = ndimage.binary_opening(green > max(0.12, 0.9 * otsu(green)))
    labels, count = ndimage.label(ndimage.binary_dilation(plant, iterations=8))
    if not count:
        return None
    plant &= labels == np.argmax(np.bincount(labels[plant], minlength=count + 1)[1:]) + 1
    if plant.sum() < _LEAST:
        return None
    (box,) = ndimage.find_objects(plant.astype(np.int32))
    return pixels[box].astype(float), plant[box].astype(float)


def soil(random: np.random.Generator, colour: tuple[int, int, int]) -> Floats:
    """Drawn soil with clods and grains of all sizes, [HEIGHT,WIDTH,3]."""
    shade, hue = np.zeros((HEIGHT, WIDTH)), enlarged(random.normal(size=(HEIGHT // 12, WIDTH // 12)))
    for grains, contrast in ((6, 0.25), (24, 0.2), (90, 0.25), (300, 0.3), (900, 0.3), (2400, 0.22)):
        shade += contrast * enlarged(random.normal(size=(max(2, HEIGHT * grains // WIDTH), grains)))
    drawn: Floats = np.array(colour) * np.exp(0.3 * shade)[..., None] + hue[..., None] * np.array([3, 0, -3])
    return drawn


def enlarged(values: Floats) -> Floats:
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), float)


def rows(files: list[Path], size: float, colour: tuple[int, int, int], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A photo uint8 [3,HEIGHT,WIDTH] with plants of these images in rows, and which of its pixels are plant."""
    random = np.random.default_rng(seed)
    photo, truth = soil(random, colour), np.zeros((HEIGHT, WIDTH))
    plants = cycled(files, random)
    for number in range(ACROSS * DOWN):
        pixels, mask = (np.rot90(one, number % 4) for one in next(plants))
        scale = min(1, size * np.exp(random.normal(0, 0.25)) * WIDTH / max(mask.shape))
        width, height = (max(4, round(length * scale)) for length in (mask.shape[1], mask.shape[0]))
        *colours, leaf = (
            np.asarray(Image.fromarray(layer.astype(np.float32)).resize((width, height), Image.Resampling.BOX))
            for layer in (*np.moveaxis(pixels * mask[..., None], 2, 0), mask)
        )
        x = int((number % ACROSS + 0.5 + random.normal(0, 0.12)) * WIDTH / ACROSS - width / 2)
        y = int((number // ACROSS + 0.5 + random.normal(0, 0.06)) * HEIGHT / DOWN - height / 2)
        x, y = min(max(x, 0), WIDTH - width), min(max(y, 0), HEIGHT - height)
        there = slice(y, y + height), slice(x, x + width)
        shadow = 1 - 0.35 * ndimage.gaussian_filter(leaf, 3)
        photo[there] = photo[there] * (shadow * (1 - leaf))[..., None] + np.stack(colours, -1)
        truth[there] = np.maximum(truth[there], leaf)
    photo = ndimage.gaussian_filter(photo, (0.7, 0.7, 0)) + random.normal(0, 4, photo.shape)
    return np.ascontiguousarray(photo.clip(0, 255).astype(np.uint8).transpose(2, 0, 1)), truth >= 0.5


def cycled(files: list[Path], random: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
    """The plants of these images in random order, again and again."""
    plants = [plant for plant in (cut(files[number]) for number in random.permutation(len(files))) if plant is not None]
    while True:
        yield from plants


def main() -> None:
    """Print a line for each species."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True)
    asked.add_argument("--split", choices=("train", "validation"), default="validation")
    asked.add_argument("--artifact", default="seedlings-segmenter/14")
    options = asked.parse_args()
    data = images.load(options.data, Path.home() / ".cache" / "seedlings")
    chosen = [data.files[number] for number in getattr(split.of(data), options.split)]
    segmenter = photo_segmenter.of_artifact(store.named_version(options.artifact))
    for number, (species, size) in enumerate(PLANTS):
        files = [options.data / file for file in chosen if file.startswith(f"{species}/")]
        photo, truth = rows(files, size, SOILS[number % len(SOILS)], number)
        seen = segmenter.segment(photo)
        told = []
        for values in (seen.plant, seen.leaf):
            found = np.asarray(Image.fromarray(values).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)) >= segmenter.thresholds.plant
            told.append(f"IoU {(found & truth).sum() / (found | truth).sum():.3f}, area {found.sum() / truth.sum() - 1:+.0%}")
        print(
            f"{species}, {size:.0%} of the width: {told[0]}; with edges by colour {told[1]}; {len(seen.plants(segmenter.thresholds))} boxes"
        )


if __name__ == "__main__":
    main()

"""Images that are drawn here, with the detail of a photo; nothing has to be downloaded to measure."""

import io
import math
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageDraw


def photo(width: int, height: int, generator: np.random.Generator, shape: int = 20, grain: float = 4) -> Image.Image:
    """Soft shapes of about `shape` pixels under the noise of a sensor, `grain` grey levels of standard deviation."""
    coarse = generator.integers(0, 256, (height // shape + 1, width // shape + 1, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    return Image.fromarray(np.clip(smooth + generator.normal(0, grain, smooth.shape), 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image file in one of Pillow's formats, or HEIF."""
    if kind == "HEIF":
        pillow_heif.register_heif_opener(thumbnails=False)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def field(width: int, height: int, plants: int, generator: np.random.Generator) -> Image.Image:
    """Brown soil under the noise of a sensor, with plants of five or six leaves that do not touch, in rows."""
    soil = np.asarray(photo(width, height, generator, shape=60, grain=8).convert("L"))[..., None] / 255
    image = Image.fromarray((np.array([70, 52, 40]) + soil * [70, 58, 48]).astype(np.uint8))
    columns = math.ceil(math.sqrt(plants * width / height))
    cell = min(width / columns, height / math.ceil(plants / columns))
    for number in range(plants):
        row, column = divmod(number, columns)
        middle = (np.array([column, row]) + 0.5) * cell
        turn, leaves = generator.uniform(0, 2 * math.pi), int(generator.integers(5, 7))
        for leaf in range(leaves):
            angle, length = turn + 2 * math.pi * leaf / leaves, cell * generator.uniform(0.28, 0.4)
            colour = tuple(int(value) for value in generator.uniform((55, 120, 30), (95, 170, 60)))
            _leaf(image, middle, angle, length, colour)
    return image


def _leaf(image: Image.Image, stem: NDArray[np.float64], angle: float, length: float, colour: tuple[int, ...]) -> None:
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    steps = np.linspace(0, 1, 12)
    breadth = 0.16 * length * np.sin(math.pi * steps)
    edges = [stem + np.outer(steps * length, along) + side * np.outer(breadth, across) for side in (1, -1)]
    ImageDraw.Draw(image).polygon([tuple(point) for point in (*edges[0], *edges[1][::-1])], fill=colour)


def small_png() -> bytes:
    """A PNG of 150 × 150 pixels, the size of the training images."""
    return encoded(photo(150, 150, np.random.default_rng(0)), "PNG")


def make(folder: Path) -> None:
    """A small PNG, a 1-megapixel and two 12-megapixel JPEGs, as files.

    What a JPEG takes to decode follows its bytes: the grainy one has 2.9 MB, the smooth one 1.2 MB; a photo of the data
    set enlarged to that size has 0.8 MB.
    """
    generator = np.random.default_rng(0)
    (folder / "png-150.png").write_bytes(encoded(photo(150, 150, generator), "PNG"))
    (folder / "jpeg-1mp.jpg").write_bytes(encoded(photo(1000, 1000, generator), "JPEG", quality=90))
    (folder / "jpeg-12mp.jpg").write_bytes(encoded(photo(4000, 3000, generator), "JPEG", quality=90))
    (folder / "jpeg-12mp-smooth.jpg").write_bytes(encoded(photo(4000, 3000, generator, shape=60, grain=0), "JPEG", quality=90))

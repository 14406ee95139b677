"""Images that are drawn here, with the detail of a photo; nothing has to be downloaded to measure."""

import io
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image


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

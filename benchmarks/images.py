"""Images that are drawn here, with the detail of a photo; nothing has to be downloaded to measure."""

import io
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image


def photo(width: int, height: int, generator: np.random.Generator) -> Image.Image:
    """Soft shapes under the noise of a sensor."""
    coarse = generator.integers(0, 256, (height // 20 + 1, width // 20 + 1, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    return Image.fromarray(np.clip(smooth + generator.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8))


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
    """A small PNG, a 1-megapixel and a 12-megapixel JPEG, as files."""
    generator = np.random.default_rng(0)
    (folder / "png-150.png").write_bytes(encoded(photo(150, 150, generator), "PNG"))
    (folder / "jpeg-1mp.jpg").write_bytes(encoded(photo(1000, 1000, generator), "JPEG", quality=90))
    (folder / "jpeg-12mp.jpg").write_bytes(encoded(photo(4000, 3000, generator), "JPEG", quality=90))

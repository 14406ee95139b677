"""Image file → uint8 [3, size, size]: the one decoding and the one resize that training and service share.

PixelsError
├── UnsupportedFormat    not an image format that is read here
└── UndecodableImage     broken, truncated, too large or too small
"""

import contextlib
import functools
import io
import threading
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

SIZE = 150  # pixels a side, the input of the report's networks
MIN_SIDE = 8  # pixels; under it there is nothing to recognise
MAX_PIXELS = 64_000_000  # default limit, well over a phone's 50-megapixel photo
LARGE_PIXELS = 16_000_000  # over it one image is decoded at a time: decoders take up to 16 bytes a pixel
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")  # a list, not whatever Pillow opens
_ORIENTATION = 0x0112  # EXIF tag
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PixelsError(ValueError):
    """Base of what can be wrong with an image file; the message is fit for a client."""


class UnsupportedFormat(PixelsError):
    """The file is of no image format that is read here."""


class UndecodableImage(PixelsError):
    """The file is of a format we read, but cannot be turned into pixels within the limits."""


def decode(source: bytes | Path, size: int = SIZE, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an image file, cut its central square and scale it: uint8 [3, size, size], RGB.

    The training images are square crops around one plant, hence the square. The first frame counts, EXIF orientation
    is obeyed, transparency is laid on white, 16-bit channels are scaled to 8. Size limits are checked on the header,
    before pixels are allocated. Raises UnsupportedFormat or UndecodableImage.
    """
    _register_heif()
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
    except FileNotFoundError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UndecodableImage(f"the image has more than {max_pixels} pixels; scale it down") from None
    except UnidentifiedImageError:
        raise UnsupportedFormat(f"not an image of a format read here ({', '.join(FORMATS)})") from None
    except Exception as error:  # plugins raise all sorts on a broken header
        raise UndecodableImage(f"the image cannot be decoded: {_reason(error)}") from None
    with image:
        _check_size(image, max_pixels)
        try:
            # A JPEG is decoded at the smallest scale that still has twice the pixels needed on each side.
            image.draft(None, (2 * size, 2 * size))
            with _large if image.width * image.height > LARGE_PIXELS else contextlib.nullcontext():
                image.load()
                square = _square(image, size)
            transpose = _TRANSPOSE.get(_orientation(image))
            rgb = _opaque(square if transpose is None else square.transpose(transpose))
            pixels = np.asarray(rgb)  # [size, size, 3]
        except Exception as error:  # truncated or damaged data, as each plugin puts it
            raise UndecodableImage(f"the image cannot be decoded: {_reason(error)}") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))  # [3, size, size]


_large = threading.Lock()
_heif_lock = threading.Lock()


def _register_heif() -> None:
    # Pillow's plugin registry is filled on first use; two threads that decode their first image must not race for it.
    with _heif_lock:
        _register_heif_once()


@functools.cache
def _register_heif_once() -> None:
    pillow_heif.register_heif_opener(thumbnails=False)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise UndecodableImage(f"the image has {width}×{height} pixels, more than the {max_pixels} allowed; scale it down")
    if min(width, height) < MIN_SIDE:
        raise UndecodableImage(f"the image has {width}×{height} pixels; each side needs at least {MIN_SIDE}")


def _square(image: Image.Image, size: int) -> Image.Image:
    """The central square, scaled: RGB or RGBA, 8 bits a channel."""
    if image.mode.startswith(("I", "F")):
        wide = image.convert("F")
        peak = wide.getextrema()[1]
        assert isinstance(peak, float)
        scale = 255 if image.mode == "F" and peak <= 1 else 1 if peak <= 255 and not image.mode.startswith("I;16") else 1 / 257
        values = np.asarray(_central_square(wide, size)) * scale  # only now, when they are few
        return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8)).convert("RGB")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return _central_square(image if image.mode == mode else image.convert(mode), size)


def _central_square(image: Image.Image, size: int) -> Image.Image:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2  # half pixels are fine, and keep the cut symmetric
    return image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side), reducing_gap=3.0)


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block is no reason to refuse the pixels
        return 1


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]

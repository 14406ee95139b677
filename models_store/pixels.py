"""Image file → uint8 [3, size, size]: the one decoding and the one resize that training and service share."""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import AvifImagePlugin, BmpImagePlugin, GifImagePlugin, Image, WebPImagePlugin

from models_store.containers import isobmff, jpeg, png, tiff
from models_store.containers.opened import Opened
from models_store.errors import PixelsError, UndecodableImage, UnsupportedFormat

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MIN_SIDE",
    "SIZE",
    "Picture",
    "PixelsError",
    "UndecodableImage",
    "UnsupportedFormat",
    "decode",
    "opened",
]

SIZE = 150  # pixels a side, the input of the report's networks
MIN_SIDE = 8  # pixels; under it there is nothing to recognise
MAX_PIXELS = 64_000_000  # default limit, well over a phone's 50-megapixel photo
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")  # a list, not whatever Pillow opens


def decode(source: bytes | Path, size: int = SIZE, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an image file, cut its central square and scale it: uint8 [3, size, size], RGB.

    The training images are square crops around one plant, hence the square. The first frame counts, EXIF orientation
    is obeyed, colours are converted to sRGB once they are few, transparency is laid on white, wider samples are scaled to 8 bits.
    Size limits are checked on the header, before pixels are allocated. Raises UnsupportedFormat or UndecodableImage.
    """
    with opened(source, max_pixels) as picture:
        return picture.square(size)


class Picture:
    """An image file whose header was read and is within the limits."""

    def __init__(self, file: Opened, kind: str) -> None:
        self._file, self._kind = file, kind
        self.width, self.height = file.size  # pixels, as stored

    def to_decode(self, size: int) -> int:
        """The pixels that decoding to `size` pixels a side holds in memory: fewer than the image's where a JPEG is read at a scale."""
        with _named(self._kind):
            self._file.reduce(size)
        width, height = self._file.size
        return width * height

    def square(self, size: int) -> NDArray[np.uint8]:
        """The central square, scaled: uint8 [3, size, size], RGB. Once only. Raises UndecodableImage."""
        with _named(self._kind):
            self._file.reduce(size)
            pixels = np.asarray(_opaque(self._file.square(size)))  # [size, size, 3]
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextlib.contextmanager
def opened(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> Iterator[Picture]:
    """Read the header of an image file. Raises UnsupportedFormat or UndecodableImage."""
    body = source if isinstance(source, bytes) else source.read_bytes()
    kind = _kind(body)
    with _named(kind):
        try:
            file = _reader(kind, max_pixels)(body)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own limit, over ours or not
            raise UndecodableImage(f"the {kind} has too many pixels to decode; scale it down") from None
    with file.image:
        _check_size(file.size, max_pixels)
        yield Picture(file, kind)


def _kind(body: bytes) -> str:
    starts: dict[str, bytes | tuple[bytes, ...]] = {
        "JPEG": jpeg.SIGNATURE,
        "PNG": png.SIGNATURE,
        "GIF": (b"GIF87a", b"GIF89a"),
        "TIFF": tiff.SIGNATURES,
        "BMP": b"BM",
    }
    found = next((kind for kind, start in starts.items() if body.startswith(start)), None)
    if found is None and body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        found = "WEBP"
    found = found or isobmff.kind(body)
    if found is None:
        raise UnsupportedFormat(f"not an image of a format read here ({', '.join(FORMATS)})")
    return found


def _reader(kind: str, max_pixels: int) -> Callable[[bytes], Opened]:
    """What reads the header of a format: Pillow's classes themselves, so that no list of plugins and no global limit decides."""
    plain: dict[str, Any] = {"WEBP": WebPImagePlugin.WebPImageFile, "GIF": GifImagePlugin.GifImageFile, "BMP": BmpImagePlugin.BmpImageFile}
    boxed: dict[str, Any] = {"AVIF": AvifImagePlugin.AvifImageFile, "HEIF": pillow_heif.HeifImageFile}
    if kind in boxed:
        return lambda body: _boxed(boxed[kind](io.BytesIO(body)), body)
    if kind in plain:
        return lambda body: Opened(plain[kind](io.BytesIO(body)))
    return {"JPEG": jpeg.Jpeg, "PNG": png.opened, "TIFF": lambda body: tiff.opened(body, max_pixels)}[kind]


def _boxed(image: Image.Image, body: bytes) -> Opened:
    return Opened(image, None if image.info.get("icc_profile") else isobmff.profile(body))


@contextlib.contextmanager
def _named(kind: str) -> Iterator[None]:
    """Everything that a format's reader raises as one error that names the format."""
    try:
        yield
    except PixelsError:
        raise
    except Exception as error:  # truncated or damaged data, as each plugin puts it
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise UndecodableImage(f"the {kind} cannot be decoded: {reason}") from None


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UndecodableImage(f"the image has {width}×{height} pixels, more than the {max_pixels} allowed; scale it down")
    if min(width, height) < MIN_SIDE:
        raise UndecodableImage(f"the image has {width}×{height} pixels; each side needs at least {MIN_SIDE}")


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")

"""Image file → uint8 [3, size, size]: the one decoding and the one resize that training and service share."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models_store.containers import bmp, gif, isobmff, jpeg, png, tiff, webp
from models_store.containers.opened import MIN_SIDE, Crop, Opened, check_size
from models_store.errors import CropOutside, PixelsError, UndecodableImage, UnsupportedFormat
from models_store.scaling import size_within

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MIN_SIDE",
    "SIZE",
    "Crop",
    "CropOutside",
    "FittedImage",
    "ImageMetadata",
    "Picture",
    "PixelsError",
    "Square",
    "UndecodableImage",
    "UnsupportedFormat",
    "decode",
    "opened",
]

SIZE = 150  # pixels a side, the input of the report's networks
MAX_PIXELS = 64_000_000  # default limit, well over a phone's 50-megapixel photo
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")  # a list, not whatever Pillow opens
_FOREIGN = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"II\xbc": "JPEG XR",
    b"8BPS": "Photoshop document",
    b"%PDF": "PDF",
    b"FUJIFILM": "raw file of a camera",
    b"IIRO": "raw file of a camera",
    b"IIU\0": "raw file of a camera",
}  # what photos come in that is not read, by its beginning


def decode(source: bytes | Path, size: int = SIZE, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an image file, cut its central square and scale it: uint8 [3, size, size], RGB.

    The training images are square crops around one plant, hence the square. The first frame counts. The photo is turned by its EXIF
    orientation, HEIC and AVIF by their container's. What is transparent becomes white. Samples of more than 8 bits are scaled to 8.
    Colours become sRGB: those near it after the photo was made smaller, others before. Size limits are checked on the header, before
    pixels are allocated. Raises UnsupportedFormat or UndecodableImage.
    """
    with opened(source, max_pixels) as picture:
        return picture.square(size).pixels


class Square(NamedTuple):
    """A square of an image."""

    pixels: NDArray[np.uint8]  # [3, size, size], RGB
    crop: Crop  # which square it is
    central: bool  # it is the central one


class FittedImage(NamedTuple):
    """All of an image, upright and scaled to fit."""

    pixels: NDArray[np.uint8]  # [3, height, width], RGB; channels last in memory, as Pillow and the networks take them
    width: int  # pixels of the image itself, upright
    height: int
    position: tuple[float, float] | None  # latitude and longitude in degrees where it was taken; None where it does not say


class ImageMetadata(NamedTuple):
    """What a file says of its pixels and their moment."""

    orientation: int  # of EXIF, 1–8
    adobe_rgb: bool  # EXIF says that the pixels are Adobe RGB
    taken: date | None  # the day, as the camera says


class Picture:
    """An image file whose header was read and is within the limits."""

    def __init__(self, file: Opened, kind: str) -> None:
        self._file, self._kind = file, kind
        self.width, self.height = file.size  # pixels, as stored

    @property
    def kind(self) -> str:
        """One of FORMATS."""
        return self._kind

    @property
    def about(self) -> ImageMetadata:
        """What the file says beside its pixels."""
        return ImageMetadata(self._file.orientation, self._file.adobe_rgb, self._file.taken)

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the whole image as it is to be seen, once it is decoded."""
        return self._file.upright_size

    def to_decode(self, size: int, crop: Crop | None = None) -> int:
        """The pixels that `square` of the same holds in memory: fewer than the image's where a JPEG is read at a scale."""
        with _named(self._kind):
            self._file.reduce(size, crop)
        width, height = self._file.size
        return width * height

    def fitted_pixels(self, side: int) -> int:
        """The pixels that decoding for `fitted` holds in memory."""
        with _named(self._kind):
            self._file.reduce_to(side)
        width, height = self._file.size
        return width * height

    def fitted(self, side: int) -> FittedImage:
        """All of the image upright, its longer side `side` pixels at most. Once only.

        It is scaled when it is upright, so that a photo rotated by EXIF alone gives the same pixels. Raises UndecodableImage.
        """
        with _named(self._kind):
            self._file.reduce_to(side)
            planes = fit(_seen(self._file.whole(side)), side)
            return FittedImage(planes, *self.upright_size, self._file.position)

    def square(self, size: int, crop: Crop | None = None) -> Square:
        """The central square of the image, or of a crop of it, scaled to `size` pixels a side. Once only.

        Raises UndecodableImage or CropOutside.
        """
        with _named(self._kind):
            self._file.reduce(size, crop)
            image, looked_at = self._file.square(size, crop)
            centre = Crop(0, 0, *self.upright_size).square
            return Square(_planes(image), looked_at, looked_at == centre)

    def whole(self) -> NDArray[np.uint8]:
        """All of the image, at its size and upright: uint8 [3, height, width], RGB. Once only. Raises UndecodableImage."""
        with _named(self._kind):
            return _planes(self._file.whole())


def fit(planes: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """An image scaled so that its longer side is `side` pixels at most: uint8 [3, H, W] → [3, h, w]."""
    height, width = planes.shape[1:]
    size = size_within((width, height), side)
    return planes if size == (width, height) else resized(planes, size)


def resized(planes: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An image scaled to a width and a height, by area-weighted bilinear filtering: uint8 [3, H, W] → [3, h, w], channels last."""
    image = Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    return _seen(image.resize(size, Image.Resampling.BILINEAR))


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
        check_size(file.size, max_pixels)
        yield Picture(file, kind)


def _kind(body: bytes) -> str:
    starts: dict[str, bytes | tuple[bytes, ...]] = {
        "JPEG": jpeg.SIGNATURE,
        "PNG": png.SIGNATURE,
        "GIF": gif.SIGNATURES,
        "TIFF": tiff.SIGNATURES,
        "BMP": bmp.SIGNATURE,
    }
    found = next((kind for kind, start in starts.items() if body.startswith(start)), None)
    if found is None and body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        found = "WEBP"
    found = found or isobmff.kind(body)
    if not body:
        raise UnsupportedFormat("the file is empty")
    if found is None:
        foreign = next((name for start, name in _FOREIGN.items() if body.startswith(start)), None)
        foreign = foreign or ("film or raw file of a camera" if body[4:8] == b"ftyp" else None)
        formats = ", ".join(FORMATS)
        raise UnsupportedFormat(
            f"a {foreign} is not read here; save it as one of {formats}" if foreign else f"not an image of a format read here ({formats})"
        )
    return found


def _reader(kind: str, max_pixels: int) -> Callable[[bytes], Opened]:
    """What reads the header of a format: Pillow's classes themselves, so that no list of plugins and no global limit decides."""
    readers: dict[str, Callable[[bytes], Opened]] = {
        "JPEG": jpeg.Jpeg,
        "PNG": lambda body: png.opened(body, max_pixels),
        "WEBP": lambda body: webp.opened(body, max_pixels),
        "GIF": gif.opened,
        "TIFF": lambda body: tiff.opened(body, max_pixels),
        "BMP": bmp.opened,
        "AVIF": isobmff.avif,
        "HEIF": isobmff.heif,
    }
    return readers[kind]


@contextlib.contextmanager
def _named(kind: str) -> Iterator[None]:
    """Everything that a format's reader raises as one error that names the format."""
    try:
        yield
    except PixelsError:
        raise
    except Exception as error:  # truncated or damaged data, as each plugin puts it
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise UndecodableImage(f"the {kind} cannot be decoded: {reason}; save the photo anew, as a PNG or a JPEG") from None


def _planes(image: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(_seen(image))


def _seen(image: Image.Image) -> NDArray[np.uint8]:
    """uint8 [3, H, W], channels last in memory: of a whole photo, another order would take longer than scaling it."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return np.array(image).transpose(2, 0, 1)

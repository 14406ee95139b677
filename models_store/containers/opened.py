"""An image file whose header was read, and a square of it once it is asked for."""

import math
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from models_store import colour
from models_store.errors import CropOutside, UndecodableImage
from models_store.scaling import CropSize, WideImage, central, square, square_of_grey16

MIN_SIDE = 8  # pixels; under it there is nothing to recognise
_ORIENTATION, _EXIF, _INTEROPERABILITY, _COLOUR_SPACE, _INDEX = 0x0112, 0x8769, 0xA005, 0xA001, 1  # EXIF tags
_TAKEN, _CHANGED = 0x9003, 0x0132  # EXIF tags of moments
_FIRST_YEAR = 1990  # of digital photos; a camera whose clock was never set says less
_ROUNDING = 1e-6  # pixels
_BEFORE_CONVERSION = 8  # times the side that is wanted: means of pixels this near are much the same in any light
_GPS, _LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _STATUS = 0x8825, 1, 2, 3, 4, 9
_ADOBE_RGB = 2  # as some cameras say it; the standard's way is the index R03
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


# EXIF orientations by what turning the image upright does to what is stored
_TURNED, _FROM_RIGHT, _FROM_BOTTOM = {5, 6, 7, 8}, {2, 3, 7, 8}, {3, 4, 6, 7}


class Crop(NamedTuple):
    """A part of an image, in pixels of the whole image turned upright."""

    x: float  # from the left
    y: float  # from the top
    width: float
    height: float

    @property
    def square(self) -> "Crop":
        """The central square of it: what is looked at."""
        left, top, right, bottom = central(self.width, self.height)
        return Crop(self.x + left, self.y + top, right - left, bottom - top)

    def is_nearly(self, other: "Crop") -> bool:
        """Whether no edge lies over a pixel from the other's: a square of half pixels that was rounded is still that square."""
        edges, others = ((one.x, one.y, one.x + one.width, one.y + one.height) for one in (self, other))
        return all(abs(edge - there) <= 1 for edge, there in zip(edges, others, strict=True))


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raises UndecodableImage for an image with more pixels than that, or too few on a side."""
    width, height = size
    if width * height > max_pixels:
        raise UndecodableImage(f"the image has {width}×{height} pixels, more than the {max_pixels} allowed; scale it down")
    if min(width, height) < MIN_SIDE:
        raise UndecodableImage(f"the image has {width}×{height} pixels; each side needs at least {MIN_SIDE}")


def _check_inside(crop: Crop, size: tuple[int, int]) -> None:
    x, y, width, height = crop
    if min(width, height) < MIN_SIDE:
        raise CropOutside(f"the crop has {width:g}×{height:g} pixels; each side needs at least {MIN_SIDE}")
    if min(x, y) < 0 or x + width > size[0] + _ROUNDING or y + height > size[1] + _ROUNDING:
        raise CropOutside(
            f"the crop {x:g},{y:g},{width:g},{height:g} (x,y,width,height) does not lie in the photo, which has"
            f" {size[0]}×{size[1]} pixels when it is upright"
        )


class Opened:
    """An image that Pillow reads rightly, first frame. The formats that need more extend it."""

    def __init__(self, image: Image.Image, profile: bytes | None = None) -> None:
        self.image, self._profile = image, profile

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what will be decoded."""
        return self.image.size

    @property
    def full_size(self) -> tuple[int, int]:
        """Width and height of the whole image as it is stored, once it is loaded."""
        return self.size

    @property
    def scale(self) -> float:
        """Decoded pixels for each of these, on a side."""
        return 1.0

    def reduce(self, size: int, crop: Crop | None = None) -> None:
        """Let the decoder leave out detail that `size` pixels a side of the central square, or of a crop, do not need."""

    def reduce_to(self, side: int) -> None:
        """The same for the whole image at `side` pixels of its longer side."""

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the whole image as it is to be seen, once it is loaded."""
        return self.full_size[::-1] if self.orientation in _TURNED else self.full_size

    def is_central(self, crop: Crop) -> bool:
        """Whether the square of a crop is the central one, but for a pixel."""
        return crop.square.is_nearly(Crop(0, 0, *self.upright_size).square)

    def whole(self, side: int | None = None) -> Image.Image:
        """Decode: all of the image, upright, RGB or RGBA in sRGB. Raises what the format's decoder raises.

        Who needs no more than `side` pixels of its longer side may get fewer of a wide image, whose colours take long.
        """
        self.load()
        scaled = self.scaled(None)
        if side is not None and isinstance(scaled, WideImage):
            scaled = scaled.fitted(side)
        return self._upright(colour.to_srgb(scaled, self.profile))

    def square(self, size: int, crop: Crop | None = None) -> tuple[Image.Image, Crop]:
        """Decode: the central square of the image, or of a crop of it, upright, RGB or RGBA in sRGB; and which square that is.

        A crop that is nearly the central square is taken for it: thresholds were chosen there, and half a pixel can tip an answer.
        Raises CropOutside, or what the format's decoder raises.
        """
        self.load()
        stored, orientation = self.full_size, self.orientation
        upright = self.upright_size
        looked_at = centre = Crop(0, 0, *upright).square
        if crop is not None:
            _check_inside(crop, upright)
            looked_at = centre if self.is_central(crop) else crop.square
        cut = CropSize(size) if looked_at == centre else CropSize(size, self._box(looked_at, stored, orientation))
        profile = self.profile
        if colour.is_near_srgb(profile):
            return self._upright(colour.to_srgb(self.scaled(cut), profile)), looked_at  # few pixels to convert
        side = min(_BEFORE_CONVERSION * size, round(looked_at.width * self.scale))
        between = self.scaled(CropSize(side, self._box(looked_at, stored, orientation)))
        return self._upright(square(colour.to_srgb(between, profile), CropSize(size))), looked_at

    def _upright(self, image: Image.Image) -> Image.Image:
        transpose = _TRANSPOSE.get(self.orientation)
        return image if transpose is None else image.transpose(transpose)

    def _box(self, crop: Crop, stored: tuple[int, int], orientation: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a crop in the decoded pixels as they are stored."""
        x, y, width, height = crop
        if orientation in _TURNED:
            x, y, width, height = y, x, height, width
        if orientation in _FROM_RIGHT:
            x = stored[0] - x - width
        if orientation in _FROM_BOTTOM:
            y = stored[1] - y - height
        right, bottom = min(x + width, stored[0]), min(y + height, stored[1])
        left, top = max(x, 0.0), max(y, 0.0)  # decimals may be off by their rounding
        return left * self.scale, top * self.scale, right * self.scale, bottom * self.scale

    def load(self) -> None:
        """Decode the pixels."""
        self.image.load()

    def scaled(self, cut: CropSize | None) -> Image.Image | WideImage:
        """A square of the decoded image, or for None all of it, as it is stored: L, LA, RGB, RGBA or CMYK, or wider ones."""
        mode = self.image.mode
        if mode.startswith("I;16"):
            return square_of_grey16(self.image, cut)
        if mode == "1" and not self.image.has_transparency_data:
            return square(self.image.convert("L"), cut)
        if mode in ("L", "LA", "CMYK") and "transparency" not in self.image.info:
            return square(self.image, cut)
        wanted = "RGBA" if self.image.has_transparency_data else "RGB"
        return square(self.image if mode == wanted else self.image.convert(wanted), cut)

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1–8, of the decoded image."""
        value = self._exif(lambda exif: exif.get(_ORIENTATION, 1))
        return value if isinstance(value, int) else 1

    @property
    def position(self) -> tuple[float, float] | None:
        """Latitude and longitude in degrees, WGS 84, of the EXIF block; None where it says none, or none that can be."""
        block = self._exif(lambda exif: dict(exif.get_ifd(_GPS)))
        try:
            latitude = _degrees(block[_LATITUDE], block[_LATITUDE_REF], "NS")
            longitude = _degrees(block[_LONGITUDE], block[_LONGITUDE_REF], "EW")
            found = _letter(block.get(_STATUS, "A")) != "V" and (latitude, longitude) != (0, 0)  # else the receiver had found no place
        except (ArithmeticError, KeyError, TypeError, ValueError):
            return None
        return (latitude, longitude) if found and abs(latitude) <= 90 and abs(longitude) <= 180 else None

    @property
    def profile(self) -> bytes | None:
        """The ICC profile of the pixels; None where they are sRGB, or say nothing."""
        embedded = self._profile or self.image.info.get("icc_profile")
        if isinstance(embedded, bytes) and embedded:
            return embedded
        named = self._exif(lambda exif: (exif.get_ifd(_INTEROPERABILITY).get(_INDEX), exif.get_ifd(_EXIF).get(_COLOUR_SPACE)))
        index, space = named or (None, None)
        return colour.adobe_rgb() if str(index).startswith("R03") or space == _ADOBE_RGB else None

    @property
    def adobe_rgb(self) -> bool:
        """Whether EXIF alone says that the pixels are Adobe RGB; a profile in the file counts before it."""
        return not self.image.info.get("icc_profile") and self.profile == colour.adobe_rgb()

    @property
    def taken(self) -> date | None:
        """The day the photo was taken, as its camera says; None where it does not say, or what cannot be."""
        written = self._exif(lambda exif: exif.get_ifd(_EXIF).get(_TAKEN) or exif.get(_CHANGED))
        try:
            day = datetime.strptime(str(written)[:10], "%Y:%m:%d").replace(tzinfo=UTC).date()
        except ValueError:
            return None
        return day if day.year >= _FIRST_YEAR else None

    def _exif(self, ask: Any) -> Any:
        try:
            return ask(self.image.getexif())
        except Exception:  # a damaged EXIF block is no reason to refuse the pixels
            return None


def _degrees(parts: Any, reference: Any, directions: str) -> float:
    """Degrees, minutes and seconds as one number, negative in the second direction. Raises ValueError and what numbers raise.

    Minutes and seconds that are missing, or 0/0, are none: some cameras write 47° 27.45' so. 60 of them are what 59.999 was rounded to.
    """
    first, *rest = parts if isinstance(parts, tuple) else (parts,)
    below = [0.0 if isinstance(part, IFDRational) and part.denominator == part.numerator == 0 else float(part) for part in rest]
    minutes, seconds = below + [0.0] * (2 - len(below))
    letter, value = _letter(reference), float(first) + minutes / 60 + seconds / 3600
    if letter not in tuple(directions) or not math.isfinite(value) or float(first) < 0 or not (0 <= minutes <= 60 and 0 <= seconds <= 60):
        raise ValueError
    return -value if letter == directions[1] else value


def _letter(reference: Any) -> str:
    """The first letter of a text of EXIF."""
    text = reference.decode("ascii", "replace") if isinstance(reference, bytes) else str(reference)
    return text.strip(" \0")[:1].upper()


class Frame(Opened):
    """The first frame of an animation. What it leaves free of the canvas is transparent, as in browsers."""

    def __init__(self, image: Image.Image, profile: bytes | None, canvas: tuple[int, int], corner: tuple[int, int]) -> None:
        super().__init__(image, profile)
        self._canvas, self._corner = canvas, corner

    @property
    def size(self) -> tuple[int, int]:
        return self._canvas

    def load(self) -> None:
        super().load()
        if self.image.size == self._canvas:
            return
        canvas = Image.new("RGBA", self._canvas)
        canvas.paste(self.image.convert("RGBA"), self._corner)
        canvas.info = {key: value for key, value in self.image.info.items() if key in ("exif", "icc_profile")}
        self.image.close()
        self.image = canvas

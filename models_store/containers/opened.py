"""An image file whose header was read, and its square once it is asked for."""

from typing import Any

from PIL import Image

from models_store import colour
from models_store.errors import UndecodableImage
from models_store.scaling import central_square, square_of_grey16

MIN_SIDE = 8  # pixels; under it there is nothing to recognise
_ORIENTATION, _EXIF, _INTEROPERABILITY, _COLOUR_SPACE, _INDEX = 0x0112, 0x8769, 0xA005, 0xA001, 1  # EXIF tags
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


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raises UndecodableImage for an image with more pixels than that, or too few on a side."""
    width, height = size
    if width * height > max_pixels:
        raise UndecodableImage(f"the image has {width}×{height} pixels, more than the {max_pixels} allowed; scale it down")
    if min(width, height) < MIN_SIDE:
        raise UndecodableImage(f"the image has {width}×{height} pixels; each side needs at least {MIN_SIDE}")


class Opened:
    """An image that Pillow reads rightly, first frame. The formats that need more extend it."""

    def __init__(self, image: Image.Image, profile: bytes | None = None) -> None:
        self.image, self._profile = image, profile

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what will be decoded."""
        return self.image.size

    def reduce(self, side: int) -> None:
        """Let the decoder leave out detail that an image of `side` pixels a side does not need."""

    def square(self, side: int | None) -> Image.Image:
        """Decode: the central square (None: the whole image), upright, RGB or RGBA in sRGB. Raises what the format's decoder raises."""
        self.load()
        transpose = _TRANSPOSE.get(self.orientation)
        upright = self.scaled(side) if transpose is None else self.scaled(side).transpose(transpose)
        return colour.to_srgb(upright, self.profile)

    def load(self) -> None:
        """Decode the pixels."""
        self.image.load()

    def scaled(self, side: int | None) -> Image.Image:
        """The central square of the decoded image, or for None all of it, as it is stored: L, LA, RGB, RGBA or CMYK."""
        mode = self.image.mode
        if mode.startswith("I;16"):
            return square_of_grey16(self.image, side)
        if mode == "1" and not self.image.has_transparency_data:
            return central_square(self.image.convert("L"), side)
        if mode in ("L", "LA", "CMYK") and "transparency" not in self.image.info:
            return central_square(self.image, side)
        wanted = "RGBA" if self.image.has_transparency_data else "RGB"
        return central_square(self.image if mode == wanted else self.image.convert(wanted), side)

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1–8, of the decoded image."""
        value = self._exif(lambda exif: exif.get(_ORIENTATION, 1))
        return value if isinstance(value, int) else 1

    @property
    def profile(self) -> bytes | None:
        """The ICC profile of the pixels; None where they are sRGB, or say nothing."""
        embedded = self._profile or self.image.info.get("icc_profile")
        if isinstance(embedded, bytes) and embedded:
            return embedded
        named = self._exif(lambda exif: (exif.get_ifd(_INTEROPERABILITY).get(_INDEX), exif.get_ifd(_EXIF).get(_COLOUR_SPACE)))
        index, space = named or (None, None)
        return colour.adobe_rgb() if str(index).startswith("R03") or space == _ADOBE_RGB else None

    def _exif(self, ask: Any) -> Any:
        try:
            return ask(self.image.getexif())
        except Exception:  # a damaged EXIF block is no reason to refuse the pixels
            return None


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

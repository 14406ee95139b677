"""A photo with the boxes and names of its plants → one picture."""

import io
import unicodedata

from PIL import Image, ImageDraw, ImageFont

from models_store import rollup
from models_store.manifest import Group
from service.inference.decoder import Photo
from service.inference.detector import Detection, FoundPlant
from service.inference.plant_squares import Box

# By Okabe and Ito (2008): told apart by people who see colours differently too.
COLOURS: dict[Group | None, tuple[int, int, int]] = {"crop": (0, 114, 178), "weed": (213, 94, 0), None: (240, 240, 240)}
_QUALITY = 88
_Place = tuple[str, float, float, float, float]  # a text, and its left, top, right and bottom in pixels of the picture
_CYRILLIC, _OF_CYRILLIC = "абвгдежзиклмнопрстуфхцчшщъыьэюя", "a b v g d e zh z i k l m n o p r s t u f kh ts ch sh shch ' y ' e yu ya"
_GREEK, _OF_GREEK = "αβγδεζηθικλμνξοπρσςτυφχψω", "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
_LATIN = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "×": "x", "’": "'", "–": "-"}
_LATIN |= dict(zip(_CYRILLIC + _GREEK, [*_OF_CYRILLIC.split(), *_OF_GREEK.split()], strict=True))
_LATIN = {sign.upper(): letters.capitalize() for sign, letters in _LATIN.items()} | _LATIN


def plain(photo: Photo) -> bytes:
    """The JPEG of the photo alone, its longer side at most 2000 pixels."""
    return _jpeg(_image(photo))


def render(detection: Detection, threshold: float) -> bytes:
    """The JPEG of the photo, its longer side at most 2000 pixels, with a box for each plant in the colour of its group.

    `threshold` is what a name has to have at least, as in `FoundPlant.relied_upon`.
    """
    fitted, image = detection.photo.fitted, _image(detection.photo)
    draw = ImageDraw.Draw(image)
    line = max(2, max(image.size) // 500)
    said = [said_of(found, threshold) for found in detection.plants]
    numbered = enumerate(zip(detection.plants, said, strict=True), 1)
    named = [(found, f"{number}. {in_ascii(name)}", group) for number, (found, (name, group)) in numbered]
    font = _font(draw, image.size, {name for _, name, _ in named})
    scale = image.width / fitted.width, image.height / fitted.height
    for found, _, group in reversed(named):  # the largest last, and so on top
        draw.rectangle(_corners(found.box, scale), outline=COLOURS[group], width=line)

    def place(text: str, box: Box) -> _Place:
        left, top, *_ = _corners(box, scale)
        _, _, across, down = draw.textbbox((0, 0), text, font)
        x, y = max(0, min(left, image.width - across)), max(0, min(top - down if top >= down else top, image.height - down))
        return text, x, y, x + across, y + down

    places = [place(name.partition(" ")[0], found.box) for found, name, _ in named]
    for i, (found, name, _) in enumerate(named):
        whole = place(name, found.box)  # where it covers no other number
        if all(k == i or _apart(whole, other) for k, other in enumerate(places)):
            places[i] = whole
    for (text, left, top, right, bottom), (_, _, group) in zip(places, named, strict=True):
        draw.rectangle((left, top, right, bottom), fill=COLOURS[group])
        draw.text((left, top), text, fill="black" if group is None else "white", font=font)
    return _jpeg(image)


def _image(photo: Photo) -> Image.Image:
    return Image.fromarray(photo.fitted.pixels.transpose(1, 2, 0).copy())


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _apart(one: _Place, other: _Place) -> bool:
    (_, left, top, right, bottom), (_, x, y, end, below) = one, other
    return right <= x or end <= left or bottom <= y or below <= top


def _corners(box: Box, scale: tuple[float, float]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in pixels of the picture, also of a box that is thinner than one of these."""
    x, y, width, height = box
    left, top = x * scale[0], y * scale[1]
    return left, top, max(left, (x + width) * scale[0] - 1), max(top, (y + height) * scale[1] - 1)


def in_ascii(name: str) -> str:
    """A name in the letters that Pillow's own font has: without accents, in Latin letters; `?` for each that remains."""
    parts = unicodedata.normalize("NFKD", name)
    letters = [_LATIN.get(sign, sign) for sign in parts if not unicodedata.combining(sign)]
    return "".join(letters).encode("ascii", "replace").decode()


def _font(draw: ImageDraw.ImageDraw, size: tuple[int, int], names: set[str]) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The size that suits the picture, or a smaller one where a name does not fit into it otherwise."""
    pixels = max(11, max(size) // 80)
    while True:
        font = ImageFont.load_default(pixels)
        boxes = [draw.textbbox((0, 0), name, font) for name in names]
        room = min([1.0, *(side / box[end] for box in boxes for side, end in zip(size, (2, 3), strict=True))])
        if room == 1 or pixels == 1:
            return font
        pixels = max(1, min(pixels - 1, int(pixels * room)))  # widths are rounded, so it may take a second step


def said_of(found: FoundPlant, threshold: float) -> tuple[str, Group | None]:
    """What a plant is called in a few words, and its group, where these can be relied upon."""
    if found.plant.clump:
        return "several?", None
    said = found.relied_upon(threshold)
    if said is None:
        return "?", None
    return said.name, rollup.group_of(found.prediction.model.manifest.species, said)

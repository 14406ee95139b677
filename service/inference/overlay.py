"""A photo with the boxes and names of its plants → one picture."""

import io
import unicodedata

from PIL import Image, ImageDraw, ImageFont

from models_store import rollup
from models_store.manifest import Group
from service.inference.detector import Detection, FoundPlant

# By Okabe and Ito (2008): told apart by people who see colours differently too.
COLOURS: dict[Group | None, tuple[int, int, int]] = {"crop": (0, 114, 178), "weed": (213, 94, 0), None: (240, 240, 240)}
_QUALITY = 88
_CYRILLIC, _OF_CYRILLIC = "абвгдежзиклмнопрстуфхцчшщъыьэюя", "a b v g d e zh z i k l m n o p r s t u f kh ts ch sh shch ' y ' e yu ya"
_GREEK, _OF_GREEK = "αβγδεζηθικλμνξοπρσςτυφχψω", "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
_LATIN = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "×": "x", "’": "'", "–": "-"}
_LATIN |= dict(zip(_CYRILLIC + _GREEK, [*_OF_CYRILLIC.split(), *_OF_GREEK.split()], strict=True))
_LATIN = {sign.upper(): letters.capitalize() for sign, letters in _LATIN.items()} | _LATIN


def render(detection: Detection, threshold: float) -> bytes:
    """The JPEG of the photo, its longer side at most 2000 pixels, with a box for each plant in the colour of its group.

    `threshold` is what a name has to have at least, as in `FoundPlant.relied_upon`.
    """
    fitted = detection.photo.fitted
    image = Image.fromarray(fitted.pixels.transpose(1, 2, 0).copy())
    draw = ImageDraw.Draw(image)
    line = max(2, max(image.size) // 500)
    named = [(found, in_ascii(name), group) for found in detection.plants for name, group in [said_of(found, threshold)]]
    font = _font(draw, image.size, {name for _, name, _ in named})
    scale = image.width / fitted.width, image.height / fitted.height
    for found, name, group in reversed(named):  # the largest last, and so on top
        x, y, width, height = found.box
        left, top = x * scale[0], y * scale[1]
        right, bottom = (x + width) * scale[0] - 1, (y + height) * scale[1] - 1
        corners = left, top, max(left, right), max(top, bottom)  # of a box that is thinner than a pixel of the picture
        draw.rectangle(corners, outline=COLOURS[group], width=line)
        _, _, across, down = draw.textbbox((0, 0), name, font)
        at = (max(0, min(left, image.width - across)), max(0, min(top - down if top >= down else top, image.height - down)))
        draw.rectangle((at[0], at[1], at[0] + across, at[1] + down), fill=COLOURS[group])
        draw.text(at, name, fill="black" if group is None else "white", font=font)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def in_ascii(name: str) -> str:
    """A name in the letters that Pillow's own font has: without accents, in Latin letters; `?` for each that remains."""
    parts = unicodedata.normalize("NFKD", name)
    letters = [_LATIN.get(sign, sign) for sign in parts if not unicodedata.combining(sign)]
    return "".join(letters).encode("ascii", "replace").decode()


def _font(draw: ImageDraw.ImageDraw, size: tuple[int, int], names: set[str]) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The size that suits the picture, or a smaller one where a name does not fit into it otherwise."""
    usual = max(11, max(size) // 80)
    boxes = [draw.textbbox((0, 0), name, ImageFont.load_default(usual)) for name in names]
    room = min([1.0, *(side / box[end] for box in boxes for side, end in zip(size, (2, 3), strict=True))])
    return ImageFont.load_default(max(1, int(usual * room)))


def said_of(found: FoundPlant, threshold: float) -> tuple[str, Group | None]:
    """What a plant is called in a few words, and its group, where these can be relied upon."""
    if found.plant.clump:
        return "several?", None
    said = found.relied_upon(threshold)
    if said is None:
        return "?", None
    return said.name, rollup.group_of(found.prediction.model.manifest.species, said)

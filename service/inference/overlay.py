"""A photo with the boxes and names of its plants → one picture."""

import io

from PIL import Image, ImageDraw, ImageFont

from models_store import rollup
from models_store.manifest import Group
from service.inference.detector import Detection, FoundPlant

# By Okabe and Ito (2008): told apart by people who see colours differently too.
COLOURS: dict[Group | None, tuple[int, int, int]] = {"crop": (0, 114, 178), "weed": (213, 94, 0), None: (240, 240, 240)}
_QUALITY = 88


def render(detection: Detection, threshold: float) -> bytes:
    """The JPEG of the photo, its longer side at most 2000 pixels, with a box for each plant in the colour of its group.

    `threshold` is what a name has to have at least, as in `FoundPlant.relied_upon`.
    """
    fitted = detection.photo.fitted
    image = Image.fromarray(fitted.pixels.transpose(1, 2, 0).copy())
    draw = ImageDraw.Draw(image)
    line = max(2, max(image.size) // 500)
    font = ImageFont.load_default(max(11, max(image.size) // 80))
    scale = image.width / fitted.width, image.height / fitted.height
    for found in reversed(detection.plants):  # the largest last, and so on top
        name, group = said_of(found, threshold)
        x, y, width, height = found.box
        left, top = x * scale[0], y * scale[1]
        right, bottom = (x + width) * scale[0] - 1, (y + height) * scale[1] - 1
        corners = left, top, max(left, right), max(top, bottom)  # of a box that is thinner than a pixel of the picture
        draw.rectangle(corners, outline=COLOURS[group], width=line)
        _, _, across, down = draw.textbbox((0, 0), name, font)
        at = (min(max(0, left), image.width - across), top - down if top >= down else top)
        draw.rectangle((at[0], at[1], at[0] + across, at[1] + down), fill=COLOURS[group])
        draw.text(at, name, fill="black" if group is None else "white", font=font)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def said_of(found: FoundPlant, threshold: float) -> tuple[str, Group | None]:
    """What a plant is called in a few words, and its group, where these can be relied upon."""
    if found.plant.clump:
        return "several?", None
    said = found.relied_upon(threshold)
    if said is None:
        return "?", None
    return said.name, rollup.group_of(found.prediction.model.manifest.species, said)

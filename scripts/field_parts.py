"""Parts of photos from a field, as the service looks at them, in one folder a species, for `recalibrate --field-parts`.

python -m scripts.field_parts --photos DIR --out DIR              DIR holds a folder of photos for each species
python -m scripts.field_parts --frames DIR --of SPECIES --out DIR   masks lie beside DIR, in `masks`, with 1 for the species

The service runs here meanwhile. Cut out are the square of `?crop=auto`, and the square around each box of `/detect`, with
its margin and without: what a caller may send as `?crop=`. What is mostly another plant (2 in a mask) goes into the folder `Other plant`,
what shows hardly any plant into `No plant`; every answer to these is wrong.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models_store import image_files
from models_store.pixels import MIN_SIDE
from service.settings import Settings
from tests.service.conftest import Running, serve

LARGEST = 20  # boxes of a photo, at most
MARGINS = {"box": 0.15, "tight": 0.0}  # of the longer side of a box, on each side; the first is that of `/detect`
LEAST_PLANT = 0.02  # share of a part that has to be plant
ONE_SPECIES = 0.8  # share of the plants' pixels of a part that one species has to have
OTHER, NOTHING = "Other plant", "No plant"
Square = tuple[int, int, int]  # left, top and side, in pixels
Shown = Callable[[Square], str | None]  # what a square shows; None: too much of two things


def squares(found: dict[str, Any]) -> Iterator[tuple[str, Square]]:
    """The squares that an answer of `/detect?prediction=auto` leads to, each with a name."""
    width, height = found["width"], found["height"]
    x, y, side, _ = found["prediction"]["crop"]
    if 2 * x != width - side or 2 * y != height - side:  # the central one is the photo itself
        yield "auto", (x, y, side)
    for number, plant in enumerate(found["plants"][:LARGEST]):
        left, top, across, down = plant["box"]
        for name, margin in MARGINS.items():
            side = min(round(max(across, down) * (1 + 2 * margin)), width, height)
            if side >= MIN_SIDE:
                first = (
                    min(max(round(start + length / 2 - side / 2), 0), whole - side)
                    for start, length, whole in ((left, across, width), (top, down, height))
                )
                yield f"{name}{number}", (*first, side)


def by_mask(mask: np.ndarray, species: str) -> Shown:
    """What squares of a photo show by its mask [H,W]: 1 is the species, 2 another plant."""

    def shown(square: Square) -> str | None:
        x, y, side = square
        part = mask[y : y + side, x : x + side]
        plant, of_it = np.count_nonzero(part), np.count_nonzero(part == 1)
        if plant < LEAST_PLANT * part.size:
            return NOTHING
        if of_it >= ONE_SPECIES * plant:
            return species
        return OTHER if plant - of_it >= ONE_SPECIES * plant else None

    return shown


def photos(options: argparse.Namespace) -> Iterator[tuple[Path, Shown]]:
    """Each photo, and what its squares show."""
    if options.photos is not None:
        for file in image_files.find(options.photos).files:
            yield file, lambda _, species=file.parent.name: species
        return
    for file in image_files.find(options.frames).files:
        with Image.open(options.frames.parent / "masks" / f"{file.stem}.png") as mask:
            yield file, by_mask(np.asarray(mask), options.of)


def cut(service: Running, file: Path, shown: Shown, out: Path) -> int:
    """Write the parts of one photo. Returns how many."""
    written = 0
    answer = service.client.post("/detect?prediction=auto", content=file.read_bytes())
    answer.raise_for_status()
    with Image.open(file) as opened:
        photo = opened.convert("RGB")
    for name, square in dict(squares(answer.json())).items():
        species = shown(square)
        if species is not None:
            folder = out / species
            folder.mkdir(parents=True, exist_ok=True)
            x, y, side = square
            photo.crop((x, y, x + side, y + side)).save(folder / f"{file.stem}-{name}.png")
            written += 1
    return written


def main() -> None:
    """Write the parts of all photos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--photos", type=Path, help="holds one folder of photos for each species")
    where.add_argument("--frames", type=Path, help="photos of fields, in a folder beside `masks`")
    parser.add_argument("--of", metavar="SPECIES", help="the species that is 1 in the masks")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.frames is not None and options.of is None:
        parser.error("name the species that is 1 in the masks with --of")
    with tempfile.TemporaryDirectory() as store, serve(Settings(store=Path(store), deadline_s=120)) as service:
        service.wait_ready()
        service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
        print(f"{sum(cut(service, file, shown, options.out) for file, shown in photos(options))} parts in {options.out}")


if __name__ == "__main__":
    main()

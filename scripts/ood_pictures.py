"""Pictures of what the shipped model was never taught, for `evaluate --ood`: weeds cut out of frames by masks, or the project's own page.

python -m scripts.ood_pictures weeds --frames DIR --out DIR       masks lie beside the frames, in `masks`, with 2 for weed
python -m scripts.ood_pictures page --out DIR                     needs Chromium; the service runs here meanwhile
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright
from scipy import ndimage

from benchmarks import chromium
from models_store import image_files
from scripts.page_picture import FLAGS
from service.settings import Settings
from tests import drawn
from tests.service.conftest import serve

WEED = 2  # in a mask
SIDES = (30, 200)  # pixels of a plant's square, as photos of one plant have
MARGIN = 0.15
LANGUAGES = ("en-GB", "de", "fr", "es")
VIEWPORTS = ((390, 844), (900, 640), (1280, 900))
PAGES = ("/", "/docs")


def weeds(frames: Path, out: Path) -> int:
    """Cut every weed of such a size out of all frames, in a square with a margin; those at the edge of a frame are left."""
    out.mkdir(parents=True, exist_ok=True)
    number = 0
    for file in sorted(image_files.find(frames).files):
        mask = np.asarray(Image.open(file.parent.parent / "masks" / f"{file.stem}.png"))
        labels, _ = ndimage.label(ndimage.binary_closing(mask == WEED, iterations=3))
        with Image.open(file) as opened:
            frame = opened.convert("RGB")
        for rows, columns in ndimage.find_objects(labels):
            side = round(max(rows.stop - rows.start, columns.stop - columns.start) * (1 + 2 * MARGIN))
            left, top = (columns.start + columns.stop - side) // 2, (rows.start + rows.stop - side) // 2
            inside = left >= 0 and top >= 0 and left + side <= frame.width and top + side <= frame.height
            if inside and SIDES[0] <= side <= SIDES[1] and not (mask[top : top + side, left : left + side] == 1).any():
                frame.crop((left, top, left + side, top + side)).save(out / f"{file.stem}-{number:03}.png")
                number += 1
    return number


def page(out: Path) -> int:
    """Photograph the page and its documents in each language and at each size, before and after an answer."""
    out.mkdir(parents=True, exist_ok=True)
    photo = io.BytesIO()
    drawn.plant(2, 7, side=600).save(photo, "PNG")
    upload = {"name": "drawn.png", "mimeType": "image/png", "buffer": photo.getvalue()}
    number = 0
    with tempfile.TemporaryDirectory() as store, serve(Settings(store=Path(store))) as running, sync_playwright() as started:
        running.wait_ready()
        browser = started.chromium.launch(executable_path=chromium.executable(), args=FLAGS)
        for language in LANGUAGES:
            for width, height in VIEWPORTS:
                shown = browser.new_page(viewport={"width": width, "height": height}, locale=language)
                for path in PAGES:
                    shown.goto(f"http://127.0.0.1:{running.port}{path}")
                    shown.wait_for_load_state("networkidle")
                    shown.screenshot(path=out / f"{number:03}.png")
                    number += 1
                shown.goto(f"http://127.0.0.1:{running.port}/")
                shown.set_input_files("#choose", [upload])
                shown.wait_for_selector("#bars li", state="attached", timeout=60_000)
                shown.screenshot(path=out / f"{number:03}.png")
                number += 1
                shown.close()
        browser.close()
    return number


def main() -> None:
    """Write the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["weeds", "page"])
    parser.add_argument("--frames", type=Path, help="photos of fields, in a folder beside `masks`")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.what == "weeds" and options.frames is None:
        parser.error("weeds are cut out of photos: name them with --frames DIR")
    print(f"{weeds(options.frames, options.out) if options.what == 'weeds' else page(options.out)} pictures in {options.out}")


if __name__ == "__main__":
    main()

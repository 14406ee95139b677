"""The page without reception beside the service: the same answers, and how long a photo takes in a browser.

    python -m benchmarks.browser --data DIR --out benchmarks/results/browser.json [--store DIR] [--model seedlings] [--large 50] [--every 1]

The newest version of a model in the store answers over HTTP, with the second model beside it. In Chromium, on a phone's viewport and with
the network off, their `model.onnx` answer on one thread: all validation and test images of the data, and some of them enlarged to 12
megapixels, with grain, as JPEGs of all EXIF turns. Needs Playwright and Chromium.
"""

import argparse
import base64
import io
import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import chromium, results
from benchmarks.answers import READY
from benchmarks.processes import free_port, ours, running
from models_store import store
from training.data import images, split

MOST_APART = 0.01  # of a probability
SIZES = ((4000, 3000), (3000, 4000))
TURNS = 8  # of EXIF
ORIENTATION = 0x0112  # the EXIF tag
PHONE = "Pixel 7"
FLAGS = ["--no-sandbox", "--disable-gpu"]
PREDICT = """async ([name, body]) => {
    const { predict } = await import("/page/offline.js");
    const file = new File([Uint8Array.from(atob(body), (sign) => sign.charCodeAt())], name);
    const begun = performance.now();
    return [await predict(file), performance.now() - begun];
}"""


def enlarged(file: Path, number: int) -> bytes:
    """An image as a camera's photo of 12 megapixels, turned as EXIF says."""
    photo = Image.open(file).convert("RGB").resize(SIZES[number % len(SIZES)], Image.Resampling.BICUBIC)
    grain = np.random.default_rng(number).normal(0, 4, (photo.height, photo.width, 1))
    turned = Image.Exif()
    turned[ORIENTATION] = 1 + number % TURNS
    stream = io.BytesIO()
    Image.fromarray((np.asarray(photo) + grain).clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=88, exif=turned)
    return stream.getvalue()


def compare(page: Any, url: str, photos: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    """How far the answers of browser and server are from each other, and the browser's times in milliseconds."""
    apart, took, models = [], [], Counter[str]()
    species = said = others = 0
    for name, body in photos:
        here, ms = page.evaluate(PREDICT, [name, base64.b64encode(body).decode()])
        request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/octet-stream"})
        with urllib.request.urlopen(request) as response:
            there = json.load(response)
        apart.append(max(abs(here["probabilities"][one] - value) for one, value in there["probabilities"].items()))
        species += here["species"] != there["species"]
        said += (here["answer"] or {}).get("name") != (there["answer"] or {}).get("name") or here.get("familiar") != there.get("familiar")
        others += here["model"] != there["model"]
        models["/".join(there["model"].values())] += 1
        took.append(ms)
    return {
        "photos": len(apart),
        "other species": species,
        "other statements": said,
        "other models": others,
        "answered by": dict(models),
        "most apart": round(max(apart), 7),
        "median ms": round(float(np.median(took))),
    }


def main() -> int:
    """Measure and print. Returns 1 where a species or the answering model differs, or a probability is more than `MOST_APART` off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=store.SHIPPED_STORE, help="of versions with model.onnx (default: the shipped ones)")
    parser.add_argument("--data", type=Path, required=True, help="the images, one folder for each species")
    parser.add_argument("--model", default="seedlings", help="name of the model in the store (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, help="every so many of the images of the data (default: all)")
    parser.add_argument("--large", type=int, default=50, help="so many photos of 12 megapixels (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    if options.large < 1:
        parser.error("--large: at least 1")
    from playwright.sync_api import sync_playwright

    loaded = images.load(options.data)
    of = split.of(loaded)
    every = [options.data / loaded.files[row] for row in (*of.rows("validation"), *of.rows("test"))]
    files, few = every[:: options.every], every[:: max(1, len(every) // options.large)][: options.large]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = ours(store.resolve(options.store, options.model), port)
    browser = chromium.executable()
    with running(server, port, READY), sync_playwright() as playwright:
        context = playwright.chromium.launch(executable_path=browser, args=FLAGS).new_context(**playwright.devices[PHONE])
        page = context.new_page()
        page.goto(url)
        page.click("#offline-keep")
        begun = time.monotonic()
        page.wait_for_selector("#offline-forget:not([hidden])")
        print(f"kept in {time.monotonic() - begun:.1f} s", file=sys.stderr)
        context.set_offline(True)
        page.reload()
        page.wait_for_selector("#offline-forget:not([hidden])")  # it knows again what it keeps
        found = {
            "images of the data": compare(page, url, ((file.name, file.read_bytes()) for file in files)),
            "12 megapixels": compare(page, url, ((file.name, enlarged(file, number)) for number, file in enumerate(few))),
        }
    print(json.dumps(found, indent=2))
    results.write(options.out, {"machine": results.machine(), "photos": found})
    return int(any(one["other species"] or one["other models"] or one["most apart"] > MOST_APART for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())

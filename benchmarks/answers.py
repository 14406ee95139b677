"""What the service answers, as it is started by default: how often it is right, and what of it can be relied upon.

    python -m benchmarks.answers --data DIR --photos beets=DIR --others screenshots=DIR --out benchmarks/results/answers.json

`--data` is the folder of the models' training: its validation and test images are asked about. `--photos` holds a folder of photos for each
species, `--others` photos of anything else, of which nothing is to be answered with confidence. What a model has learnt from is left out.
Of the `--photos` the service is asked about parts, too: by `?crop=auto`, and about the square around each box of `/detect`.
"""

import argparse
import collections
import http.client
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.processes import Server, free_port, running
from benchmarks.results import Requirement
from models_store import image_files, store
from models_store.pixels import MIN_SIDE
from training.data import images as data
from training.publishing import external_photos, measured_model

WAIT_S = 120  # a busy machine changes no answer
AT_ONCE = 8
READY = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
OTHERS_CONFIDENT = 0.05  # at most, of photos of anything else
Photos = list[tuple[str | None, Path]]  # the species shown, None: another thing or species; and the file


def ask(port: int, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
    """The JSON of an answer. Raises RuntimeError for an error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
    answer: dict[str, Any] = json.loads(content)
    return answer


def figures(photos: Photos, answers: list[dict[str, Any]], species: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What answers to photos are worth; `species` is what `/species` tells of each."""
    answered: collections.Counter[str] = collections.Counter()
    wrong: collections.Counter[str] = collections.Counter()
    for (shown, _), answer in zip(photos, answers, strict=True):
        if (said := answer["answer"]) is not None:
            key = "name" if said["rank"] == "species" else said["rank"]
            answered[said["rank"]] += 1
            wrong[said["rank"]] += shown is None or species[shown][key] != said["name"]
    models = collections.Counter(answer["model"]["name"] for answer in answers)
    of = collections.Counter(shown for shown, _ in photos if shown)
    right = collections.Counter(shown for (shown, _), answer in zip(photos, answers, strict=True) if shown == answer["species"])
    return {
        "n": len(photos),
        **({"right": right.total(), "recall": {name: round(right[name] / n, 4) for name, n in sorted(of.items())}} if of else {}),
        "answered": dict(answered),
        "wrong": dict(wrong),
        "confident": sum(answer["confident"] for answer in answers),
        "unfamiliar": sum(answer.get("familiar") is False for answer in answers),
        "by": dict(models),
    }


def squares(detected: dict[str, Any]) -> list[str]:
    """The squares around the boxes of an answer of `/detect`, moved into the photo, as `?crop=` takes them; none that is too small."""
    photo, found = (detected["width"], detected["height"]), []
    for plant in detected["plants"]:
        x, y, width, height = plant["box"]
        side = min(max(width, height), *photo)
        if side >= MIN_SIDE:
            left, top = (
                min(max(round(first + length / 2 - side / 2), 0), whole - side)
                for first, length, whole in ((x, width, photo[0]), (y, height, photo[1]))
            )
            found.append(f"{left},{top},{side},{side}")
    return found


def folders(options: argparse.Namespace) -> Iterator[tuple[str, Photos]]:
    """Each name with its photos."""
    model = measured_model.of_artifact(store.resolve(store.SHIPPED_STORE, "seedlings"))
    if options.data is not None:
        images = model.in_order(data.load(options.data, options.cache))
        parts = model.split(images)
        for name in ("validation", "test"):
            files = [images.files[row] for row in parts.rows(name)]
            yield name, [(file.split("/")[0], options.data / file) for file in files]
    for name, folder in options.photos:
        found = external_photos.load(name, folder, options.cache, model).images.files
        yield name, [(file.split("/")[0], folder / file) for file in found]
    for name, folder in options.others:
        yield name, [(None, file) for file in image_files.find(folder).files]


def main(arguments: list[str]) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--photos", type=_named, action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--others", type=_named, action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--whole", action="append", default=[], metavar="NAME", help="of --photos: those of which no part is asked about")
    parser.add_argument("--cache", type=Path, help="folder of decoded images")
    parser.add_argument("--setting", type=_setting, action="append", default=[], metavar="NAME=VALUE", help="such as second_model=none")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    port, found, requirements = free_port(), {}, []
    settings = [("deadline_s", str(WAIT_S)), ("log_level", "warning"), *options.setting]
    environment = tuple((f"SEEDLINGS_{name.upper()}", value) for name, value in settings)
    server = Server("the service", ["-m", "service", "--port", str(port)], environment=environment, of_peers=False)
    with running(server, port, READY), ThreadPoolExecutor(AT_ONCE) as pool:

        def measure(name: str, photos: Photos, crops: list[str]) -> None:
            def answer(photo: tuple[str | None, Path], crop: str) -> dict[str, Any]:
                return ask(port, "POST", f"/predict?crop={crop}", photo[1].read_bytes())

            found[name] = figures(photos, list(pool.map(answer, photos, crops)), species)
            print(f"{name}: {json.dumps(found[name])}", flush=True)

        health, listed = ask(port, "GET", "/health"), ask(port, "GET", "/species")
        species = {one["name"]: one for one in listed["species"]}
        for name, photos in folders(options):
            measure(name, photos, ["centre"] * len(photos))
            if name in dict(options.photos) and name not in options.whole:
                measure(f"{name}, crop=auto", photos, ["auto"] * len(photos))
                detected = pool.map(lambda photo: ask(port, "POST", "/detect", photo[1].read_bytes()), photos)
                parts = [(photo, crop) for photo, one in zip(photos, detected, strict=True) for crop in squares(one)]
                measure(f"{name}, boxes", [photo for photo, _ in parts], [crop for _, crop in parts])
            if name in dict(options.others):
                share = found[name]["confident"] / len(photos)
                requirements.append(Requirement(f"{name}: at most 5% confident", f"{share:.1%}", share <= OTHERS_CONFIDENT))
    models = {kind: health[kind] and f"{health[kind]['name']}/{health[kind]['version']}" for kind in ("model", "second_model")}
    return results.judge(options.out, {"machine": results.machine(), **models, "photos": found}, requirements)


def _named(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, Path(folder)


def _setting(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""From corrections to a model: photos from a field, corrected over HTTP, and what the next version makes of others from there.

    python -m benchmarks.adapt --data DIR --field DIR [DIR …] --out benchmarks/results/adapt.json

A service with the shipped models gets so many photos of each species with what they show, as a person would hand them in. They are
accepted at /review, `python -m training adapt` makes the next version, and the same service, which was never stopped, answers
the rest, and the test images of the shipped models' training. Photos of one group are all corrected or all in the rest: what their
names have before the second underscore, such as the plot, and of a numbered series (`pair_012_…`) a block of ten, since neighbours
show the same plants. Each `--field` holds one folder of photos for each species.
"""

import argparse
import hashlib
import http.client
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.answers import READY
from benchmarks.processes import free_port, ours, running, shipped
from benchmarks.results import Requirement
from models_store import image_files, store
from training.data import images as data
from training.publishing import measured_model

KEY = "benchmark"
COUNTS = (10, 20, 40)  # corrections of each species
REST = 0.45  # of the photos of a species, at least, are for measuring
BLOCK = 10  # numbered frames
WAIT_S = 120
ACCURACY, LOST, CORE_S = 0.9, 0.005, 1200  # with 20; ten minutes on two cores
Photos = list[tuple[str, Path]]  # what one shows, and its file


def group(file: Path) -> str:
    """What may show the same plants."""
    series = re.match(r"pair_(\d+)_", file.name)
    return f"frames {int(series[1]) // BLOCK}" if series else file.name.partition("_")[0]


def divided(folders: list[Path], seed: int) -> tuple[dict[str, list[Path]], Photos]:
    """Photos to correct, by species, and the rest, which shares no group with them."""
    of_species: dict[str, list[Path]] = {}
    for folder in folders:
        for file in sorted(image_files.find(folder).files):
            of_species.setdefault(file.parent.name, []).append(file)
    corrected, rest = {}, []
    for species, files in of_species.items():
        groups = sorted({group(file) for file in files}, key=lambda one: hashlib.sha256(f"{seed} {one}".encode()).digest())
        measured: set[str] = set()
        while sum(group(file) in measured for file in files) < REST * len(files):
            measured.add(groups.pop())
        rest += [(species, file) for file in files if group(file) in measured]
        corrected[species] = sorted(
            (file for file in files if group(file) not in measured),
            key=lambda file: hashlib.sha256(f"{seed} {file.name}".encode()).digest(),
        )
    return corrected, rest


def ask(port: int, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> Any:
    """The JSON of an answer. Raises RuntimeError for an error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    try:
        connection.request(method, path, body, {"Content-Type": kind, "X-API-Key": KEY})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if response.status >= 300:
        raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
    return json.loads(content)


def correct(port: int, species: str, file: Path) -> None:
    """Hand a photo in with what it shows, and accept it."""
    boundary = uuid.uuid4().hex
    fields = {"species": species, "plant": group(file)}
    text = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo"\r\n\r\n'
    body = (text + head).encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    kept = ask(port, "POST", "/corrections", body, f"multipart/form-data; boundary={boundary}")
    decision = json.dumps({"decision": "accept", "version": kept["version"], "reviewer": "benchmark"}).encode()
    ask(port, "POST", f"/corrections/{kept['id']}/review", decision, "application/json")


def right(port: int, photos: Photos) -> dict[str, list[int]]:
    """Of each species: photos answered rightly, photos answered with confidence, those of them that are right, and all photos."""
    found: dict[str, list[int]] = {}
    for species, file in photos:
        answer = ask(port, "POST", "/predict", file.read_bytes())
        hit = answer["species"] == species
        row = found.setdefault(species, [0, 0, 0, 0])
        found[species] = [a + b for a, b in zip(row, (hit, answer["confident"], hit and answer["confident"], 1), strict=True)]
    return found


def tested(options: argparse.Namespace) -> Photos:
    """The test images of the shipped model's training."""
    model = measured_model.of_artifact(shipped(options.model))
    images = model.in_order(data.load(options.data, options.cache))
    files = [images.files[row] for row in model.split(images).test]
    return [(file.split("/")[0], options.data / file) for file in files]


def served(port: int) -> dict[str, str | None]:
    """The versions in service, the first model and the second one."""
    health = ask(port, "GET", "/health")
    return {kind: health[kind] and f"{health[kind]['name']}/{health[kind]['version']}" for kind in ("model", "second_model")}


def hits(found: dict[str, list[int]]) -> int:
    """Photos answered rightly, of all species."""
    return sum(row[0] for row in found.values())


def accuracy(found: dict[str, list[int]]) -> float:
    """Over all photos."""
    return hits(found) / sum(row[3] for row in found.values())


def run(count: int, options: argparse.Namespace, test: Photos, known: list[int], work: Path, seed: int) -> dict[str, Any]:
    """One experiment with so many corrections of each species; `test` are images that must not be lost.

    How many of these are right before any correction is the same in all experiments: the first one puts it into `known`.
    """
    corrected, rest = divided(options.field, seed)
    models, database, port = work / "models", f"sqlite:///{work}/corrections.db", free_port()
    models.mkdir()
    settings = {"second_model": options.second_model, "database": database, "api_key": KEY, "poll_s": 1}
    server = ours(shipped(options.model), port, pinned=False, store=models, **settings)
    with running(server, port, READY):
        at_first, before = served(port), right(port, rest)
        if not known:
            known.append(hits(right(port, test)))
        handed_in = {species: len(files[:count]) for species, files in corrected.items()}
        for species, files in corrected.items():
            for file in files[:count]:
                correct(port, species, file)
        began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "training", "adapt", "--database", database, "--data", str(options.data), "--store", str(models)]
        for option, value in (("--name", options.name), ("--recipe", options.recipe), ("--cache", options.cache)):
            command += [] if value is None else [option, str(value)]
        done = subprocess.run([*command, "--force", "--seed", str(seed)], capture_output=True, text=True, check=False)
        wall_s, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
        published = {f"{name}/{version}" for name, versions in store.models(models).items() for version in versions}
        wait_for(port, lambda found: all(found[kind] in published for kind, version in at_first.items() if version is not None))
        after, test_after = right(port, rest), hits(right(port, test))
        in_the_end = served(port)
    place = re.search(r"published (\S+);", done.stdout)
    own = re.search(r"test images of (\S+): (\d+) of (\d+) right, (\d+) before", done.stdout)
    assert place is not None
    assert own is not None
    manifest = store.read_manifest(Path(place[1]))
    return {
        "served_before": at_first,
        "served_after": in_the_end,
        "taught": own[1],
        "corrections": handed_in,
        "seed": seed,
        "rest": {species: row[3] for species, row in after.items()},
        "right_before": {species: row[0] for species, row in before.items()},
        "right_after": {species: row[0] for species, row in after.items()},
        "confident_after": {species: row[1] for species, row in after.items()},
        "confident_and_right_after": {species: row[2] for species, row in after.items()},
        "accuracy_before": round(accuracy(before), 4),
        "accuracy_after": round(accuracy(after), 4),
        "test": [test_after, len(test), *known],  # by the service: right after, images, right before
        "test_of_taught": [int(number) for number in own.groups()[1:]],  # by the model that was taught, alone
        "new_weights_share": manifest.training.recipe["new_weights_share"],
        "would_be_published": manifest.forced is None,
        "against": manifest.forced,
        "said": manifest.warnings,
        "wall_s": round(wall_s),
        "core_s": round(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime),
    }


def required(runs: list[dict[str, Any]]) -> list[Requirement]:
    """What has to hold of the experiments with 20 corrections of each species."""
    requirements = []
    for one in runs:
        if max(one["corrections"].values()) != 20:
            continue
        name = f"{one['taught']} taught, 20 corrections a species, seed {one['seed']}"
        right = one["accuracy_after"]
        requirements.append(Requirement(f"{name}: at least {ACCURACY:.0%} of the rest right", f"{right:.1%}", right >= ACCURACY))
        for who, key in (("the service", "test"), (one["taught"], "test_of_taught")):
            now, n, before = one[key]
            what = f"{name}: at most {LOST:.1%} of the test images lost by {who}"
            requirements.append(Requirement(what, f"{(before - now) / n:.2%}", before - now <= LOST * n))
        requirements.append(Requirement(f"{name}: at most {CORE_S} core seconds", f"{one['core_s']}", one["core_s"] <= CORE_S))
        published = one["would_be_published"]
        requirements.append(Requirement(f"{name}: published without --force", "yes" if published else one["against"], published))
    return requirements


def wait_for(port: int, reached: Callable[[dict[str, str | None]], bool]) -> None:
    """Until the versions in service are as wanted. Raises RuntimeError."""
    until = time.monotonic() + WAIT_S
    while not reached(found := served(port)):
        if time.monotonic() > until:
            raise RuntimeError(f"the service goes on with {found}")
        time.sleep(0.5)


def main() -> int:
    """Run all experiments; the exit status is 1 if a requirement does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="images of the shipped model's training")
    parser.add_argument("--field", required=True, nargs="+", type=Path, help="photos from a field, a folder for each species")
    parser.add_argument("--counts", nargs="+", type=int, default=COUNTS, help="corrections of each species")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0,))
    parser.add_argument("--recipe", help="instead of adapt")
    parser.add_argument("--cache", type=Path, help="folder of decoded images")
    parser.add_argument("--model", default="seedlings", help="the first model in service (default: seedlings)")
    parser.add_argument("--second-model", default="auto", help="as SEEDLINGS_SECOND_MODEL (default: auto)")
    parser.add_argument("--name", help="of the model that adapt is to teach (default: what adapt chooses)")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.data = options.data.absolute()
    found, test, known = [], tested(options), list[int]()
    for count in options.counts:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as work:
                found.append(run(count, options, test, known, Path(work), seed))
            print(json.dumps(found[-1]), flush=True)
            results.write(options.out, {"machine": results.machine(), "threads": os.environ.get("OMP_NUM_THREADS"), "runs": found})
    document = {"machine": results.machine(), "threads": os.environ.get("OMP_NUM_THREADS"), "runs": found}
    return results.judge(options.out, document, required(found))


if __name__ == "__main__":
    sys.exit(main())

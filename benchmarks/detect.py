"""Many plants on one photo: `/detect` beside what one would write oneself, one after the other on this machine.

    python -m benchmarks.detect --out benchmarks/results/detect.json
    python -m benchmarks.detect --peers-python PYTHON     an environment with the extra `bench`, if it is another one

The peer is a plain FastAPI app: OpenCV's contours on excess green, and the same classifier in frozen TorchScript; once at
the photo's full size, once at half of it. Each server gets a closed loop (1 and 4 clients) with drawn photos of 12
megapixels with 20 plants and 1 megapixel with 5. Drawn plants are easy to find: this measures speed, not who finds more.
Plants a second count those that a server itself found; beside them stands how many there are. Milliseconds of processors
are those of the server, for each photo: beside other work they are steadier than the others. All of it takes about
12 minutes; let nothing else run meanwhile.
"""

import http.client
import json
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import images, load, results, side_by_side
from benchmarks.processes import Server, cpu_s, free_port, memory_mib, ours, shipped
from benchmarks.results import Requirement
from benchmarks.side_by_side import Rounds, median
from models_store import store

PEER = Path(__file__).parent / "peers" / "plain_detect.py"
CLIENTS = (1, 4)
PHOTOS = {"12mp-20-plants": (4000, 3000, 20), "1mp-5-plants": (1152, 864, 5)}  # width, height, plants
PHOTO_MS, PLANT_MS = 500, 10  # that an answer may take at most


def _form(body: bytes) -> bytes:
    return load.form("/detect", "file", body)


def servers(port: int) -> list[Server]:
    """Ours with the shipped models, and the plain app with the same classifier."""
    options = ["--model", str(shipped() / store.MODEL), "--port", str(port)]
    plain = [Server(f"opencv, {style} size", [str(PEER), *options, "--style", style], _form) for style in ("full", "half")]
    mine = ours(shipped(), port)
    return [Server(mine.name, mine.arguments, _form, mine.environment, of_peers=False), *plain]


def plants_found(port: int, request: bytes) -> int:
    """How many plants are in a server's answer."""
    with socket.create_connection(("127.0.0.1", port), load.TIMEOUT_S) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return len(json.loads(response.read())["plants"])


def measure(port: int, pid: int, photos: dict[str, bytes], seconds: float) -> dict[str, Any]:
    """All loads on one running server: photos and plants a second, latencies of photos."""
    found: dict[str, Any] = {}
    for name, body in photos.items():
        request = _form(body)
        plants = plants_found(port, request)
        load.closed_loop(port, [request], max(CLIENTS), seconds / 4)  # warm
        for clients in CLIENTS:
            before_s = cpu_s(pid)
            summary = load.closed_loop(port, [request], clients, seconds).summary()
            cpu_ms = 1e3 * (cpu_s(pid) - before_s) / max(1, *summary["statuses"].values())
            counted = {"plants": plants, "plants_per_s": round(summary["per_s"] * plants, 2), "cpu_ms": round(cpu_ms)}
            found[f"{name}/closed-{clients}"] = summary | counted
    found["memory_mib"] = memory_mib(pid)
    return found


def table(measured: dict[str, Rounds]) -> str:
    """The medians for people; in brackets how many times as many photos ours answers a second."""

    def cell(server: str, name: str) -> str:
        per_s, p50, p99, cpu, plants, plants_per_s, errors = (
            median(measured[server], name, key) for key in ("per_s", "p50_ms", "p99_ms", "cpu_ms", "plants", "plants_per_s", "errors")
        )
        text = f"{per_s:.2f} photos/s, {plants_per_s:.1f} plants/s ({plants:.0f} a photo), {p50:.0f}, {p99:.0f} ms, {cpu:.0f} of processors"
        if server != "ours" and "ours" in measured and per_s:
            text += f" (ours {median(measured['ours'], name, 'per_s') / per_s:.2f} times)"
        return text + (f", {errors:.0f} errors" if errors else "")

    return side_by_side.table(measured, cell)


def requirements(measured: dict[str, Rounds]) -> list[Requirement]:
    """What has to hold of the medians of ours; how it stands beside the peers is said, not required."""
    mine = measured["ours"]
    alone = next(name for name in mine[0] if name.endswith("/closed-1"))
    p50_ms, plants = median(mine, alone, "p50_ms"), median(mine, alone, "plants")
    most_ms = PHOTO_MS + PLANT_MS * plants
    return [
        Requirement(
            f"ours, {alone}: p50 at most {PHOTO_MS} ms, and {PLANT_MS} ms for each plant",
            f"{p50_ms:.0f} of {most_ms:.0f} ms, {plants:.0f} plants",
            p50_ms <= most_ms,
        )
    ]


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the file."""
    parser = side_by_side.parser("detect", __doc__)
    parser.add_argument("--photos", nargs="+", choices=PHOTOS, default=list(PHOTOS), help="the photos that are asked about")
    options = parser.parse_args(given)
    port, generator = free_port(), np.random.default_rng(0)
    photos = {name: images.encoded(images.field(*PHOTOS[name], generator), "JPEG", quality=90) for name in options.photos}
    chosen = side_by_side.chosen(servers(port), options.only)
    first = next(iter(photos.values()))
    measured: dict[str, Rounds] = {}
    for _ in range(options.rounds):
        side_by_side.one_round(
            chosen, options, port, lambda _: _form(first), lambda _, pid: measure(port, pid, photos, options.seconds), measured
        )
    if not measured:
        return side_by_side.none_started()
    document = {
        "machine": results.machine(),
        "classifier": shipped().relative_to(store.SHIPPED_STORE).as_posix(),
        "servers": measured,
    }
    return side_by_side.finish(options.out, table(measured), document, requirements(measured) if "ours" in measured else [])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are ended with it
    sys.exit(main())

"""Many plants on one photo: `/detect` beside what one would write oneself, one after the other on this machine.

    python -m benchmarks.detect --out benchmarks/results/detect.json
    python -m benchmarks.detect --peers-python PYTHON     an environment with the extra `bench`, if it is another one

The peer is a plain FastAPI app: OpenCV's contours on excess green, and the same classifier in frozen TorchScript; once at
the photo's full size, once at half of it. Each server gets a closed loop (1 and 4 clients) with drawn photos of 12
megapixels with 20 plants and 1 megapixel with 5. Drawn plants are easy to find: this measures speed, not who finds more.
Plants a second count those that a server itself found; beside them stands how many there are.
"""

import argparse
import http.client
import json
import signal
import socket
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import images, load, results
from benchmarks.processes import Server, free_port, memory_mib, ours, running, shipped
from benchmarks.results import Requirement
from models_store import store

PEER = Path(__file__).parent / "peers" / "plain_detect.py"
CLIENTS = (1, 4)
PHOTOS = {"12mp-20-plants": (4000, 3000, 20), "1mp-5-plants": (1152, 864, 5)}  # width, height, plants
PHOTO_MS, PLANT_MS = 500, 10  # that an answer may take at most
Rounds = list[dict[str, Any]]


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
            summary = load.closed_loop(port, [request], clients, seconds).summary()
            found[f"{name}/closed-{clients}"] = summary | {"plants": plants, "plants_per_s": round(summary["per_s"] * plants, 2)}
    found["memory_mib"] = memory_mib(pid)
    return found


def median(rounds: Rounds, load_name: str, key: str) -> float:
    """Of all rounds of a server."""
    return statistics.median(one[load_name][key] for one in rounds)


def table(measured: dict[str, Rounds]) -> str:
    """The medians for people; in brackets how many times as many photos ours answers a second."""
    lines = ["| photo, clients | " + " | ".join(measured) + " |", "|---" * (len(measured) + 1) + "|"]
    for name in (key for key in next(iter(measured.values()))[0] if "/" in key):
        cells = []
        for server, rounds in measured.items():
            per_s, p50, p99, plants, plants_per_s, errors = (
                median(rounds, name, key) for key in ("per_s", "p50_ms", "p99_ms", "plants", "plants_per_s", "errors")
            )
            cell = f"{per_s:.2f} photos/s, {plants_per_s:.1f} plants/s ({plants:.0f} a photo), {p50:.0f}, {p99:.0f} ms"
            if server != "ours" and "ours" in measured and per_s:
                cell += f" (ours {median(measured['ours'], name, 'per_s') / per_s:.2f} times)"
            cells.append(cell + (f", {errors:.0f} errors" if errors else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    memory = [f"{statistics.median(one['memory_mib'] for one in rounds):.0f} MiB" for rounds in measured.values()]
    lines.append("| memory | " + " | ".join(memory) + " |")
    return "\n".join(lines)


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
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of servers, as the table has them")
    parser.add_argument("--photos", nargs="+", choices=PHOTOS, default=list(PHOTOS), help="the photos that are asked about")
    parser.add_argument("--peers-python", default=sys.executable, help="Python that has the peers installed")
    parser.add_argument("--seconds", type=float, default=10, help="length of each load")
    parser.add_argument("--rounds", type=int, default=3, help="how often all is measured; the table shows medians")
    parser.add_argument("--out", type=Path, help="JSON file for the results; the table goes beside it")
    options = parser.parse_args(given)
    port, generator = free_port(), np.random.default_rng(0)
    photos = {name: images.encoded(images.field(*PHOTOS[name], generator), "JPEG", quality=90) for name in options.photos}
    chosen = [server for server in servers(port) if not options.only or server.name in options.only]
    measured: dict[str, Rounds] = {}
    for _ in range(options.rounds):
        for server in chosen:
            python = options.peers_python if server.of_peers else sys.executable
            try:
                with running(server, port, _form(next(iter(photos.values()))), python) as pid:
                    found = measure(port, pid, photos, options.seconds)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                continue
            measured.setdefault(server.name, []).append(found)
            print(f"{server.name}: {found}", file=sys.stderr)
    if not measured:
        print("none of the servers could be started", file=sys.stderr)
        return 1
    text = table(measured)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.with_suffix(".md").write_text(text + "\n")
    found_and_machine = {
        "machine": results.machine(),
        "classifier": shipped().relative_to(store.SHIPPED_STORE).as_posix(),
        "servers": measured,
    }
    if "ours" in measured:
        return results.judge(options.out, found_and_machine, requirements(measured))
    results.write(options.out, found_and_machine)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are ended with it
    sys.exit(main())

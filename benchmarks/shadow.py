"""What a shadow costs those who ask: the same service with one and without, one after the other on this machine.

    python -m benchmarks.shadow --out benchmarks/results/shadow.json

The newest shipped version answers, and the one before it sees every image, too. By one process and by two, one client and four ask, each
again as soon as it is answered, and an open loop asks so that the service is idle most of the time: that is when the shadow works.
"""

import functools
import json
import signal
import sys
import time
import urllib.request
from dataclasses import replace
from typing import Any

from benchmarks import images, load, results, side_by_side
from benchmarks.processes import Server, free_port, memory_mib, ours, shipped
from benchmarks.results import Requirement
from benchmarks.side_by_side import median
from models_store import store

CLIENTS = (1, 4)
OPEN_PER_S = 10.0
SLOWER_P50, SLOWER_P99 = 1.05, 1.25  # times what it is without a shadow, at most
WORKERS = (1, 2)
PATIENCE_S = 120.0


def servers(port: int) -> list[Server]:
    """Without a shadow and with one, by each number of workers."""
    artifact = shipped()
    before = max(version for version in store.versions(store.SHIPPED_STORE, artifact.parent.name) if str(version) != artifact.name)
    found = []
    for workers in WORKERS:
        plain = ours(artifact, port, workers=workers)
        shadowed = ours(artifact, port, workers=workers, shadow=before, shadow_share=1)
        found += [replace(plain, name=named(workers, False)), replace(shadowed, name=named(workers, True))]
    return found


def named(workers: int, shadow: bool) -> str:
    """A server's name in the table."""
    return f"{workers} worker{'s' * (workers > 1)}, {'with' if shadow else 'without'} a shadow"


def health(port: int) -> dict[str, Any]:
    """What `/health` says of the shadow, on a connection of its own, which any worker may take."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=PATIENCE_S) as response:
        found: dict[str, Any] = json.load(response)["shadow"] or {}
        return found


def wait_until_all_compare(port: int) -> None:
    """Raises TimeoutError where not each worker's shadow is loaded in time."""
    until = time.monotonic() + PATIENCE_S
    while {health(port).get("status", "comparing") for _ in range(16)} != {"comparing"}:
        if time.monotonic() > until:
            raise TimeoutError(f"not every shadow was loaded within {PATIENCE_S:g} s")
        time.sleep(0.5)


def measure(port: int, request: bytes, seconds: float, _: Server, pid: int) -> dict[str, Any]:
    """All loads on one running server."""
    wait_until_all_compare(port)
    load.closed_loop(port, [request], max(CLIENTS), seconds / 4)  # warm
    found: dict[str, Any] = {
        f"png-150/closed-{clients}": load.closed_loop(port, [request], clients, seconds).summary() for clients in CLIENTS
    }
    found["png-150/open"] = load.open_loop(port, [request], OPEN_PER_S, 16, seconds).summary()
    return found | {"memory_mib": memory_mib(pid), "shadow": health(port)}


def table(measured: dict[str, side_by_side.Rounds]) -> str:
    """Answers a second, p50 and p99 of every server and load."""

    def cell(server: str, name: str) -> str:
        per_s, p50, p99 = (median(measured[server], name, key) for key in ("per_s", "p50_ms", "p99_ms"))
        return f"{per_s:.1f}/s, {p50:.1f}, {p99:.1f} ms"

    return side_by_side.table(measured, cell)


def requirements(measured: dict[str, side_by_side.Rounds]) -> list[Requirement]:
    """What has to hold where a service was measured both ways."""
    judged = []
    for workers in WORKERS:
        without, beside = measured.get(named(workers, False)), measured.get(named(workers, True))
        if without is None or beside is None:
            continue
        for name in (key for key in without[0] if "/" in key):
            for key, most in (("p50_ms", SLOWER_P50), ("p99_ms", SLOWER_P99)):
                mine, theirs = median(beside, name, key), median(without, name, key)
                what = f"{named(workers, True)}, {name}: {key.removesuffix('_ms')} at most {most:g} times that without"
                judged.append(Requirement(what, f"{mine:.1f} of {theirs:.1f} ms: {mine / theirs:.2f} times", mine <= most * theirs))
        counted = beside[-1]["shadow"]
        seen = f"{counted['agreed']} agreed, {counted['differed']} differed, {counted['dropped']} dropped"
        judged.append(Requirement(f"{named(workers, True)}: images are compared", seen, counted["agreed"] + counted["differed"] > 0))
    return judged


def main() -> int:
    """Measure, print the table, write the file."""
    options = side_by_side.parser("shadow", __doc__).parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are ended with it
    port, request = free_port(), load.request("/predict", images.small_png())
    document: dict[str, Any] = {"machine": results.machine(), "servers": {}}
    chosen = side_by_side.chosen(servers(port), options.only)
    for _ in range(options.rounds):
        once = functools.partial(measure, port, request, options.seconds)
        side_by_side.one_round(chosen, options, port, lambda _: request, once, document["servers"])
    if not document["servers"]:
        return side_by_side.none_started()
    return side_by_side.finish(options.out, table(document["servers"]), document, requirements(document["servers"]))


if __name__ == "__main__":
    sys.exit(main())

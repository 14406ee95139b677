"""Twice what the service can do, for minutes: it refuses what is too much, at once, and nothing else changes.

    python -m benchmarks.overload --minutes 10 --out benchmarks/results/overload.json

Its capacity is measured first (closed loop, 16 clients). Then requests come at twice that rate, whatever the answers do,
over 64 connections. The queue is set to 32 images: with its usual 64, and 16 in the forward pass, there would be a place
for all that 64 connections can have in flight, and nothing to refuse. The memory of the first minute is that of filling
up, so it is compared from then on.
"""

import argparse
import multiprocessing
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import images, load, results, watch
from benchmarks.processes import free_port, ours, running, shipped
from benchmarks.results import Requirement

CONNECTIONS = 64
TIMES = 2.0
SETTLED_S = 60.0
FLAT = 0.05  # share of the memory
HEALTH_MS = 100.0
RECOVERED = 0.9  # share of the capacity before; two measurements of one server differ by a few percent
DEADLINE_S = 10.0


def measure(pid: int, port: int, seconds: float, capacity_s: float) -> dict[str, Any]:
    """Capacity, overload under watch, capacity again."""
    request = [load.request("/predict", images.small_png())]
    load.closed_loop(port, request, 16, capacity_s / 2)  # warm
    # Each load runs in a process of its own, so that what is watched here does not wait for it.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        before = other.submit(load.closed_loop, port, request, 16, capacity_s).result()
        per_s = TIMES * before.statuses[200] / before.seconds
        driven = other.submit(load.open_loop, port, request, per_s, CONNECTIONS, seconds)
        samples = watch.watch(pid, port, lambda: not driven.done())
        overloaded = driven.result().summary()
        after = other.submit(load.closed_loop, port, request, 16, capacity_s).result().summary()
    return {
        "capacity_before": before.summary(),
        "asked_per_s": round(per_s, 2),
        "overloaded": overloaded,
        "memory_mib": watch.memory(samples, min(SETTLED_S, seconds / 3)),
        "health": watch.health(samples),
        "capacity_after": after,
    }


def requirements(found: dict[str, Any]) -> list[Requirement]:
    """What has to hold, and whether it does."""
    memory, health, overloaded = found["memory_mib"], found["health"], found["overloaded"]
    off = max(memory["most"] / memory["then"] - 1, 1 - memory["least"] / memory["then"])
    again = found["capacity_after"]["per_s"] / found["capacity_before"]["per_s"]
    others = {status: count for status, count in overloaded["statuses"].items() if status not in ("200", "429")}
    spoken = ", ".join(f"{count} × {status}" for status, count in overloaded["statuses"].items())
    return [
        Requirement(
            f"memory within ±{FLAT:.0%} from {memory['at_s']:.0f} s on",
            f"{memory['then']:.0f} MiB, then {memory['least']:.0f}–{memory['most']:.0f}, at the end {memory['last']:.0f}",
            off <= FLAT,
        ),
        Requirement(
            f"p99 of the accepted under the deadline of {DEADLINE_S:.0f} s",
            f"{overloaded['p99_ms']:.0f} ms (p50 {overloaded['p50_ms']:.0f} ms), {overloaded['per_s']:.1f} a second",
            0 < overloaded["p99_ms"] < DEADLINE_S * 1e3,
        ),
        Requirement("everything else is refused with 429, and something is", spoken, not others and "429" in overloaded["statuses"]),
        Requirement(
            f"/health answers 200 within {HEALTH_MS:.0f} ms throughout",
            f"p50 {health['p50_ms']:.0f}, p99 {health['p99_ms']:.0f}, most {health['most_ms']:.0f} ms; {health['not_ready']} of"
            f" {health['looks']} not ready",
            health["most_ms"] < HEALTH_MS and not health["not_ready"],
        ),
        Requirement(
            f"then full speed again, {RECOVERED:.0%} at least",
            f"{found['capacity_before']['per_s']:.1f} a second before, {found['capacity_after']['per_s']:.1f} after: {again:.0%}",
            again >= RECOVERED,
        ),
    ]


def main() -> int:
    """Measure, print what holds, write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    parser.add_argument("--minutes", type=float, default=10, help="length of the overload")
    parser.add_argument("--capacity-seconds", type=float, default=15, help="length of each measurement of the capacity")
    parser.add_argument("--queue", type=int, default=32, help="SEEDLINGS_MAX_QUEUE of the service")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the service is ended with it
    artifact, port = (options.artifact or shipped()).resolve(), free_port()
    settings = {"max_queue": options.queue, "deadline_s": DEADLINE_S}
    found: dict[str, Any] = {
        "machine": results.machine(),
        "artifact": f"{artifact.parent.name}/{artifact.name}",
        "settings": settings,
        "connections": CONNECTIONS,
        "minutes": options.minutes,
    }
    with running(ours(artifact, port, **settings), port, load.request("/predict", images.small_png())) as pid:
        found |= measure(pid, port, options.minutes * 60, options.capacity_seconds)
    return results.judge(options.out, found, requirements(found))


if __name__ == "__main__":
    sys.exit(main())

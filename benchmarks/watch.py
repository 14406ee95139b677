"""A running service seen from outside while something happens to it: its memory, and how soon `/health` answers."""

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import memory_mib

EVERY_S = 0.5
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Sample:
    """One look."""

    at_s: float  # since the first one
    memory_mib: float
    health_ms: float
    health: int  # status; 0: no answer


def watch(pid: int, port: int, goes_on: Callable[[], bool], every_s: float = EVERY_S) -> list[Sample]:
    """A look every `every_s` while `goes_on()`, and one at the end. Its load has to run in another process or none."""
    samples: list[Sample] = []
    started = time.monotonic()
    last = False
    while not last:
        last = not goes_on()
        at = time.monotonic()
        memory = memory_mib(pid)
        status, seconds = ask_health(port)
        samples.append(Sample(round(at - started, 2), memory, round(seconds * 1e3, 2), status))
        time.sleep(max(0.0, at + every_s - time.monotonic()))
    return samples


def ask_health(port: int) -> tuple[int, float]:
    """Status of `/health` on a connection of its own, as probes ask, and the seconds until its answer was there; 0 if none came."""
    asked = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        response.read()
        return response.status, time.monotonic() - asked
    except (OSError, http.client.HTTPException):
        return 0, time.monotonic() - asked
    finally:
        connection.close()


def memory(samples: list[Sample], from_s: float) -> dict[str, Any]:
    """MiB at `from_s`; least, most and last from there on; and some twenty values in equal steps over all of the time."""
    values = [sample.memory_mib for sample in samples if sample.at_s >= from_s] or [samples[-1].memory_mib]
    series = [sample.memory_mib for sample in samples[:: max(1, len(samples) // 20)]]
    return {"at_s": from_s, "then": values[0], "least": min(values), "most": max(values), "last": values[-1], "series": series}


def health(samples: list[Sample]) -> dict[str, float]:
    """How long `/health` took, in ms, and how often it was not a 200."""
    times = sorted(sample.health_ms for sample in samples)
    slowest = max(samples, key=lambda sample: sample.health_ms)
    return {
        "looks": len(times),
        "p50_ms": times[len(times) // 2],
        "p99_ms": times[min(len(times) - 1, len(times) * 99 // 100)],
        "most_ms": slowest.health_ms,
        "slowest_at_s": slowest.at_s,
        "not_ready": sum(sample.health != 200 for sample in samples),
    }

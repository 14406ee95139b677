"""Version after version taken over by a service at work: no request fails, and its memory stays where it was.

    python -m benchmarks.swaps --swaps 50 --out benchmarks/results/swaps.json
    python -m benchmarks.swaps --swaps 10 --formats pt2 onnx --pause 0       by turns with model.pt2 and model.onnx, under load

The same artifact is published again and again as the next version of a store, with a manifest that says so. Meanwhile
clients ask at their leisure, and every answer has to name one version, never an older one than the answer before.
Memory is read once a swap has settled, and compared with what it was after the first few. Where formats change, memory
changes with them: it is shown, not judged. So is what an answer takes while a version is being taken over, and else.
"""

import argparse
import http.client
import json
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import images, load, results
from benchmarks.processes import free_port, memory_mib, ours, running, shipped
from benchmarks.results import Requirement
from models_store import store
from models_store.republish import republish
from training.artifact.formats import FORMATS
from training.publishing.convert import convert

CLIENTS = 2
PAUSE_S = 0.05  # between an answer and the next question
POLL_S = 0.5
PATIENCE_S = 120.0
WARM_SWAPS = 5  # the heap finds its size in the first ones
FLAT = 0.05  # share of the memory, from the warm swaps to the last ones
LAST = 5  # swaps whose median stands for the end


@dataclass
class Asked:
    """What one client was answered."""

    statuses: Counter[int] = field(default_factory=Counter)  # 0: no answer
    took: list[tuple[float, float]] = field(default_factory=list)  # when it asked, by the monotonic clock, and for how long
    versions: Counter[int] = field(default_factory=Counter)
    backward: int = 0  # answers of an older version than the one before


def publish_again(artifact: Path, root: Path) -> int:
    """Publish a copy of an artifact as the next version of the same model in another store. Returns its number."""
    return int(republish(root, artifact, store.read_manifest(artifact).name).name)


def in_formats(artifact: Path, forms: Sequence[str], root: Path) -> list[Path]:
    """A copy of the artifact for each format, with the file of that format alone beside `model.pt`."""
    manifest = store.read_manifest(artifact)
    bare = manifest.model_copy(update={"version": 1, "files": {store.MODEL: manifest.sha256}})
    plain = store.publish(root / "bare", (artifact / store.MODEL).read_bytes(), lambda *_: bare, lambda _: "# bare\n", manifest.name)
    return [convert(plain, root / form, (form,)) for form in FORMATS if form in forms]


def ask(port: int, body: bytes, pause_s: float, ended: threading.Event) -> Asked:
    """One client's questions until the end."""
    asked, newest = Asked(), 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    while not ended.wait(pause_s):
        began = time.monotonic()
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "image/png"})
            response = connection.getresponse()
            status, content = response.status, response.read()
        except (OSError, http.client.HTTPException):
            status, content = 0, b""
            connection.close()
        asked.statuses[status] += 1
        asked.took.append((began, time.monotonic() - began))
        if status == 200:
            version = int(json.loads(content)["model"]["version"])
            asked.versions[version] += 1
            asked.backward += version < newest
            newest = max(newest, version)
    connection.close()
    return asked


def wait_for(port: int, version: int) -> float:
    """Seconds until the service says it serves `version`. Raises TimeoutError."""
    started = time.monotonic()
    while time.monotonic() < started + PATIENCE_S:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("GET", "/health")
        served = json.loads(connection.getresponse().read())["model"]
        connection.close()
        if served is not None and served["version"] == str(version):
            return time.monotonic() - started
        time.sleep(0.05)
    raise TimeoutError(f"version {version} was not taken over within {PATIENCE_S:g} s")


def measure(pid: int, port: int, artifacts: Sequence[Path], root: Path, swaps: int, pause_s: float) -> dict[str, Any]:
    """Swap after swap under load; `artifacts` follow each other by turns, the first one is in service."""
    ended, body = threading.Event(), images.small_png()
    memory, took_s, swapping = [], list[float](), list[tuple[float, float]]()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(ask, port, body, pause_s, ended) for _ in range(CLIENTS)]
        try:
            for turn in range(1, swaps + 2):  # the first is what it started with
                time.sleep(3 * POLL_S)  # memory is given back at a load and at the look after it
                memory.append(memory_mib(pid))
                if len(memory) <= swaps:
                    version, began = publish_again(artifacts[turn % len(artifacts)], root), time.monotonic()
                    took_s.append(round(wait_for(port, version), 2))
                    swapping.append((began, time.monotonic()))
        finally:
            ended.set()
        asked = [client.result() for client in clients]
    statuses = sum((one.statuses for one in asked), Counter())
    versions = sum((one.versions for one in asked), Counter())
    meanwhile, else_ = list[float](), list[float]()
    for at, seconds in (one for client in asked for one in client.took):
        (meanwhile if any(begins <= at <= ends for begins, ends in swapping) else else_).append(seconds)
    return {
        "memory_mib": memory,
        "warm_mib": statistics.median(memory[min(WARM_SWAPS, swaps) :][:LAST]),
        "end_mib": statistics.median(memory[-LAST:]),
        "swap_s": took_s,
        "answer_ms": {"while a version is taken over": _spread_ms(meanwhile), "else": _spread_ms(else_)},
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "answers_by_version": {str(version): count for version, count in sorted(versions.items())},
        "backward": sum(one.backward for one in asked),
    }


def _spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """The median answer, the 99th percentile and the slowest one."""
    p50, p99, slowest = (1e3 * np.quantile(seconds, (0.5, 0.99, 1))).round(1).tolist()
    return {"p50": p50, "p99": p99, "slowest": slowest}


def requirements(found: dict[str, Any], swaps: int, alike: bool = True) -> list[Requirement]:
    """What has to hold, and whether it does; of memory only where all versions are `alike`."""
    answered, memory = found["answers_by_version"], found["memory_mib"]
    took_s = found["swap_s"]
    growth = found["end_mib"] / found["warm_mib"] - 1
    judged = [
        Requirement(
            "no request fails",
            ", ".join(f"{count} × {status}" for status, count in found["statuses"].items()),
            found["statuses"].keys() == {"200"},
        ),
        Requirement(
            "every version takes over, and answers",
            f"{len(answered)} versions answered; a swap took {statistics.median(took_s):.1f} s, {max(took_s):.1f} s at most",
            len(answered) == swaps + 1,
        ),
        Requirement("no client is answered by an older version than before", f"{found['backward']} answers", not found["backward"]),
        Requirement(
            f"memory at the end within {FLAT:.0%} of that after {WARM_SWAPS} swaps",
            f"{memory[0]:.0f} MiB at the start, {found['warm_mib']:.0f} warm, {found['end_mib']:.0f} at the end ({growth:+.1%});"
            f" {max(memory):.0f} at most",
            growth <= FLAT,
        ),
    ]
    return judged if alike else judged[:-1]


def main() -> int:
    """Measure, print what holds, write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.swaps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    parser.add_argument("--swaps", type=int, default=50, help="how many versions take over")
    parser.add_argument("--formats", nargs="+", choices=["pt2", "onnx"], help="put the artifact into these formats, by turns")
    parser.add_argument("--runtime", default="auto", help="SEEDLINGS_RUNTIME of the service")
    parser.add_argument("--pause", type=float, default=PAUSE_S, help="seconds between an answer and a client's next question")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the service is ended with it
    artifact, port = (options.artifact or shipped()).resolve(), free_port()
    found: dict[str, Any] = {"machine": results.machine(), "artifact": f"{artifact.parent.name}/{artifact.name}", "swaps": options.swaps}
    found |= {"formats": options.formats, "runtime": options.runtime}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "served"
        artifacts = in_formats(artifact, options.formats, Path(folder) / "made") if options.formats else [artifact]
        name = store.read_manifest(artifacts[0]).name
        publish_again(artifacts[0], root)
        server = ours(root / name / "1", port, pinned=False, poll_s=POLL_S, runtime=options.runtime)
        with running(server, port, load.request("/predict", images.small_png())) as pid:
            found |= measure(pid, port, artifacts, root, options.swaps, options.pause)
    return results.judge(options.out, found, requirements(found, options.swaps, alike=len(artifacts) == 1))


if __name__ == "__main__":
    sys.exit(main())

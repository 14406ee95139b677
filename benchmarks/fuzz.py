"""Thousands of damaged images against a running service: each is answered, by a prediction or by what is wrong with it.

    python -m benchmarks.fuzz --data DIR --cases 10000 --out benchmarks/results/fuzz.json
    python -m benchmarks.fuzz --data DIR --case 4711           one of them again

Case N of a seed is always the same request. One that gets a 5xx, a wrong form or no answer at all is saved, with its
answer. Memory may rise by what images take while they are decoded: one of the most pixels allowed, and in each further
thread one that is just not large.
"""

import argparse
import functools
import http.client
import json
import multiprocessing
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks import fuzz_cases, images, load, mutations, results, watch
from benchmarks.fuzz_cases import Case
from benchmarks.mutations import File
from benchmarks.processes import free_port, ours, running, shipped
from benchmarks.results import Requirement
from models_store.pixels import MAX_PIXELS
from service.inference.decoder import LARGE_PIXELS

CLIENTS = 8
DECODE_THREADS = 2
BYTES_A_PIXEL = 16  # while an image is decoded, at most
SOURCES = 24  # images, each in some twenty files
TRIES = 100
TIMEOUT_S = 120.0
_local = threading.local()


@dataclass(frozen=True)
class Outcome:
    """What came of one case."""

    case: int
    path: str
    status: int  # 0: no answer
    seconds: float
    fault: str | None


def sources(folder: Path | None) -> list[File]:
    """Files of images of a folder, or of drawn ones."""
    if folder is None:
        generator = np.random.default_rng(0)
        drawn = [images.photo(160, 120, generator) for _ in range(SOURCES)]
    else:
        found = sorted(path for path in folder.glob("*/*") if path.is_file())
        drawn = [mutations.opened(path.read_bytes()) for path in found[:: max(1, len(found) // SOURCES)][:SOURCES]]
    return [file for image in drawn for file in mutations.files(image)]


def run_case(case: int, *, seed: int, files: Sequence[File], port: int, save: Path) -> Outcome:
    """Ask, judge, and save what is wrong."""
    made = fuzz_cases.make(Random(f"{seed}/{case}"), files)
    started = time.monotonic()
    status, headers, content = ask(made, port)
    wrong = "no answer" if status == 0 else fuzz_cases.fault(made, status, headers, content)
    if wrong is not None:
        save.mkdir(parents=True, exist_ok=True)
        (save / f"{case}.body").write_bytes(made.body)
        said = {"path": made.path, "headers": made.headers, "fault": wrong, "status": status, "answer": content.decode(errors="replace")}
        (save / f"{case}.json").write_text(json.dumps(said, indent=1) + "\n")
        print(f"case {case}: {wrong}", file=sys.stderr)
    return Outcome(case, made.path.partition("?")[0], status, time.monotonic() - started, wrong)


def ask(made: Case, port: int) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content of the answer; a busy service is asked again. The status 0 is no answer."""
    status = 0
    headers: dict[str, str] = {}
    content = b""
    for _ in range(TRIES):
        connection: http.client.HTTPConnection | None = getattr(_local, "connection", None)
        fresh = connection is None
        if connection is None:
            connection = _local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", made.path, made.body, made.headers)
            response = connection.getresponse()
            status, content = response.status, response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
        except (OSError, http.client.HTTPException):
            connection.close()
            _local.connection = None
            if fresh:  # an old one may have been closed for its age
                return 0, {}, b""
            continue
        if status not in fuzz_cases.BUSY:
            break
        time.sleep(0.1)
    return status, headers, content


def run(cases: Sequence[int], seed: int, folder: Path | None, port: int, save: Path) -> list[Outcome]:
    """All cases, by clients that each wait for their answers."""
    one = functools.partial(run_case, seed=seed, files=sources(folder), port=port, save=save)
    outcomes = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        for outcome in pool.map(one, cases):
            outcomes.append(outcome)
            if len(outcomes) % 1000 == 0:
                print(f"{len(outcomes)} of {len(cases)}", file=sys.stderr)
    return outcomes


def judge(outcomes: list[Outcome], samples: list[watch.Sample]) -> tuple[dict[str, Any], list[Requirement]]:
    """The figures, and what has to hold."""
    statuses = Counter(f"{outcome.path} {outcome.status}" for outcome in outcomes)
    faults = [outcome for outcome in outcomes if outcome.fault]
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    memory = watch.memory(samples, 0)
    most_mib = memory["then"] + BYTES_A_PIXEL * (MAX_PIXELS + (DECODE_THREADS - 1) * LARGE_PIXELS) / 2**20
    found = {
        "cases": len(outcomes),
        "statuses": dict(sorted(statuses.items())),
        "faults": [{"case": outcome.case, "fault": outcome.fault} for outcome in faults],
        "slowest": {"case": slowest.case, "seconds": round(slowest.seconds, 2)},
        "memory_mib": memory,
    }
    answered = Counter(outcome.status for outcome in outcomes)
    requirements = [
        Requirement(
            "only 200 and 4xx, each of its form",
            ", ".join(f"{count} × {status}" for status, count in sorted(answered.items())) + f"; {len(faults)} faults",
            not faults,
        ),
        Requirement(
            f"memory under {most_mib:.0f} MiB",
            f"{memory['then']:.0f} MiB at the start, {memory['most']:.0f} at most, {memory['last']:.0f} at the end",
            memory["most"] < most_mib,
        ),
        Requirement("ready at the end", f"/health {samples[-1].health}", samples[-1].health == 200),
    ]
    return found, requirements


def main() -> int:
    """Run, print what holds, write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    parser.add_argument("--data", type=Path, help="folder of images in folders, one for each species; drawn ones by default")
    parser.add_argument("--cases", type=int, default=10_000, help="how many")
    parser.add_argument("--case", type=int, help="this one only")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other cases")
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"), help="folder for the requests that were not answered as promised")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the service is ended with it
    artifact, port = (options.artifact or shipped()).resolve(), free_port()
    cases = range(options.cases) if options.case is None else [options.case]
    measured_on = {"machine": results.machine(), "artifact": f"{artifact.parent.name}/{artifact.name}", "seed": options.seed}
    server = ours(artifact, port, decode_threads=DECODE_THREADS, log_level="error")
    with (
        running(server, port, load.request("/predict", images.small_png())) as pid,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other,
    ):
        work = other.submit(run, cases, options.seed, options.data, port, options.save)
        samples = watch.watch(pid, port, lambda: not work.done())
        found, requirements = judge(work.result(), samples)
    return results.judge(options.out, measured_on | found, requirements)


if __name__ == "__main__":
    sys.exit(main())

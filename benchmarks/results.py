"""What was measured, for people and as a file: the machine, and the requirements with whether they hold."""

import contextlib
import datetime
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Requirement:
    """Something that has to hold, what was measured of it, and whether it does."""

    what: str
    measured: str
    holds: bool


def machine() -> dict[str, Any]:
    """Where and when this was measured."""
    with contextlib.suppress(OSError):
        model = next(
            line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
        )
        return {
            "cpu": model,
            "cores": len(os.sched_getaffinity(0)),
            "load": os.getloadavg()[0],
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
    return {"cpu": platform.processor(), "cores": os.cpu_count()}


def write(out: Path | None, results: dict[str, Any]) -> None:
    """The results as a JSON file, where one is asked for."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1) + "\n")


def judge(out: Path | None, results: dict[str, Any], requirements: Sequence[Requirement]) -> int:
    """Print the requirements, write them and the results, and give the exit status: 1 if one does not hold."""
    print("| required | measured | holds |\n|---|---|---|")
    for one in requirements:
        print(f"| {one.what} | {one.measured} | {'yes' if one.holds else 'NO'} |")
    write(out, results | {"requirements": [asdict(one) for one in requirements]})
    return 0 if all(one.holds for one in requirements) else 1

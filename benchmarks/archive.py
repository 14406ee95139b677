"""Archives: photos a second by the local engine and by Ray, what a photo costs as lists grow, and whether memory stays flat.

    python -m benchmarks.archive --out benchmarks/results/archive.json

Needs the extra `ray`. A list repeats 200 drawn photos of 1 megapixel. Every run is the command itself, in a process of its own, with
the shipped model, no second one, and no settings of yours. Its seconds are those between the first part and the last one, so neither
a start nor the first photos count; what a start took is told apart. Processor time is that of the same seconds: where other programs
take part of the machine, it tells what a photo costs, and the clock does not. Memory is that of the command and of all that it
started, looked at twice a second; "halves" are the most of it in the first and the second half of those seconds. With Ray that is a
cluster that the command starts on this machine: its daemons and, shared, its object store are counted, too.
"""

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import images, results
from benchmarks.processes import cpu_s, memory_mib, shipped
from models_store import store
from service.process import cores

ROOT = Path(__file__).parents[1]
FILES, SIDE = 200, 1000
BLOCK = 64  # photos of a part
POLL_S = 0.5  # a look at all processes of Ray takes some hundredths of a second of a core


def drawn(folder: Path, side: int) -> list[Path]:
    """The files that lists repeat."""
    generator = np.random.default_rng(0)
    pictures = [images.encoded(images.field(side, side, 1, generator), "JPEG", quality=90) for _ in range(20)]
    files = [folder / f"{number:03}.jpg" for number in range(FILES)]
    for number, file in enumerate(files):
        file.write_bytes(pictures[number % len(pictures)])
    return files


def listed(files: Sequence[Path], count: int, file: Path) -> Path:
    """A text list of `count` photos."""
    with file.open("w") as stream:
        stream.writelines(f"{files[number % len(files)]}\n" for number in range(count))
    return file


def measure(photos: Path, count: int, out: Path, options: Sequence[str], models: Path | None = None) -> dict[str, Any]:
    """One run of the command, by the shipped model or one of another store. Raises RuntimeError unless it answers all photos."""
    call = [sys.executable, "-m", "service", "predict", str(photos), "--out", str(out), "--block", str(BLOCK), *options]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDLINGS_")}
    environ["SEEDLINGS_SECOND_MODEL"] = "none"  # which of the drawn photos it is asked of would depend on how they are drawn
    environ |= {} if models is None else {"SEEDLINGS_STORE": str(models)}
    environ["RAY_memory_monitor_refresh_ms"] = "0"  # else Ray ends workers when others take the machine's memory
    began, looks = time.time(), list[tuple[float, float, float]]()  # as the times of files, MiB, processor seconds
    with tempfile.TemporaryFile() as log, subprocess.Popen(call, cwd=ROOT, env=environ, stdout=log, stderr=log) as process:
        while process.poll() is None:
            looks.append((time.time(), memory_mib(process.pid), cpu_s(process.pid)))
            time.sleep(POLL_S)
        log.seek(0)
        said = log.read().decode(errors="replace")
    took_s = time.time() - began
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(call)} ended with {process.returncode}: {said[-2000:]}")
    written = sorted(file.stat().st_mtime for file in out.glob("part-*"))
    first, last = written[0], written[-1]
    between_s, after_first = last - first, count - BLOCK
    halves = [[mib for at, mib, _ in looks if begins <= at <= begins + between_s / 2] for begins in (first, first + between_s / 2)]
    taken_s = np.diff(np.interp([first, last], [at for at, _, _ in looks], [seconds for _, _, seconds in looks]))[0]
    return {
        "photos": count,
        "seconds": round(took_s, 2),
        "photos_a_second": round(after_first / between_s, 1),
        "ms_a_photo": round(1e3 * between_s / after_first, 3),
        "processor_ms_a_photo": round(1e3 * float(taken_s) / after_first, 3),
        "start_s": round(took_s - between_s, 2),
        "memory_mib": {"peak": round(max(mib for _, mib, _ in looks)), "halves": [round(max(half, default=0)) for half in halves]},
    }


def engines(counted_cores: int) -> dict[str, list[str]]:
    """The options of each engine: Ray with one worker of one core, and with two."""
    ray = ["--engine", "ray", "--address", "local", "--worker-cpus", "1", "--workers"]
    return {"local": [], **{f"ray, {n} worker{'s' * (n > 1)} of 1 core": [*ray, str(n)] for n in (1, 2) if n <= counted_cores}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write. Returns the exit status: 1 if a requirement does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a JSON file for the results")
    parser.add_argument("--count", type=int, default=2_000, help="photos of a run of each engine; 0: none (default: 2000)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="lengths of the list, by the local engine")
    parser.add_argument("--side", type=int, default=SIDE, help=f"pixels of a photo's sides (default: {SIDE})")
    parser.add_argument("--store", type=Path, help="a store with another model named seedlings, in place of the shipped one")
    parser.add_argument("--crop", choices=["auto", "centre"], default="centre", help="as of predict (default: centre)")
    options = parser.parse_args(arguments)
    common = ["--crop", options.crop]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = drawn(folder, options.side)
        by_engine, by_size = dict[str, Any](), dict[str, Any]()
        for number, (engine, wanted) in enumerate(engines(cores.available()).items() if options.count else ()):
            photos = listed(files, options.count, folder / f"engine-{number}.txt")
            by_engine[engine] = measure(photos, options.count, folder / f"engine-{number}", [*common, *wanted], options.store)
            print(f"{engine}: {by_engine[engine]}", file=sys.stderr, flush=True)
        for size in options.sizes:
            photos = listed(files, size, folder / f"size-{size}.txt")
            by_size[str(size)] = measure(photos, size, folder / f"size-{size}", common, options.store)
            print(f"{size} photos: {by_size[str(size)]}", file=sys.stderr, flush=True)
    costs = [one["processor_ms_a_photo"] for one in by_size.values()]
    peaks = [one["memory_mib"]["peak"] for one in by_size.values()]
    requirements = [
        results.Requirement(
            "a photo of the longest list takes at most 1.2 × the processor time of one of the shortest",
            f"{costs[-1] / costs[0]:.2f} ×",
            costs[-1] <= 1.2 * costs[0],
        ),
        results.Requirement(
            "the longest list takes at most 1.2 × the memory of the shortest one",
            f"{peaks[-1] / peaks[0]:.2f} ×",
            peaks[-1] <= 1.2 * peaks[0],
        ),
    ]
    model = shipped() if options.store is None else store.resolve(options.store, "seedlings")
    measured = {
        "machine": results.machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "model": f"{model.parent.name}/{model.name}, {(model / store.MODEL).stat().st_size} bytes",
        "photo": f"JPEG, {options.side} × {options.side}, --crop {options.crop}",
        "engines": by_engine,
        "sizes": by_size,
    }
    return results.judge(options.out, measured, requirements)


if __name__ == "__main__":
    sys.exit(main())

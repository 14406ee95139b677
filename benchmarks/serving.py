"""Ours and its peers, side by side: the same artifact, images and load, one after the other on this machine.

    python -m benchmarks.serving --out benchmarks/results/serving.json
    python -m benchmarks.serving --peers-python PYTHON     an environment with the extra `bench`, if it is another one

Each server gets a closed loop (1, 16 and 64 clients) and an open loop with small PNGs, 1-megapixel and 12-megapixel
JPEGs. The limit is the speed of the network in one process with nothing around it, measured in the same run.
"""

import argparse
import contextlib
import datetime
import io
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import load
from models_store import store

PEERS = Path(__file__).parent / "peers"
CLIENTS = (1, 16, 64)
START_S = 180.0
Make = Callable[[bytes], bytes]


def _raw(body: bytes) -> bytes:
    return load.request("/predict", body)


def _form(body: bytes) -> bytes:
    return load.form("/predict", "file", body)


@dataclass(frozen=True)
class Server:
    """How one of them is started and asked."""

    name: str
    arguments: list[str]  # of its Python
    make: Make = _raw
    environment: tuple[tuple[str, str], ...] = ()
    of_peers: bool = True


def servers(artifact: Path, port: int) -> list[Server]:
    """All of them, ours first."""
    options = ["--model", str(artifact / store.MODEL), "--port", str(port)]

    def peer(name: str, file: str, make: Make, *more: str) -> Server:
        return Server(name, [str(PEERS / file), *options, *more], make)

    version = (
        ("SEEDLINGS_STORE", str(artifact.parent.parent)),
        ("SEEDLINGS_MODEL", artifact.parent.name),
        ("SEEDLINGS_VERSION", artifact.name),
    )
    ours = ["-m", "service", "--port", str(port)]
    return [
        Server("ours", ours, environment=(*version, ("SEEDLINGS_LOG_LEVEL", "warning")), of_peers=False),
        peer("fastapi def", "plain_fastapi.py", _form, "--style", "def"),
        peer("fastapi async def", "plain_fastapi.py", _form, "--style", "async"),
        peer("litserve", "with_litserve.py", _form),
        peer("bentoml", "with_bentoml.py", lambda body: load.form("/predict", "files", body)),
        peer("mosec", "with_mosec.py", lambda body: load.request("/inference", body)),
        peer("ray serve", "with_ray.py", _raw),
    ]


@contextlib.contextmanager
def running(server: Server, python: str, port: int, probe: bytes) -> Iterator[int]:
    """The server's process id, once it answers; all of its processes are ended afterwards."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDLINGS_")} | dict(server.environment)
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen([python, *server.arguments], env=environ, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            until = time.monotonic() + START_S
            while load.closed_loop(port, [probe], 1, 0.01).statuses.keys() != {200}:
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise RuntimeError(f"{server.name} does not start: {log.read().decode(errors='replace')[-2000:]}")
                time.sleep(0.5)
            yield process.pid
        finally:
            family = descendants(process.pid)  # some leave the process group of their parent
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            for one in [process.pid, *family]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """All processes that a process has started, directly or not."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        todo += (more := children.get(todo.pop(), []))
        found += more
    return found


def memory_mib(pid: int) -> float:
    """Memory of a process and its descendants, shared pages counted once."""
    total_kib = 0
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total_kib += int(rollup.partition("\nPss:")[2].split()[0])
    return round(total_kib / 1024, 1)


def make_images(folder: Path) -> None:
    """A small PNG, a 1-megapixel and a 12-megapixel JPEG with the detail of a photo."""
    generator = np.random.default_rng(0)

    def photo(width: int, height: int) -> Image.Image:
        coarse = generator.integers(0, 256, (height // 20 + 1, width // 20 + 1, 3), np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
        return Image.fromarray(np.clip(smooth + generator.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8))

    for name, image, options in (
        ("png-150.png", photo(150, 150), {}),
        ("jpeg-1mp.jpg", photo(1000, 1000), {"quality": 90}),
        ("jpeg-12mp.jpg", photo(4000, 3000), {"quality": 90}),
    ):
        stream = io.BytesIO()
        image.save(stream, Image.registered_extensions()[Path(name).suffix], **options)
        (folder / name).write_bytes(stream.getvalue())


def limit(python: str, artifact: Path, images: Path) -> dict[str, float]:
    """Images a second in one process."""
    command = [python, str(PEERS / "raw.py"), "--model", str(artifact / store.MODEL), "--port", "0", "--style", str(images)]
    environ = os.environ | {"PYTHONPATH": str(PEERS.parents[1])}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(server: Server, port: int, pid: int, images: Path, open_per_s: float, seconds: float) -> dict[str, Any]:
    """All loads on one running server."""
    found: dict[str, Any] = {}
    for image in sorted(images.glob("*")):
        request = server.make(image.read_bytes())
        load.closed_loop(port, [request], 16, seconds / 4)  # warm
        for clients in CLIENTS:
            found[f"{image.stem}/closed-{clients}"] = load.closed_loop(port, [request], clients, seconds).summary()
    request = server.make((images / "png-150.png").read_bytes())
    found["png-150/open"] = load.open_loop(port, [request], open_per_s, 64, seconds).summary()
    found["memory_mib"] = memory_mib(pid)
    return found


def table(results: dict[str, Any]) -> str:
    """The results for people: throughput, p50 and p99 of every server and load."""
    loads = [name for name in next(iter(results["servers"].values()))[0] if "/" in name]
    lines = ["| load | " + " | ".join(results["servers"]) + " |", "|---" * (len(results["servers"]) + 1) + "|"]
    for name in loads:
        cells = []
        for rounds in results["servers"].values():
            median = {key: statistics.median(one[name][key] for one in rounds) for key in ("per_s", "p50_ms", "p99_ms", "errors")}
            cells.append(
                f"{median['per_s']:.1f}/s, {median['p50_ms']:.0f}, {median['p99_ms']:.0f} ms"
                + (f", {median['errors']:.0f} errors" if median["errors"] else "")
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    memory = [f"{statistics.median(one['memory_mib'] for one in rounds):.0f} MiB" for rounds in results["servers"].values()]
    lines.append("| memory | " + " | ".join(memory) + " |")
    limits = {key: statistics.median(one[key] for one in results["limit"]) for key in results["limit"][0]}
    lines += ["", "In one process, nothing around it (images/s): " + ", ".join(f"{key} {value:.1f}" for key, value in limits.items())]
    return "\n".join(lines)


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


def main() -> int:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    parser.add_argument("--only", help="comma-separated names of servers")
    parser.add_argument("--peers-python", default=sys.executable, help="Python that has the peers installed")
    parser.add_argument("--seconds", type=float, default=10, help="length of each load")
    parser.add_argument("--rounds", type=int, default=3, help="how often all is measured; the table shows medians")
    parser.add_argument("--out", type=Path, help="JSON file for the results; the table goes beside it")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are ended with it
    artifact = (options.artifact or store.resolve(store.SHIPPED_STORE, "seedlings")).resolve()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    results: dict[str, Any] = {"machine": machine(), "artifact": f"{artifact.parent.name}/{artifact.name}", "limit": [], "servers": {}}
    chosen = [server for server in servers(artifact, port) if not options.only or server.name in options.only.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder)
        make_images(images)
        for _ in range(options.rounds):
            raw = limit(sys.executable, artifact, images)
            results["limit"].append(raw)
            for server in chosen:
                python = options.peers_python if server.of_peers else sys.executable
                try:
                    with running(server, python, port, server.make((images / "png-150.png").read_bytes())) as pid:
                        found = measure(server, port, pid, images, raw["forward_16"] / 2, options.seconds)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    continue
                results["servers"].setdefault(server.name, []).append(found)
                print(f"{server.name}: {found['png-150/closed-16']}", file=sys.stderr)
    if not results["servers"]:
        print("none of the servers could be started", file=sys.stderr)
        return 1
    text = table(results)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
        options.out.with_suffix(".md").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

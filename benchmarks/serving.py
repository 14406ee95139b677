"""Ours and its peers, side by side: the same artifact, images and load, one after the other on this machine.

    python -m benchmarks.serving --out benchmarks/results/serving.json
    python -m benchmarks.serving --peers-python PYTHON     an environment with the extra `bench`, if it is another one

Each server gets a closed loop (1, 16 and 64 clients) with small PNGs, 1-megapixel and 12-megapixel JPEGs, these grainy
and smooth, and an open loop with small PNGs. The limit is the speed of the network in one process with nothing around
it, measured in the same run: frozen TorchScript in channels-last order, as the peers serve it. Beside another artifact
ours serves the shipped one too, and that in bfloat16 where the processor computes in it. Where the artifact holds
model.int8.onnx (`training convert --format int8` makes it), ours serves that in 8 bits, too.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import images, load, results, side_by_side
from benchmarks.processes import Make, Server, free_port, memory_mib, ours, raw, shipped
from benchmarks.results import Requirement
from benchmarks.side_by_side import median
from models_store import store
from service.inference import engine
from service.inference.runtimes import choice

PEERS = Path(__file__).parent / "peers"
CLIENTS = (1, 16, 64)
SHIPPED = "ours, the shipped model"
INT8 = "ours, 8 bits"


def _form(body: bytes) -> bytes:
    return load.form("/predict", "file", body)


def servers(artifact: Path, port: int) -> list[Server]:
    """All of them, ours first."""
    options = ["--model", str(artifact / store.MODEL), "--port", str(port)]

    def peer(name: str, file: str, make: Make, *more: str) -> Server:
        return Server(name, [str(PEERS / file), *options, *more], make)

    beside = [] if artifact == shipped().resolve() else [replace(ours(shipped(), port, second_model="none"), name=SHIPPED)]
    if (artifact / choice.FILES["int8"]).is_file():
        beside.append(replace(ours(artifact, port, second_model="none", runtime="int8"), name=INT8))
    if engine.computes_in_bfloat16():
        beside.append(replace(ours(shipped(), port, second_model="none", precision="bfloat16"), name=f"{SHIPPED}, bfloat16"))
    return [
        ours(artifact, port, second_model="none"),  # as its peers, which have one model
        *beside,
        peer("fastapi def", "plain_fastapi.py", _form, "--style", "def"),
        peer("fastapi async def", "plain_fastapi.py", _form, "--style", "async"),
        peer("litserve", "with_litserve.py", _form),
        peer("bentoml", "with_bentoml.py", lambda body: load.form("/predict", "files", body)),
        peer("mosec", "with_mosec.py", lambda body: load.request("/inference", body)),
        peer("ray serve", "with_ray.py", raw),
    ]


def limit(python: str, artifact: Path, folder: Path) -> dict[str, float]:
    """Images a second in one process."""
    command = [python, str(PEERS / "raw.py"), "--model", str(artifact / store.MODEL), "--port", "0", "--style", str(folder)]
    environ = os.environ | {"PYTHONPATH": str(PEERS.parents[1])}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(server: Server, port: int, pid: int, folder: Path, open_per_s: float, seconds: float) -> dict[str, Any]:
    """All loads on one running server."""
    found: dict[str, Any] = {}
    for image in sorted(folder.glob("*")):
        request = server.make(image.read_bytes())
        load.closed_loop(port, [request], 16, seconds / 4)  # warm
        for clients in CLIENTS:
            found[f"{image.stem}/closed-{clients}"] = load.closed_loop(port, [request], clients, seconds).summary()
    request = server.make((folder / "png-150.png").read_bytes())
    found["png-150/open"] = load.open_loop(port, [request], open_per_s, 64, seconds).summary()
    found["memory_mib"] = memory_mib(pid)
    return found


def table(measured: dict[str, Any]) -> str:
    """The results for people: throughput, p50 and p99 of every server and load."""

    def cell(server: str, name: str) -> str:
        per_s, p50, p99, errors = (median(measured["servers"][server], name, key) for key in ("per_s", "p50_ms", "p99_ms", "errors"))
        return f"{per_s:.1f}/s, {p50:.0f}, {p99:.0f} ms" + (f", {errors:.0f} errors" if errors else "")

    alone = ", ".join(f"{key} {value:.1f}" for key, value in limits(measured).items())
    return f"{side_by_side.table(measured['servers'], cell)}\n\nIn one process, nothing around it (images/s): {alone}"


def limits(measured: dict[str, Any]) -> dict[str, float]:
    """The medians of `limit`."""
    return {key: statistics.median(one[key] for one in measured["limit"]) for key in measured["limit"][0]}


def requirements(measured: dict[str, Any]) -> list[Requirement]:
    """What has to hold of the medians, where ours and a peer were measured: ratios within the run."""
    alone = limits(measured)
    peers = [name for name in measured["servers"] if not name.startswith("ours")]

    def of(server: str, load_name: str, key: str = "per_s") -> float:
        return median(measured["servers"][server], load_name, key)

    def against_best(server: str, load_name: str, times: float) -> Requirement:
        best = max(peers, key=lambda peer: of(peer, load_name))
        mine, theirs = of(server, load_name), of(best, load_name)
        what = f"{server}, {load_name}: {times:g} times the best peer's answers a second"
        return Requirement(what, f"{mine:.1f} against {theirs:.1f} ({best}): {mine / theirs:.2f} times", mine >= times * theirs)

    small = "png-150/closed-16"
    mine, forward = of("ours", small), alone["forward_16"]
    p50_ms, in_process_ms = of("ours", "png-150/closed-1", "p50_ms"), 1e3 / alone["png-150_1"]
    return [
        Requirement(
            f"ours, {small}: 90% of the forward pass alone in batches of 16",
            f"{mine:.1f} against {forward:.1f} a second: {mine / forward:.0%}",
            mine >= 0.9 * forward,
        ),
        against_best("ours", small, 1.3),
        *([against_best(SHIPPED, small, 1.7)] if SHIPPED in measured["servers"] else []),
        *([against_best(INT8, small, 2)] if INT8 in measured["servers"] else []),
        Requirement(
            "ours, png-150/closed-1: p50 at most 1.15 times decoding and forward pass alone",
            f"{p50_ms:.1f} against {in_process_ms:.1f} ms: {p50_ms / in_process_ms:.2f} times",
            p50_ms <= 1.15 * in_process_ms,
        ),
        against_best("ours", "jpeg-12mp-smooth/closed-16", 4),
        against_best("ours", "jpeg-12mp/closed-16", 4),
    ]


def main() -> int:
    """Measure, print the table, write the file."""
    parser = side_by_side.parser("serving", __doc__)
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are ended with it
    artifact = (options.artifact or shipped()).resolve()
    port = free_port()
    measured: dict[str, Any] = {
        "machine": results.machine(),
        "artifact": f"{artifact.parent.name}/{artifact.name}",
        "limit": [],
        "servers": {},
    }
    chosen = side_by_side.chosen(servers(artifact, port), options.only)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        images.make(folder)
        small = (folder / "png-150.png").read_bytes()
        for _ in range(options.rounds):
            alone = limit(sys.executable, artifact, folder)
            measured["limit"].append(alone)

            def measured_once(server: Server, pid: int, per_s: float = alone["forward_16"] / 2) -> dict[str, Any]:
                return measure(server, port, pid, folder, per_s, options.seconds)

            side_by_side.one_round(chosen, options, port, lambda server: server.make(small), measured_once, measured["servers"])
    if not measured["servers"]:
        return side_by_side.none_started()
    compared = "ours" in measured["servers"] and any(not name.startswith("ours") for name in measured["servers"])
    return side_by_side.finish(options.out, table(measured), measured, requirements(measured) if compared else [])


if __name__ == "__main__":
    sys.exit(main())

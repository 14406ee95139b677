"""Ours and its peers, side by side: the same artifact, images and load, one after the other on this machine.

    python -m benchmarks.serving --out benchmarks/results/serving.json
    python -m benchmarks.serving --peers-python PYTHON     an environment with the extra `bench`, if it is another one

Each server gets a closed loop (1, 16 and 64 clients) with small PNGs, 1-megapixel and 12-megapixel JPEGs, these grainy
and smooth, and an open loop with small PNGs. The limit is the speed of the network in one process with nothing around
it, measured in the same run: frozen TorchScript in channels-last order, as the peers serve it. Beside another artifact
ours serves the shipped one too, and that in bfloat16 where the processor computes in it.
"""

import argparse
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

from benchmarks import images, load, results
from benchmarks.processes import Make, Server, free_port, memory_mib, ours, raw, running, shipped
from benchmarks.results import Requirement
from models_store import store
from service.inference import engine

PEERS = Path(__file__).parent / "peers"
CLIENTS = (1, 16, 64)
SHIPPED = "ours, the shipped model"


def _form(body: bytes) -> bytes:
    return load.form("/predict", "file", body)


def servers(artifact: Path, port: int) -> list[Server]:
    """All of them, ours first."""
    options = ["--model", str(artifact / store.MODEL), "--port", str(port)]

    def peer(name: str, file: str, make: Make, *more: str) -> Server:
        return Server(name, [str(PEERS / file), *options, *more], make)

    beside = [] if artifact == shipped().resolve() else [replace(ours(shipped(), port), name=SHIPPED)]
    if engine.computes_in_bfloat16():
        beside.append(replace(ours(shipped(), port, precision="bfloat16"), name=f"{SHIPPED}, bfloat16"))
    return [
        ours(artifact, port),
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
    loads = [name for name in next(iter(measured["servers"].values()))[0] if "/" in name]
    lines = ["| load | " + " | ".join(measured["servers"]) + " |", "|---" * (len(measured["servers"]) + 1) + "|"]
    for name in loads:
        cells = []
        for rounds in measured["servers"].values():
            median = {key: statistics.median(one[name][key] for one in rounds) for key in ("per_s", "p50_ms", "p99_ms", "errors")}
            cells.append(
                f"{median['per_s']:.1f}/s, {median['p50_ms']:.0f}, {median['p99_ms']:.0f} ms"
                + (f", {median['errors']:.0f} errors" if median["errors"] else "")
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    memory = [f"{statistics.median(one['memory_mib'] for one in rounds):.0f} MiB" for rounds in measured["servers"].values()]
    lines.append("| memory | " + " | ".join(memory) + " |")
    limits = {key: statistics.median(one[key] for one in measured["limit"]) for key in measured["limit"][0]}
    lines += ["", "In one process, nothing around it (images/s): " + ", ".join(f"{key} {value:.1f}" for key, value in limits.items())]
    return "\n".join(lines)


def requirements(measured: dict[str, Any]) -> list[Requirement]:
    """What has to hold of the medians, where ours and a peer were measured: ratios within the run."""
    limits = {key: statistics.median(one[key] for one in measured["limit"]) for key in measured["limit"][0]}
    peers = [name for name in measured["servers"] if not name.startswith("ours")]

    def median(server: str, load_name: str, key: str = "per_s") -> float:
        return statistics.median(one[load_name][key] for one in measured["servers"][server])

    def against_best(server: str, load_name: str, times: float) -> Requirement:
        best = max(peers, key=lambda peer: median(peer, load_name))
        mine, theirs = median(server, load_name), median(best, load_name)
        what = f"{server}, {load_name}: {times:g} times the best peer's answers a second"
        return Requirement(what, f"{mine:.1f} against {theirs:.1f} ({best}): {mine / theirs:.2f} times", mine >= times * theirs)

    small = "png-150/closed-16"
    mine, alone = median("ours", small), limits["forward_16"]
    p50_ms, in_process_ms = median("ours", "png-150/closed-1", "p50_ms"), 1e3 / limits["png-150_1"]
    return [
        Requirement(
            f"ours, {small}: 90% of the forward pass alone in batches of 16",
            f"{mine:.1f} against {alone:.1f} a second: {mine / alone:.0%}",
            mine >= 0.9 * alone,
        ),
        against_best("ours", small, 1.3),
        *([against_best(SHIPPED, small, 1.7)] if SHIPPED in measured["servers"] else []),
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
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of servers, as the table has them")
    parser.add_argument("--peers-python", default=sys.executable, help="Python that has the peers installed")
    parser.add_argument("--seconds", type=float, default=10, help="length of each load")
    parser.add_argument("--rounds", type=int, default=3, help="how often all is measured; the table shows medians")
    parser.add_argument("--out", type=Path, help="JSON file for the results; the table goes beside it")
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
    chosen = [server for server in servers(artifact, port) if not options.only or server.name in options.only]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        images.make(folder)
        for _ in range(options.rounds):
            limits = limit(sys.executable, artifact, folder)
            measured["limit"].append(limits)
            for server in chosen:
                python = options.peers_python if server.of_peers else sys.executable
                try:
                    with running(server, port, server.make((folder / "png-150.png").read_bytes()), python) as pid:
                        found = measure(server, port, pid, folder, limits["forward_16"] / 2, options.seconds)
                except RuntimeError as error:
                    print(error, file=sys.stderr)
                    continue
                measured["servers"].setdefault(server.name, []).append(found)
                print(f"{server.name}: {found['png-150/closed-16']}", file=sys.stderr)
    if not measured["servers"]:
        print("none of the servers could be started", file=sys.stderr)
        return 1
    text = table(measured)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.with_suffix(".md").write_text(text + "\n")
    if "ours" in measured["servers"] and any(not name.startswith("ours") for name in measured["servers"]):
        return results.judge(options.out, measured, requirements(measured))
    results.write(options.out, measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A server as a process of its own: how it is started, what memory it holds, and that nothing of it is left."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks import load
from models_store import store

START_S = 180.0
Make = Callable[[bytes], bytes]


def raw(body: bytes) -> bytes:
    """A request with the image as its body."""
    return load.request("/predict", body)


@dataclass(frozen=True)
class Server:
    """How one of them is started and asked."""

    name: str
    arguments: list[str]  # of its Python
    make: Make = raw
    environment: tuple[tuple[str, str], ...] = ()
    of_peers: bool = True


def ours(artifact: Path, port: int, pinned: bool = True, **settings: object) -> Server:
    """This project's service on one version of a store, or on its newest; `settings` by their names, as in `max_queue=32`."""
    values = {"store": artifact.parent.parent, "model": artifact.parent.name, "log_level": "warning"} | settings
    if pinned:
        values["version"] = artifact.name
    environment = tuple((f"SEEDLINGS_{name.upper()}", str(value)) for name, value in values.items())
    return Server("ours", ["-m", "service", "--port", str(port)], environment=environment, of_peers=False)


def shipped(model: str = "seedlings") -> Path:
    """The folder of the newest version of a model that comes with the project."""
    return store.resolve(store.SHIPPED_STORE, model)


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running(server: Server, port: int, probe: bytes, python: str = sys.executable) -> Iterator[int]:
    """The server's process id, once it answers `probe`, a request; all of its processes are ended afterwards.

    Raises RuntimeError, with the end of its log, if it does not start.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDLINGS_")} | dict(server.environment)
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen([python, *server.arguments], env=environ, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            until = time.monotonic() + START_S
            while load.closed_loop(port, [probe], 1, 0.01).statuses.keys() != {200}:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{server.name} does not start: {_end(log)}")
                time.sleep(0.5)
            yield process.pid
        finally:
            if process.poll() is not None:  # by itself
                print(f"{server.name} ended with status {process.returncode}: {_end(log)}", file=sys.stderr)
            family = descendants(process.pid)  # some leave the process group of their parent
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            for one in [process.pid, *family]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)


def _end(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-2000:]


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


def cpu_s(pid: int) -> float:
    """Processor time that a process and its descendants have taken, user and system; of those gone, what their parents took over."""
    ticks = 0
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(OSError, ValueError):
            ticks += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Memory of a process and its descendants; 0 once they are gone.

    Pages that several of them share count once. Alone, a process counts with all its pages: its part of them would fall
    and rise with whoever else on the machine has the same libraries open.
    """
    family = [pid, *descendants(pid)]
    field, total_kib = "Pss" if len(family) > 1 else "Rss", 0
    for one in family:
        with contextlib.suppress(OSError, IndexError):
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total_kib += int(rollup.partition(f"\n{field}:")[2].split()[0])
    return round(total_kib / 1024, 1)

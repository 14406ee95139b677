"""A real Prometheus for tests, of the Debian package or of PATH."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest


def program(name: str) -> str:
    """Where `prometheus` or `promtool` lies; the test is skipped where it is not to be had."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} is installed: apt-get install prometheus")
    return found


@contextlib.contextmanager
def running(folder: Path, targets: list[str], rules: Path) -> Iterator[httpx.Client]:
    """One that asks the targets each second, as job `seedlings`; its API, for the length of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "prometheus.yml").write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{rules}]\n"
        f"scrape_configs: [{{job_name: seedlings, static_configs: [{{targets: {targets}}}]}}]\n"
    )
    command = [program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60, verify=False) as client:
                _wait_ready(port, process, folder / "log")
                yield client
        finally:
            process.terminate()


def _wait_ready(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """It listens before it is ready, and answers 503 meanwhile."""
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < until, log.read_text()[-2000:]
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/-/ready", verify=False).is_success:
                return
        time.sleep(0.05)

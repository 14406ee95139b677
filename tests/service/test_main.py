"""The service as a process of its own: it starts, is told to go, and goes in good order."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from benchmarks.processes import free_port
from tests import fakes

ROOT = Path(__file__).parents[2]
PATIENCE_S = 180.0  # a loaded machine is no failure
# In place of torch: its import waits in C where no signal ends it, as in the loading of a large library. Python's own threads go on.
STUCK_IMPORT = r"""
import ctypes
libc, lock = ctypes.CDLL(None), ctypes.create_string_buffer(256)
libc.pthread_mutex_lock(lock)
print("importing\n", end="", flush=True)  # at once: with PYTHONUNBUFFERED the end of a line comes by itself, and two processes print
libc.pthread_mutex_lock(lock)
"""


@contextlib.contextmanager
def process(store: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDLINGS_")}
    environ |= {"SEEDLINGS_STORE": str(store), "SEEDLINGS_MAX_BATCH": "2", "SEEDLINGS_THREADS": "1"}
    # To compare the runtimes of the shipped segmenter takes seconds of each start, in each worker.
    environ |= {"SEEDLINGS_RUNTIME": "torchscript"} | variables
    command = [sys.executable, "-m", "service", "--port", str(port)]
    with (
        tempfile.NamedTemporaryFile() as log,  # a pipe that nobody reads would fill, and the service would wait
        Path(log.name).open() as said,
        subprocess.Popen(command, env=environ, stderr=log, text=True, cwd=ROOT, start_new_session=True) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, verify=False) as client,
    ):
        running.stderr = said
        try:
            yield running, client
        finally:
            with contextlib.suppress(ProcessLookupError):  # workers that are still at an answer
                os.killpg(running.pid, signal.SIGKILL)


def alone(method: str, url: str, content: bytes | None = None) -> httpx.Response:
    """The answer to a request on a connection of its own, which any worker may take."""
    # Unless told not to verify, each call reads the certificates of all authorities, which takes longer than the request.
    return httpx.request(method, url, content=content, timeout=PATIENCE_S, verify=False)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until, f"never happened: {what}"
        time.sleep(0.05)


def wait_ready(client: httpx.Client) -> None:
    def ready() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return client.get("/health/ready").status_code == 200
        return False

    wait_for(ready, "ready")


@pytest.mark.slow
def test_sigterm_answers_what_is_in_flight_and_exits_0_and_the_log_warns_of_an_unknown_setting(tmp_path: Path) -> None:
    fakes.publish(tmp_path, fakes.Slow)
    probes = free_port()
    settings = {"SEEDLINGS_LOG_FORMAT": "json", "SEEDLINGS_PROBE_PORT": str(probes), "SEEDLINGS_GREENHOUSE": "1"}
    with process(tmp_path, **settings) as (running, client), ThreadPoolExecutor(8) as pool:
        wait_ready(client)
        work = [pool.submit(client.post, "/predict", content=fakes.image()) for _ in range(8)]
        wait_for(lambda: client.get("/health").json()["queued"] >= 3, "three wait")
        running.send_signal(signal.SIGTERM)
        until = time.monotonic() + PATIENCE_S
        while (health := client.get("/health")).status_code == 200 and time.monotonic() < until:
            time.sleep(0.005)
        assert health.json()["status"] == "draining"
        assert alone("GET", f"http://127.0.0.1:{probes}/health/ready").json()["status"] == "draining"
        assert client.post("/predict", content=fakes.image()).status_code == 503
        statuses = [task.result().status_code for task in work]
        assert running.wait(PATIENCE_S) == 0
        assert running.stderr is not None
        text = running.stderr.read()
    assert 200 in statuses
    assert set(statuses) <= {200, 503}  # 503: had not arrived yet
    assert "Traceback" not in text
    first = json.loads(text.splitlines()[0])  # an unknown setting is a warning in the log
    assert "SEEDLINGS_GREENHOUSE is no setting" in json.dumps(first)
    assert "warning" in json.dumps(first).lower()


@pytest.mark.slow
def test_several_workers_share_their_metrics(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    with process(tmp_path, SEEDLINGS_WORKERS="2", SEEDLINGS_PROBE_PORT=str(probes := free_port())) as (running, client):
        wait_ready(client)
        assert {alone("GET", f"http://127.0.0.1:{probes}/health/live").status_code for _ in range(8)} == {200}
        for _ in range(20):  # each on a connection of its own, so that both workers get some
            assert alone("POST", f"{client.base_url}/predict", fakes.image()).status_code in (200, 503)
        for _ in range(4):
            text = alone("GET", f"{client.base_url}/metrics").text
            counts = re.findall(r'seedlings_requests_total\{route="/predict",status="\d+"\} ([\d.]+)', text)
            assert sum(map(float, counts)) == 20
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_S) == 0
        assert running.stderr is not None
        assert "SEEDLINGS_WORKERS is 2: each worker computes with 1 of " in running.stderr.read()


@pytest.mark.slow
def test_the_queue_is_true_of_all_workers(tmp_path: Path) -> None:
    fakes.publish(tmp_path, fakes.Slow)

    def queued(url: str) -> float:
        text = alone("GET", f"{url}/metrics").text
        return sum(map(float, re.findall(r"^seedlings_queue_length(?:\{.*\})? ([\d.]+)", text, re.MULTILINE)))

    with process(tmp_path, SEEDLINGS_WORKERS="2") as (running, client), ThreadPoolExecutor(32) as pool:
        wait_ready(client)
        url = str(client.base_url)
        wait_for(lambda: all(alone("GET", f"{url}/health/ready").status_code == 200 for _ in range(16)), "both are ready")
        work = [pool.submit(alone, "POST", f"{url}/predict", fakes.image()) for _ in range(24)]
        seen = [queued(url) for _ in range(8)]  # each worker says of itself what it is now
        for task in work:
            task.result()
        assert max(seen) > 0
        wait_for(lambda: [queued(url) for _ in range(8)] == [0] * 8, "both say that nothing waits")
        work = []
        for _ in range(20):  # until some of them wait
            work += [pool.submit(alone, "POST", f"{url}/predict", fakes.image()) for _ in range(8)]
            if max(queued(url) for _ in range(4)) >= 2:
                break
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        assert {task.result().status_code for task in work} <= {200, 503}  # 503: had not arrived yet
        assert running.wait(PATIENCE_S) == 130
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()


@pytest.mark.slow
def test_ctrl_c_exits_130_without_pythons_own_end(tmp_path: Path) -> None:
    """That one aborts where torch is still at a model in another thread."""
    fakes.publish(tmp_path)
    (tmp_path / "sitecustomize.py").write_text("import atexit, pathlib; atexit.register(pathlib.Path(__file__).with_name('ended').touch)\n")
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    # Of several workers of another program in the same environment: this one has none.
    with process(tmp_path, PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "gone"), PYTHONPATH=path) as (running, client):
        wait_ready(client)
        assert "seedlings_requests_total" in client.get("/metrics").text
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE_S) == 130
        assert not (tmp_path / "ended").exists()
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()


def test_ctrl_c_while_workers_import_torch_is_heard_by_their_parent_alone(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(STUCK_IMPORT)
    environ = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "SEEDLINGS_LOG_LEVEL": "error", "SEEDLINGS_WORKERS": "2"}
    command = [sys.executable, "-m", "service", "--port", "0"]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, start_new_session=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "importing\n"  # one of them; the other one may be anywhere before
        os.killpg(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=PATIENCE_S)
        assert (running.returncode, told) == (130, "")


@pytest.mark.parametrize("command", [["predict", "photo.png"], ["openapi"], ["serve", "--port", "0"]])
def test_ctrl_c_while_a_command_imports_torch_ends_it_with_one_line(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(STUCK_IMPORT)
    environ = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "SEEDLINGS_LOG_LEVEL": "warning"}
    with subprocess.Popen(
        [sys.executable, "-m", "service", *command], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "importing\n"
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=PATIENCE_S)
        assert (running.returncode, told) == (130, "interrupted\n")


def test_a_mistaken_environment_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    for variables, told in (
        ({"SEEDLINGS_STORE": str(tmp_path / "gone")}, "seedlings: SEEDLINGS_STORE: there is no folder"),
        ({"SEEDLINGS_THREDS": "1"}, "seedlings: SEEDLINGS_THREDS is no setting; did you mean SEEDLINGS_THREADS?"),
        ({"SEEDLINGS_HOST": "a..b"}, "seedlings: SEEDLINGS_HOST: no address is known for 'a..b'"),
        ({"SEEDLINGS_WORKERS": "2", "SEEDLINGS_METRICS_DIR": __file__}, "seedlings: SEEDLINGS_METRICS_DIR: File exists"),
    ):
        with process(tmp_path, **variables) as (running, _):
            assert running.wait(PATIENCE_S) in (1, 2)
            assert running.stderr is not None
            assert running.stderr.read().startswith(told)


def test_a_port_for_probes_that_is_taken_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with process(tmp_path, SEEDLINGS_PROBE_PORT=port) as (running, _):
            assert running.wait(PATIENCE_S) == 1
            assert running.stderr is not None
            assert running.stderr.read() == f"seedlings: SEEDLINGS_PROBE_PORT: Address already in use: {port}; choose another port\n"


def test_a_wrong_call_exits_2(tmp_path: Path) -> None:
    with process(tmp_path, SEEDLINGS_DEVICE="tpu") as (running, _):
        assert running.wait(PATIENCE_S) == 2
        assert running.stderr is not None
        assert running.stderr.read().startswith("seedlings: SEEDLINGS_DEVICE")

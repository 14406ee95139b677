"""The engine on a real Ray cluster of two nodes on this machine."""

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.cli.archive.engines import Failed, Task
from service.cli.archive.on_ray import Actor
from service.settings import Settings
from tests import fakes
from tests.service.cli.archive.conftest import ROOT, parts, predict, read, started, wait_for
from tests.service.conftest import PATIENCE_S
from tests.web import Web

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("model")]
_STORE_BYTES = 80 * 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with a core each; of a node that is killed the others hear within two seconds."""
    utils = pytest.importorskip("ray.cluster_utils", reason="ray is not installed: pip install 'seedlings[ray]'")
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        (Path(folder) / "ray").mkdir()
        patch.setenv("RAY_TMPDIR", folder)  # where it is noted; others of this machine are not to find it
        patch.setenv("PYTHONPATH", str(ROOT))  # of the actors
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # what else runs on this machine may take memory
        node = {"num_cpus": 1, "object_store_memory": _STORE_BYTES, "include_log_monitor": False}
        heartbeat = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
        head = {"temp_dir": folder, "include_dashboard": False, "no_monitor": True, "_system_config": heartbeat}
        started = utils.Cluster(initialize_head=True, head_node_args=node | head)
        started.add_node(**node)
        yield started
        started.shutdown()


def workers_of(node: Any) -> list[int]:
    """The processes that a node's raylet has started."""
    mark = b"RAY_RAYLET_PID=%d\0" % node.all_processes["raylet"][0].process.pid
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if mark in environ.read_bytes():
                found.append(int(environ.parent.name))
    assert found
    return found


def test_every_photo_is_answered_once_though_a_node_dies(cluster: Any, server: Web, tmp_path: Path) -> None:
    """Both nodes are at work on photos when one is killed. The rows are those of the local engine."""
    count, block, held_from = 60, 4, 16
    listed = server.listed(tmp_path / "list.txt", count)
    listed.write_text(listed.read_text() + server.url("none.png") + "\n")
    server.held_from = held_from
    call = [listed, "--crop", "centre", "--block", block, "--out"]
    with started(*call, tmp_path / "ray", "--engine", "ray", "--address", cluster.address, "--worker-cpus", 1) as process:
        on_their_way = range(held_from, held_from + 4 * block)  # two blocks of each worker
        wait_for(lambda: all(server.asked[i] for i in on_their_way), "both workers are at work")
        finished = len(parts(tmp_path / "ray"))
        dying = max(cluster.list_all_nodes(), key=lambda node: not node.head)
        workers = workers_of(dying)
        cluster.remove_node(dying, allow_graceful=False)
        for pid in workers:  # as when a machine goes: they would work on for a moment
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.opened.set()
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, said
    assert "1 of 61 photos were not answered" in said
    assert finished == held_from // block
    assert sum(server.asked[i] == 2 for i in on_their_way) == 2 * block  # those of the worker that died
    assert {server.asked[i] for i in range(held_from)} == {1}
    found = read(tmp_path / "ray")
    assert [row["file"] for row in found] == listed.read_text().split()
    assert found[7]["probability"] == pytest.approx(fakes.shares(server.colour(7)).max(), abs=1e-4)
    assert predict(*call, tmp_path / "local") == 1
    assert read(tmp_path / "local") == found
    asked = server.asked.total()
    parts(tmp_path / "ray")[3].unlink()
    assert predict(*call, tmp_path / "ray") == 1  # the local engine goes on after Ray
    assert server.asked.total() == asked + block
    assert read(tmp_path / "ray") == found


def test_ctrl_c_while_no_node_has_room(cluster: Any, photos: Path, tmp_path: Path) -> None:
    call = [photos, "--out", tmp_path / "out", "--engine", "ray", "--address", cluster.address, "--worker-cpus", 3]
    with started(*call) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("waiting for a worker: it needs a node with 3 free cores (the largest has 1)")
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
        took_s = time.monotonic() - begun
    assert process.returncode == 130, said
    assert said.splitlines()[-1].startswith("interrupted")
    assert took_s < 10  # within a second, where the machine is not busy


@pytest.mark.parametrize(
    ("address", "said"),
    [("127.0.0.1:9", "no Ray cluster answers at 127.0.0.1:9 (Connection refused)"), ("nowhere", "is no address"), ("a:b", "is no address")],
)
def test_no_cluster(photos: Path, tmp_path: Path, address: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'seedlings[ray]'")
    assert predict(photos, "--out", tmp_path / "out", "--engine", "ray", "--address", address) == 1
    assert said in capsys.readouterr().err


def test_an_old_address_does_not_hold_it_up(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ray would try for minutes."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'seedlings[ray]'")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    for address in ([], ["--address", "auto"]):
        assert predict(photos, "--out", tmp_path / "out", "--engine", "ray", *address) == 1
        assert "no Ray cluster answers at 127.0.0.1:9 (Connection refused), which RAY_ADDRESS names" in capsys.readouterr().err


def test_a_node_without_the_photos(tmp_path: Path) -> None:
    """Each of its rows would be a problem."""
    actor = Actor(Settings(store=tmp_path), Task(plants=None, look="centre", kind="csv", base="/nowhere"))
    with pytest.raises(Failed, match=r"has no a/1.jpg; all nodes need the same paths"):
        asyncio.run(actor.models(["a/1.jpg", "b/2.jpg"]))

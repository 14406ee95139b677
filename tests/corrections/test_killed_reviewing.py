"""The service is killed while people review: what it said was decided, is."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.processes import free_port
from corrections.database import Database
from corrections.photos import PhotoFiles
from corrections.store import CorrectionStore, Quota
from service.settings import Settings
from tests import fakes
from tests.corrections.conftest import new
from tests.service.conftest import serve

PATIENCE_S = 180.0  # a loaded machine is no failure
KEY = {"X-API-Key": "secret"}


@contextlib.contextmanager
def service(store: Path, database: str, photos: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A real process, ready to review."""
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDLINGS_")}
    environ |= {"SEEDLINGS_STORE": str(store), "SEEDLINGS_DATABASE": database, "SEEDLINGS_PHOTOS": str(photos)}
    environ |= {"SEEDLINGS_API_KEY": KEY["X-API-Key"], "SEEDLINGS_THREADS": "1", "SEEDLINGS_LOG_LEVEL": "error"}
    environ |= {"SEEDLINGS_RUNTIME": "torchscript"}  # to compare the runtimes of the shipped segmenter takes seconds of each start
    with subprocess.Popen([sys.executable, "-m", "service", "--port", str(port)], env=environ, cwd=Path(__file__).parents[2]) as running:
        try:
            until = time.monotonic() + PATIENCE_S
            url = f"http://127.0.0.1:{port}/corrections"
            with httpx.Client(headers=KEY, timeout=PATIENCE_S, verify=False) as client:
                while time.monotonic() < until:
                    with contextlib.suppress(httpx.TransportError):
                        if client.get(f"{url}/waiting").status_code == 200:
                            break
                    time.sleep(0.1)
            yield running, url
        finally:
            running.kill()


@pytest.mark.slow
def test_killed_while_people_review_nothing_is_lost(database_url: str, tmp_path: Path) -> None:
    corrections = CorrectionStore(Database(database_url), PhotoFiles(str(tmp_path / "photos")), Quota(1000, 10**7))
    corrections.open()
    waiting = [corrections.add(new(i)).id for i in range(60)]
    fakes.publish(tmp_path / "store", fakes.Shares)
    told: dict[str, dict[str, object]] = {}

    def review(url: str, name: str, own: list[str]) -> None:
        decision = {"decision": "accept", "version": 1, "reviewer": name, "species": f"of {name}"}
        with httpx.Client(headers=KEY, timeout=PATIENCE_S, verify=False) as client, contextlib.suppress(httpx.TransportError):
            for correction in own:
                answer = client.post(f"{url}/{correction}/review", json=decision)
                assert answer.status_code == 200, answer.text
                told[correction] = json.loads(answer.content)

    with service(tmp_path / "store", database_url, tmp_path / "photos") as (running, url):
        people = [threading.Thread(target=review, args=(url, f"person {i}", waiting[i::3])) for i in range(3)]
        for person in people:
            person.start()
        until = time.monotonic() + PATIENCE_S
        while len(told) < 8 and time.monotonic() < until:
            time.sleep(0.001)
        running.send_signal(signal.SIGKILL)
        for person in people:
            person.join()
    assert 8 <= len(told) < len(waiting)  # in the midst of it
    for correction in waiting:
        kept = corrections.get(correction)
        if correction in told:
            said = told[correction]
            assert (kept.state, kept.version, kept.species, kept.reviewer) == ("accepted", 2, said["species"], said["reviewer"])
        assert (kept.state, kept.version) in (("waiting", 1), ("accepted", 2))  # whole, or not at all
        assert corrections.photo(correction)[0].startswith(b"\x89PNG")
    left = next(correction for correction in waiting if corrections.get(correction).state == "waiting")
    again = {"store": tmp_path / "store", "database": database_url, "photos": str(tmp_path / "photos"), "api_key": KEY["X-API-Key"]}
    with serve(Settings.model_validate(again | {"threads": 1, "runtime": "torchscript"})) as running:
        running.client.headers.update(KEY)
        running.wait_keeping()
        decision = {"decision": "reject", "version": 1, "reviewer": "Ada"}
        assert running.client.post(f"/corrections/{left}/review", json=decision).status_code == 200  # it goes on
    assert corrections.get(left).state == "rejected"
    corrections.close()

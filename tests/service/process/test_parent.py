"""Workers of a service whose own process was killed."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import fakes
from tests.service.test_main import alone, process, wait_for, wait_ready


@pytest.mark.slow
def test_workers_whose_parent_was_killed_answer_what_is_in_flight_and_leave_the_port(tmp_path: Path) -> None:
    fakes.publish(tmp_path, fakes.Slow)
    with process(tmp_path, SEEDLINGS_WORKERS="2") as (running, client), ThreadPoolExecutor(24) as pool:
        wait_ready(client)
        url, port = str(client.base_url), client.base_url.port

        def waiting() -> bool:
            return bool(re.search(r"^seedlings_queue_length(?:\{.*\})? [1-9]", alone("GET", f"{url}/metrics").text, re.MULTILINE))

        def free() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) != 0

        # So many that some still wait when a busy machine looks.
        work = [pool.submit(alone, "POST", f"{url}/predict", fakes.image()) for _ in range(24)]
        wait_for(waiting, "photos wait")
        client.close()
        running.kill()
        statuses = [task.result().status_code for task in work]
        wait_for(free, "the port is free")
        assert running.stderr is not None
        text = running.stderr.read()
    assert 200 in statuses
    assert set(statuses) <= {200, 503}  # 503: it came while they drained
    assert text.count("it answers what is in flight and ends") == 2
    assert "Traceback" not in text

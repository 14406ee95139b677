"""The heartbeat of an event loop."""

import time

from service.process.heartbeat import STOPPED_S, Heartbeat


def test_it_has_stopped_once_the_last_beat_is_too_long_ago() -> None:
    heartbeat = Heartbeat(stopped_s=0.05)
    assert not heartbeat.stopped  # it has not begun
    heartbeat.beat()
    time.sleep(0.06)
    assert heartbeat.stopped
    heartbeat.beat()
    heartbeat.stopped_s = STOPPED_S
    assert not heartbeat.stopped

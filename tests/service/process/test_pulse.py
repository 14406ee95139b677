"""The pulse of an event loop."""

import time

from service.process.pulse import STOPPED_S, Pulse


def test_it_has_stopped_once_the_last_beat_is_too_long_ago() -> None:
    pulse = Pulse(stopped_s=0.05)
    assert not pulse.stopped  # it has not begun
    pulse.beat()
    time.sleep(0.06)
    assert pulse.stopped
    pulse.beat()
    pulse.stopped_s = STOPPED_S
    assert not pulse.stopped

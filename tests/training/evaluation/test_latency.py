"""How long one prediction takes."""

import time

from tests.training.conftest import Laborious, Tiny
from training.evaluation import latency


def test_milliseconds_follow_the_work():
    began = time.perf_counter()
    quick = latency.milliseconds(Tiny(3))
    passed_ms = (time.perf_counter() - began) * 1e3
    assert 20 * quick < passed_ms  # half of the forty that are timed take at least the median
    assert latency.milliseconds(Laborious(3)) > 3 * quick

"""Progress of long work."""

import io

import pytest

from service.cli.progress import Progress


@pytest.mark.parametrize("terminal", [True, False])
def test_progress(terminal: bool) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    progress = Progress(3, stream)
    for _ in range(3):
        progress.step()
    progress.close()
    assert ("3/3 photos" in stream.getvalue()) == terminal  # elsewhere only long work is reported


@pytest.mark.parametrize(("passed_s", "said"), [(20.0, "0.1 a second, 0:20 left"), (0.125, "16 a second, 0:00 left")])
def test_slow_work_has_a_rate_too(passed_s: float, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    progress = Progress(4, stream)
    now_s += passed_s
    progress.step(2)
    assert said in stream.getvalue()

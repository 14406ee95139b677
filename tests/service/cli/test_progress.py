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

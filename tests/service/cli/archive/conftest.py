"""Archives of small photos, and what reads their results."""

import contextlib
import csv
import io
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.__main__ import main
from tests import fakes, web
from tests.service.conftest import PATIENCE_S
from tests.web import Web

ROOT = Path(__file__).parents[4]


@pytest.fixture
def server() -> Iterator[Web]:
    with web.running() as running:
        yield running


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of a fake model and a fake segmenter, which the environment names."""
    store = tmp_path / "store"
    fakes.publish(store, fakes.Shares)
    fakes.publish_segmenter(store)
    for name, value in {"STORE": str(store), "THREADS": "1", "MAX_BATCH": "4"}.items():
        monkeypatch.setenv(f"SEEDLINGS_{name}", value)
    monkeypatch.setattr("service.process.memory.keep_freed", lambda: None)  # it is for the rest of the process
    return store


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of eleven photos, one of them cut off."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(11):
        (folder / f"{i:02}.png").write_bytes(fakes.image((200 - i, 40, 10)))
    (folder / "05.png").write_bytes(fakes.image()[:-30])
    return folder


def predict(*arguments: object) -> int:
    """Run the command in this process."""
    return main(["predict", *map(str, arguments)])


@contextlib.contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, for the length of the block."""
    call = [sys.executable, "-m", "service", "predict", *map(str, arguments)]
    with subprocess.Popen(call, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Until `condition` holds; fails the test when it never does."""
    until = time.monotonic() + 3 * PATIENCE_S  # a process of its own imports torch and Ray first, on a busy machine for a minute
    while not condition():
        assert time.monotonic() < until, f"never happened: {what}"
        time.sleep(0.02)


def parts(out: Path) -> list[Path]:
    """The parts that are there, in their order."""
    return sorted(out.glob("part-*"))


def rows(out: Path) -> list[dict[str, str]]:
    """Of all parts of CSV, in their order."""
    return [row for part in parts(out) for row in csv.DictReader(io.StringIO(part.read_bytes().decode("utf-8-sig")))]


def read(out: Path, *, dates: bool = False) -> list[dict[str, object]]:
    """Of all parts of Parquet."""
    dataset = pytest.importorskip("pyarrow.dataset", reason="pyarrow is not installed: pip install 'seedlings[archive]'")
    found: list[dict[str, object]] = dataset.dataset(out, format="parquet").to_table().to_pylist()
    return found if dates else [{name: value for name, value in row.items() if name != "date"} for row in found]

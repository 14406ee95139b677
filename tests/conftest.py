"""What all tests share."""

import functools
import gc
import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from models_store import store, threads
from service.process import cores, memory
from tests import postgres

# Modules that need torch are imported in fixtures: with `-n` the process that hands out the tests has no use for it.
threads.let_sleep(os.environ)  # as all commands do, and before torch is loaded: tests share few cores with much else


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` takes the slow tests out: their files are long without them, too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, and of these training's: begun last, one would go on alone when all others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, "training" not in item.path.parts))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Without garbage collections: what is imported stays, and they would look it through again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """As the service does when it starts: later garbage collections, two in each start of a service, pass over the libraries."""
    memory.settle()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than there are cores, since many tests wait for another process, a deadline or a browser."""
    return cores.available() + 2


@pytest.fixture(scope="session", autouse=True)
def heed_ctrl_c() -> None:
    """Ctrl-C as usual, in tests and all that they start, also in the background of a shell, which makes programs ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def shipped_segmenter_once() -> Iterator[None]:
    """The shipped segmenter is loaded once in each process, not for each service: nearly all of these have no segmenter of their own.

    Loading it takes four times as long as all else that such a service does when it starts.
    """
    from service.inference import engine

    loaded, load = {}, engine.load_segmenter

    def once(opened, settings, *, brief=False):
        if not opened.path.is_relative_to(store.SHIPPED_STORE):
            return load(opened, settings, brief=brief)
        key = (opened.path, settings.device, settings.inference_threads, settings.runtime, settings.workers, settings.second, brief)
        if key not in loaded:
            loaded[key] = load(opened, settings, brief=brief)
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "load_segmenter", once)
        yield


@pytest.fixture
def publish_in(tmp_path: Path) -> Callable[..., Path]:
    """`fakes.publish` into the test's own store."""
    from tests import fakes

    return functools.partial(fakes.publish, tmp_path)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where decoded images are kept during the tests: each folder is decoded once, whichever process needs it first."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of the real images; skips where there are none."""
    folder = os.environ.get("SEEDLINGS_DATA")
    if not folder:
        pytest.skip("SEEDLINGS_DATA is unset: it names the folder of the real images")
    return Path(folder)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """A real PostgreSQL, started for the first test that asks for it."""
    with postgres.running() as server:
        yield server

"""A real browser, and the page of a service of the fake model `Halves`."""

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import chromium
from tests import fakes
from tests.service.conftest import Running, starting
from tests.service.http.page.browsing import opened

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for the tests of a file. As long as it lives an event loop runs in this thread, and no other test could run its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    executable = chromium.executable()
    if executable is None:
        pytest.skip(f"no browser is installed: apt-get install {chromium.COMMANDS[0]}, or name one in SEEDLINGS_BROWSER")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=executable, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all tests of the page that neither publish nor stop it."""
    with starting(tmp_path_factory) as begin:
        yield begin(network=fakes.Halves)


@pytest.fixture
def page(browser: Any, service: Running) -> Iterator[Any]:
    yield from opened(browser, service, viewport={"width": 1200, "height": 800})

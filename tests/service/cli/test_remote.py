"""A running service, asked from the command line; tests/service/cli/test_predict.py asks a real one."""

import asyncio
import sys
from typing import Any

import pytest

from service.cli import remote
from service.errors import NotReady


def predict(url: str) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        async with remote.connected(url, None, patience_s=5) as ask:
            return await ask(b"image")

    return asyncio.run(main())


def test_a_service_that_is_not_there() -> None:
    with pytest.raises(NotReady, match="is the service running"):
        predict("http://127.0.0.1:9")


def test_an_address_needs_its_scheme() -> None:
    with pytest.raises(ValueError, match="begins with http"):
        predict("localhost:8000")


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "seedlings_client", None)  # as where it is not installed
    with pytest.raises(NotReady, match=r"pip install ./clients/python"):
        predict("http://127.0.0.1:9")

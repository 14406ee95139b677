"""A running service, asked from the command line; tests/service/cli/test_predict.py asks a real one."""

import asyncio
import functools
import sys
from typing import Any

import httpx
import pytest
import seedlings_client

from service.cli import remote
from service.errors import NotReady, ServiceError

SPECIES: dict[str, Any] = dict.fromkeys(("threshold", "threshold_reason", "promise", "training_images", "segmenter")) | {
    "model": {"name": "seedlings", "version": "2"},
    "thresholds": {"species": None, "kind": None, "group": None},
    "explainable": False,
    "species": [],
}


def predict(url: str, at_once: int = 1) -> dict[str, Any]:
    async def main() -> dict[str, Any]:
        async with remote.connected(url, None, patience_s=5, at_once=at_once) as service:
            return await service.predict(b"image", "centre")

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


def test_a_photo_that_is_late_alone_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.method == "GET":
            return httpx.Response(200, json=SPECIES)
        return httpx.Response(504, json={"status": 504, "detail": "no answer within 30 s"}, headers={"Retry-After": "0"})

    client = functools.partial(seedlings_client.AsyncClient, http=httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    monkeypatch.setattr("seedlings_client.AsyncClient", client)
    with pytest.raises(ServiceError, match="no answer within 30 s"):
        predict("http://slow", at_once=3)
    assert asked == ["/species", "/predict", "/predict"]

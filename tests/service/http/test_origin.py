"""Which pages may write; the route's own test, test_no_other_page_writes, goes through a real server."""

import asyncio
from types import SimpleNamespace

import pytest
from starlette.requests import Request

from service.errors import Forbidden
from service.http.origin import allowed_page, own_page
from service.process.api_keys import Keys
from service.settings import Settings


def ask(check: object, headers: dict[str, str], **settings: object) -> bool:
    scope = {"type": "http", "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()]}
    made = Settings.model_validate(settings)
    keys = Keys(made.api_key.get_secret_value() if made.api_key else None, made.keys_file)
    services = SimpleNamespace(settings=made, keys=keys)
    try:
        asyncio.run(check(Request(scope), services))  # type: ignore[operator]
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "near"),
    [
        *(("127.0.0.1:8000", True), ("[::1]:8000", True), ("localhost", True), ("seedlings:8000", True), ("a.localhost", True)),
        *(("evil.example", False), ("127.0.0.1.evil.example", False), ("[bad", False)),
    ],
)
def test_names_that_nobody_else_can_give(host: str, near: bool) -> None:
    assert ask(own_page, {"Host": host}) is near
    if "bad" not in host:
        assert ask(own_page, {"Host": host}, api_key="secret")  # no page of elsewhere knows it


def test_pages_that_may_call_may_not_review() -> None:
    headers = {"Host": "localhost", "Origin": "https://friend.example"}
    for origins in (["https://friend.example"], ["*"]):
        assert ask(allowed_page, headers, cors_origins=origins)
        assert not ask(own_page, headers, cors_origins=origins)
    assert ask(own_page, {"Host": "localhost", "Origin": "http://LOCALHOST"})
    assert not ask(own_page, {"Host": "localhost", "Origin": "http://localhost.evil.example"})

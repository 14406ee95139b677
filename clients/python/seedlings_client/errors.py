"""What can go wrong between a program and the service."""

import contextlib
import email.utils
import json
import time
from http import HTTPStatus
from typing import Any

import httpx


class SeedlingsError(Exception):
    """Base of both kinds."""


class NoAnswer(SeedlingsError):
    """Nobody answered in time, or somebody else than this service did. The message says what to look at."""


class Problem(SeedlingsError):
    """The service refused, in the form of RFC 9457. Its text is the detail."""

    status: int  # of HTTP
    type: str  # the kind of problem, for programs, such as "urn:seedlings:queue-full"
    title: str  # the same for people
    detail: str  # what is wrong with this request, and what to do
    request_id: str | None  # finds the request in the service's log
    retry_after_s: float | None  # after so many seconds another try makes sense; None: the service does not say

    def __init__(self, document: dict[str, Any], request_id: str | None = None, retry_after_s: float | None = None) -> None:
        """`document` is the problem's JSON, with at least its status."""
        self.document = document
        self.status = document["status"]
        self.type = document.get("type", "about:blank")
        self.title = document.get("title", "")
        self.detail = document.get("detail") or self.title
        self.request_id, self.retry_after_s = request_id, retry_after_s
        super().__init__(self.detail)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Problem, (self.document, self.request_id, self.retry_after_s))  # so that it travels between processes


def problem_of(response: httpx.Response, content: bytes) -> Problem:
    """What a refusal says. A proxy's own page becomes a problem that says no more than its status."""
    status = response.status_code
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown status"
    document = {"type": "about:blank", "title": title, "status": status, "detail": f"the service answered {status} ({title})"}
    with contextlib.suppress(ValueError):
        told = json.loads(content)
        if isinstance(told, dict) and isinstance(told.get("detail"), str):
            document |= told | {"status": status}
    return Problem(document, response.headers.get("X-Request-ID"), _seconds(response.headers.get("Retry-After")))


def _seconds(header: str | None) -> float | None:
    """Of a Retry-After header, which holds seconds or a date."""
    if header is None:
        return None
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None

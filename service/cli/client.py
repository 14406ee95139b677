"""Asks a running service, with nothing but the standard library."""

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

from service.errors import NotReady, ServiceError, plain_problem

_TIMEOUT_S = 120.0
_TRIES = 60


class HandedOn(ServiceError):
    """What another service told of a request; it is handed on as it came."""

    def __init__(self, status: int, document: object) -> None:
        """`document` is the problem, or whatever else the body held."""
        told = document if isinstance(document, dict) and isinstance(document.get("detail"), str) else {}
        self._problem = plain_problem(status, f"the service answered {status}") | told
        super().__init__(self._problem["detail"])

    def as_problem(self) -> dict[str, Any]:
        return self._problem


class Client:
    """One service at `url`. Each call may be made from any thread."""

    def __init__(self, url: str, key: str | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no address of a service; it begins with http:// or https://")
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/octet-stream"} | ({"X-API-Key": key} if key else {})

    def species(self) -> dict[str, Any]:
        """What `GET /species` answers. Raises ServiceError."""
        return self._ask("/species", None)

    def predict(self, image: bytes) -> dict[str, Any]:
        """What `POST /predict` answers to the bytes of an image file. A busy service is asked again. Raises ServiceError."""
        return self._ask("/predict", image)

    def _ask(self, path: str, body: bytes | None) -> dict[str, Any]:
        for _ in range(_TRIES):
            request = urllib.request.Request(self._url + path, body, self._headers)  # noqa: S310 – the scheme was checked
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
                    answered: dict[str, Any] = json.load(response)
                    return answered
            except urllib.error.HTTPError as error:
                with error:
                    wait_s = error.headers.get("Retry-After", "")
                    if wait_s.isdigit():  # busy or starting
                        time.sleep(min(int(wait_s), 10))
                        continue
                    raise _told(error) from None
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                raise NotReady(f"{self._url} does not answer ({getattr(error, 'reason', error)}); is the service running?") from None
            except ValueError:
                raise NotReady(f"{self._url} answers, but not as this service does; check the address") from None
        raise NotReady(f"{self._url} is too busy; try again later")


def _told(error: urllib.error.HTTPError) -> HandedOn:
    document = None
    with contextlib.suppress(ValueError, OSError, http.client.HTTPException):
        document = json.load(error)
    return HandedOn(error.code, document)

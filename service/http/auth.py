"""Checks the API key, if one is set."""

import hmac
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from service.errors import Unauthorized
from service.http.dependencies import of
from service.http.services import Services

_bearer = HTTPBearer(auto_error=False)
_header = APIKeyHeader(name="X-API-Key", auto_error=False)


async def authorized(
    services: Annotated[Services, Depends(of)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> None:
    """Dependency of every route but the probes. Raises Unauthorized."""
    key = services.settings.api_key
    if key is None:
        return
    given = [bearer.credentials if bearer is not None else "", header or ""]
    # In constant time: how long it takes tells nothing about how much was right. Headers arrive as bytes read as latin-1.
    right = [hmac.compare_digest(one.encode("latin-1"), key.get_secret_value().encode()) for one in given]
    if not any(right):
        raise Unauthorized("send the key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")

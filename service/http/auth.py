"""Checks the key of a request, if one is needed, and how often it was used."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope

from service.errors import RateLimited, Unauthorized
from service.http.dependencies import current_services
from service.http.services import Services

_STATE = "key"  # in the state of one request: the name of its key
_bearer = HTTPBearer(auto_error=False)
_header = APIKeyHeader(name="X-API-Key", auto_error=False)


async def authorized(
    request: Request,
    services: Annotated[Services, Depends(current_services)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> None:
    """Dependency of every route but the probes. Raises Unauthorized or RateLimited."""
    keys = services.keys
    if not keys.needed:
        return
    given = [bearer.credentials if bearer is not None else "", header or ""]
    caller = keys.caller([one.encode("latin-1") for one in given])  # headers arrive as bytes read as latin-1
    if caller is None:
        raise Unauthorized("send the key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")
    request.scope.setdefault("state", {})[_STATE] = caller.name
    wait_s = keys.wait_s(caller)
    if wait_s:
        limit = f"{caller.key.per_minute} request{'' if caller.key.per_minute == 1 else 's'} a minute"
        raise RateLimited(f"the key {caller.name!r} allows {limit}; ask again after the seconds in Retry-After", wait_s)


def name_of_key(scope: Scope) -> str | None:
    """The name of the key that a request came with; None where it needed none, had a wrong one, or the one without a name."""
    name: str | None = scope.get("state", {}).get(_STATE)
    return name

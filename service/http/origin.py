"""Who may write: not the page of another site that happens to be open in the browser of somebody who may."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from service.errors import Forbidden
from service.http.dependencies import current_services
from service.http.services import Services

_OTHER_SITES = ("cross-site",)  # of Sec-Fetch-Site; a page of the same site is told by its Origin


async def own_page(request: Request, services: Annotated[Services, Depends(current_services)]) -> None:
    """Dependency of all that writes: programs, which send no Origin, and pages of this service. Raises Forbidden."""
    _check(request, services, allowed=[])


async def allowed_page(request: Request, services: Annotated[Services, Depends(current_services)]) -> None:
    """The same, and pages of SEEDLINGS_CORS_ORIGINS."""
    _check(request, services, services.settings.cors_origins)


def _check(request: Request, services: Services, allowed: list[str]) -> None:
    headers, settings = request.headers, services.settings
    host = headers.get("host", "")
    # A browser lets no page of another site set this header, unless it was asked before (CORS).
    hosts = {host.lower(), headers.get("x-forwarded-host", "").partition(",")[0].strip().lower()} - {""}
    name = _name(host)
    if not services.keys.needed and not (_is_near(name) or name in settings.hosts):
        # Another site can give its own name this service's address (DNS rebinding), and is the same site then.
        raise Forbidden(f"{name[:100]!r} is no name of this service that it knows; set SEEDLINGS_HOSTS, or a key")
    origin = headers.get("origin")
    if origin is None:
        if headers.get("sec-fetch-site") in _OTHER_SITES:
            raise Forbidden("the request comes from the page of another site")
        return
    if origin in allowed or "*" in allowed:
        return
    if origin.partition("://")[2].lower() not in hosts:
        raise Forbidden(f"the request comes from the page of another site, {origin[:100]!r}")


def _name(host: str) -> str:
    """The name of a Host header without its port; empty for one that is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_near(name: str) -> bool:
    """Whether no stranger can make this name lead here: an address, or a name without a dot."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(".localhost"))
    return True

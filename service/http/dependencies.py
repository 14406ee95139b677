"""What FastAPI hands to a route."""

from fastapi import Request

from service.http.services import Services


async def current_services(request: Request) -> Services:
    """The services of the application that got this request. A coroutine, since FastAPI sends others through a thread."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services

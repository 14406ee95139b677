"""The application: settings in, ASGI out."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Lifespan

from models_store import __version__
from models_store.manifest import Manifest, SegmenterManifest
from models_store.store import Opened
from service.errors import ServiceError, problem, routing_problem
from service.http.connection import REFUSAL, SHARED, SharedState
from service.http.dependencies import current_services
from service.http.error_response import error_response
from service.http.middleware import Observe
from service.http.openapi import describe, document, encoded, operation_id
from service.http.probes import MAX_CONNECTIONS, Probes
from service.http.routes import (
    batch,
    corrections,
    detect,
    explain,
    health,
    metrics,
    offline,
    open_inference,
    page,
    predict,
    review,
    species,
)
from service.http.services import Services, build_services
from service.inference import engine
from service.inference.segmenter import Segmenter
from service.process import logs, memory
from service.process.parent import end_with_parent
from service.process.shutdown import Shutdown
from service.settings import Settings
from service.settings import from_environment as read_environment

if TYPE_CHECKING:
    from service.process.otel import Tracing

log = logging.getLogger(__name__)
# After how long a thread that runs Python, such as one that decodes, hands over to the event loop, which asks for its turn several
# times for one answer. Python's own 5 ms would be seen in every probe.
_SWITCH_S = 0.001
# What routes and middleware send beyond the headers that a page may always read.
EXPOSED_HEADERS = (
    "Inference-Header-Content-Length",
    "Location",
    "Retry-After",
    "Server-Timing",
    "Traceparent",
    "Tracestate",
    "WWW-Authenticate",
    "X-Request-ID",
    "X-Species",
)
_PROBES = (health.router, open_inference.probes)
_ROUTERS = (
    *(routes.router for routes in (page, offline, predict, batch, detect, explain, review, corrections, species, health, metrics)),
    open_inference.probes,
    open_inference.guarded,
)


def create_app(settings: Settings, tracing: "Tracing | None" = None) -> FastAPI:
    """The service as an ASGI application. Its model is loaded once its lifespan has begun, in the background.

    `tracing` makes and sends the traces; if it is not given, the settings decide.
    """
    if tracing is None and settings.otel:
        from service.process.otel import Tracing

        tracing = Tracing()

    def load(opened: Opened[Manifest], given_up: Callable[[], bool]) -> engine.Engine:
        first = services.registry.current
        if first is not None and opened.manifest.name == settings.second:
            return engine.load_as_set(opened, settings, given_up, beside=first.runtime)
        return engine.load_as_set(opened, settings, given_up)

    def load_segmenter(opened: Opened[SegmenterManifest], _: Callable[[], bool]) -> Segmenter:
        return engine.load_segmenter(opened, settings)

    services = build_services(settings, load, load_segmenter)

    probes = Probes(_probe_app(services), settings) if settings.probe_port else None

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        services.start()
        measuring = asyncio.create_task(services.measure(when_dead=_end_worker if settings.workers > 1 else lambda: None))
        if probes is not None:
            probes.start()
        try:
            with services.shutdown.watching_signals():
                yield {SHARED: SharedState(services.turned_away)}
        finally:
            if probes is not None:
                probes.close()
            measuring.cancel()
            services.close()
            if tracing is not None:
                tracing.close()

    app = _app_of(services, _ROUTERS, lifespan)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # the framework's way
    if settings.root_path:
        app.add_api_route(settings.root_path, page.under_prefix, include_in_schema=False)
    app.add_middleware(Observe, shutdown=services.shutdown, metrics=services.metrics, root_path=settings.root_path, tracing=tracing)
    if settings.cors_origins:
        app.add_middleware(  # the last one added stands outermost: other pages may read problems of every kind
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    return app


def _probe_app(services: Services) -> ASGIApp:
    """The probes by themselves. They count as requests, but the end of the service does not wait for them."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {SHARED: SharedState(services.turned_away, MAX_CONNECTIONS)}

    app = _app_of(services, _PROBES, lifespan)
    app.add_middleware(Observe, shutdown=Shutdown(grace_s=0), metrics=services.metrics, root_path="")
    return app


def _app_of(services: Services, routers: Iterable[APIRouter], lifespan: Lifespan[FastAPI]) -> FastAPI:
    app = FastAPI(
        title="Seedlings",
        description="Tells the species of plant seedlings on photos.",
        version=__version__,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        openapi_url=None,  # the page has its own, and for people too
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(HTTPException, _http_error)
    for router in routers:
        app.include_router(router)
    # The framework prepares its routes when they are first used. That takes 70 ms, and changes Python's warning filters for all threads.
    # Describing the routes prepares them here, before other threads run.
    describe(app)
    return app


def _end_worker() -> None:
    """Answer what is in flight, then end. Probes see this worker now and then only; the process that minds it sees its end."""
    log.error("this worker can answer no image any more and ends; another one takes its place")
    signal.raise_signal(signal.SIGTERM)


def from_environment() -> FastAPI:
    """`create_app` with the settings of the environment, for processes that uvicorn starts."""
    settings = read_environment(os.environ)
    memory.keep_freed()
    sys.setswitchinterval(_SWITCH_S)
    logs.configure(settings.log_format, settings.log_level)
    end_with_parent()
    app = create_app(settings)
    encoded(app)  # it takes half a second, and once it serves nobody may wait for that
    memory.settle()
    return app


async def _service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    services = await current_services(request)
    refusal = request.scope.get("state", {}).get(REFUSAL, error)
    services.metrics.rejected(refusal.slug)
    return error_response(request.scope["path"], problem(error), error.headers)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if "Allow" in headers:  # of the first route at this path; another may take other methods
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    told = routing_problem(error.status_code, error.detail, request.method, request.scope["path"], headers.get("Allow"))
    return error_response(request.scope["path"], told, headers)


def _methods(request: Request) -> set[str]:
    """All methods that are answered at the path of a request."""
    routes = [route for router in _ROUTERS for route in router.routes if isinstance(route, Route)]
    found = {method for route in routes if route.matches(request.scope)[0] is not Match.NONE for method in route.methods or ()}
    return found | {"HEAD"} if "GET" in found else found

"""The application: settings in, ASGI out."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from models_store.store import Opened
from service import engine
from service import services as parts
from service.errors import PROBLEM_TYPE, ServiceError, plain_problem, problem
from service.routes import health, predict
from service.settings import Settings
from service.settings import from_environment as read_environment

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application. Its model is loaded once its lifespan has begun, in the background."""

    def load(opened: Opened, given_up: Callable[[], bool]) -> engine.Engine:
        threads = settings.inference_threads
        return engine.load(opened, device=settings.device, threads=threads, max_batch=settings.max_batch, given_up=given_up)

    services = parts.build(settings, load)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.start()
        try:
            yield
        finally:
            services.close()

    app = FastAPI(title="Seedlings", description="Tells the species of plant seedlings on photos.", version="0.1.0", lifespan=lifespan)
    app.state.services = services
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.include_router(predict.router)
    app.include_router(health.router)
    return app


def from_environment() -> FastAPI:
    """`create_app` with the settings of the environment, for processes that uvicorn starts."""
    return create_app(read_environment(os.environ))


async def _service_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    return JSONResponse(problem(error), error.status, error.headers, PROBLEM_TYPE)


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse(plain_problem(error.status_code, error.detail), error.status_code, error.headers, PROBLEM_TYPE)

"""`/health` and the two probes apart: alive is not ready."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from service.errors import probe_status
from service.http.dependencies import of
from service.http.services import Services, Status

router = APIRouter(tags=["health"])


class ServedModel(BaseModel):
    """The model in service."""

    name: str
    version: str
    network: str
    species: int  # how many
    created: str  # ISO 8601


class Health(BaseModel):
    """Whether predictions can be answered, and by which model."""

    status: Status
    model: ServedModel | None
    error: str | None  # why no better version is in service
    queued: int  # images admitted and not yet in a forward pass


class Live(BaseModel):
    """The process answers."""

    live: bool


class Ready(BaseModel):
    """Whether predictions can be answered."""

    ready: bool
    status: Status


def _not_ready(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {probe_status(ready=False): {"description": "Loading, draining or failed", "model": model}}


@router.get("/health", response_model=Health, responses=_not_ready(Health))
async def health(services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Tell whether predictions can be answered, and by which model."""
    return JSONResponse(_state(services), probe_status(ready=services.status == "ready"))


@router.get("/health/live", response_model=Live)
async def live() -> dict[str, bool]:
    """Tell that the process answers."""
    return {"live": True}


@router.get("/health/ready", response_model=Ready, responses=_not_ready(Ready))
async def ready(services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Tell whether predictions can be answered."""
    is_ready = services.status == "ready"
    return JSONResponse({"ready": is_ready, "status": services.status}, probe_status(is_ready))


def _state(services: Services) -> dict[str, Any]:
    model = services.registry.current
    described = None
    if model is not None:
        manifest = model.manifest
        described = {
            "name": manifest.name,
            "version": model.version,
            "network": manifest.training.network,
            "species": len(manifest.species),
            "created": manifest.created.isoformat(),
        }
    return {"status": services.status, "model": described, "error": services.registry.error, "queued": services.predictor.queued}

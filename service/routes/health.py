"""`/health` and the two probes apart: alive is not ready."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from service.errors import probe_status
from service.services import Services, of

router = APIRouter(tags=["health"])
_NOT_READY: dict[int | str, dict[str, Any]] = {probe_status(ready=False): {"description": "Loading, draining or failed"}}


@router.get("/health", responses=_NOT_READY)
async def health(services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Whether predictions can be answered, and by which model."""
    return JSONResponse(_state(services), probe_status(ready=services.status == "ready"))


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.get("/health/ready", responses=_NOT_READY)
async def ready(services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Predictions can be answered."""
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

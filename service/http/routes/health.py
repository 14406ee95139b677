"""`/health` and the two probes apart: alive is not ready."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from service.errors import NotReady, probe_status
from service.http.dependencies import current_services
from service.http.services import Services, Status
from service.inference.registry import Model
from service.inference.shadow import Shadow

router = APIRouter(tags=["health"])


class ServedModel(BaseModel):
    """The model in service."""

    name: str = Field(description="name of the model")
    version: str = Field(description="its version")
    network: str = Field(description="name of the network")
    species: int = Field(description="number of species")
    created: str = Field(description="when the version was published, ISO 8601")
    runtime: str = Field(description="what runs it: `torchscript`, `exported`, `onnxruntime`, `openvino` or `int8`")


class RefusedVersion(BaseModel):
    """A version of the store that is not served."""

    version: str = Field(description="the version")
    reason: str = Field(description="what is wrong with it, and what to do")
    transient: bool = Field(description="true: tried again by itself, with growing pauses; false: when its files change")
    model: str | None = Field(None, description="name of the model")


class Shadowed(BaseModel):
    """Another version that sees a share of the images; its answers are only compared."""

    version: str = Field(description="the version")
    status: Literal["loading", "comparing", "failed"] = Field(description="only one that compares is loaded")
    share: float = Field(description="share of the images that it sees")
    beside: str | None = Field(description="the version in service; null while there is none")
    agreed: int = Field(
        description="images for which both name the same species, of all workers since the service started, for these two versions"
    )
    differed: int = Field(description="number of images for which they do not")
    agreement: float | None = Field(description="agreed / (agreed + differed); null before the first image")
    dropped: int = Field(description="number of images that there was no time for")
    failed: int = Field(description="number of images for which it gave no answer")
    error: str | None = Field(
        description="why nothing is compared, what is wrong with its files, or why what was counted cannot be told; null if nothing"
    )


class Health(BaseModel):
    """Whether predictions can be answered, and by which model."""

    status: Status = Field(description="only a service that is ready answers predictions")
    model: ServedModel | None = Field(description="the model in service; null before the first one is loaded")
    second_model: ServedModel | None = Field(
        None, description="the model that answers photos beyond the first one; null where none does, or before it is loaded"
    )
    error: str | None = Field(
        description="why predictions are not answered, why no better version is in service, and what is wrong with the second model, the"
        " segmenter, the file of keys or where corrections are kept, one after the other; null if nothing"
    )
    refused: list[RefusedVersion] = Field(
        description="versions of the store that are not served: of the model, the second one and the segmenter, of each newest first"
    )
    queued: int = Field(description="number of images that wait for a forward pass")
    shadow: Shadowed | None = Field(None, description="the other version that is compared with the one in service; null where none is")


class Live(BaseModel):
    """Whether the process can go on."""

    live: bool = Field(description="false once only a restart helps")


class Ready(BaseModel):
    """Whether predictions can be answered."""

    ready: bool = Field(description="whether predictions can be answered")
    status: Status = Field(description="the same in a word")


def not_ready(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The answer of a service that answers no predictions now, as OpenAPI has it."""
    return {probe_status(ready=False): {"description": "Loading, draining or failed", "model": model}}


def not_live(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The answer of a process that needs a restart, as OpenAPI has it."""
    return {
        probe_status(False): {
            "description": "An inference thread has died, or the event loop stands still; restart it",
            "model": model,
        }
    }


@router.get("/health", response_model=Health, responses=not_ready(Health))
async def health(services: Annotated[Services, Depends(current_services)]) -> JSONResponse:
    """Tell whether predictions can be answered, and by which model."""
    return JSONResponse(_state(services), probe_status(ready=services.status == "ready"))


@router.get("/health/live", response_model=Live, responses=not_live(Live))
async def live(services: Annotated[Services, Depends(current_services)]) -> JSONResponse:
    """Tell whether the process can go on, or has to be restarted."""
    return JSONResponse({"live": services.live}, probe_status(services.live))


@router.get("/health/ready", response_model=Ready, responses=not_ready(Ready))
async def ready(services: Annotated[Services, Depends(current_services)]) -> JSONResponse:
    """Tell whether predictions can be answered."""
    is_ready = services.status == "ready"
    return JSONResponse({"ready": is_ready, "status": services.status}, probe_status(is_ready))


def _state(services: Services) -> dict[str, Any]:
    registry, seconds = services.registry, services.seconds
    refused = [{"version": one.version, "reason": one.reason, "transient": one.transient, "model": name} for name, one in services.refused]
    queued = services.predictor.queued
    shadow = None if services.shadow is None else _shadowed(services.shadow, services)
    return {
        "status": services.status,
        "model": _described(registry.current),
        "second_model": None if seconds is None else _described(seconds.current),
        "error": services.error,
        "refused": refused,
        "queued": queued,
        "shadow": shadow,
    }


def _described(model: Model | None) -> dict[str, Any] | None:
    if model is None:
        return None
    manifest = model.manifest
    return {
        "name": manifest.name,
        "version": model.version,
        "network": manifest.training.network,
        "species": len(manifest.species),
        "created": manifest.created.isoformat(),
        "runtime": model.runtime,
    }


def _shadowed(shadow: Shadow, services: Services) -> dict[str, Any]:
    model, wanted = services.registry.current, str(services.settings.shadow)
    error = shadow.error
    try:
        counted = {} if model is None else services.metrics.compared(model.version, wanted)
    except NotReady as unreadable:
        counted, error = {}, error or str(unreadable)
    agreed, differed = counted.get("agreed", 0), counted.get("differed", 0)
    return {
        "version": wanted,
        "status": "comparing" if shadow.loaded is not None else "failed" if shadow.error else "loading",
        "share": services.settings.shadow_share,
        "beside": None if model is None else model.version,
        "agreed": agreed,
        "differed": differed,
        "agreement": agreed / (agreed + differed) if agreed + differed else None,
        "dropped": counted.get("dropped", 0),
        "failed": counted.get("failed", 0),
        "error": error,
    }

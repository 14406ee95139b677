"""`/offline/…`: the models in service for the page, which answers by them in the browser where the server is out of reach."""

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from models_store import store
from models_store.manifest import RANKS, Manifest
from service.answers import model_name
from service.errors import UnknownPage
from service.http.auth import authorized
from service.http.dependencies import current_services
from service.http.routes.page import onnx_runtime_bytes
from service.http.services import Services
from service.inference import second_model

router = APIRouter(include_in_schema=False, prefix="/offline", dependencies=[Depends(authorized)])
_MODEL = "model.onnx"
_PIECE_BYTES = 2**16  # a slow reader is given its time for each piece


@router.get("/model.json")
async def about(services: Annotated[Services, Depends(current_services)]) -> dict[str, Any]:
    """Tell what an answer takes beside the networks, and how much there is to fetch; `missing`: a second model that has no file for it.

    Raises NotReady while the second model is still being loaded: the first one alone answers otherwise than the service.
    """
    services.check_both()
    first, second, beside = await _model(services), await _second(services), services.second
    return _about(*first, second=False) | {
        "second": None if second is None else _about(*second, second=True),
        "missing": beside.manifest.name if beside is not None and _MODEL not in beside.manifest.files else None,
        "runtime_bytes": onnx_runtime_bytes(),
    }


def _about(manifest: Manifest, content: bytes, *, second: bool) -> dict[str, Any]:
    calibration = manifest.calibration
    return {
        "model": model_name(manifest),
        "size": manifest.input.size,
        "thresholds": {rank: calibration.threshold_of(rank) for rank in RANKS},
        "promise": calibration.promise,
        "parts_limit": second_model.limit_for_parts(calibration.familiarity, second=second),
        "ood_limit": None if calibration.familiarity is None else calibration.familiarity.limit,
        "species": [one.model_dump(include={"name", "scientific_name", "eppo_code", "group", "kind"}) for one in manifest.species],
        "sha256": manifest.files[_MODEL],
        "bytes": len(content),
    }


@router.get("/model.onnx")
async def model(services: Annotated[Services, Depends(current_services)]) -> StreamingResponse:
    """Serve the network as ONNX."""
    _, content = await _model(services)
    return _streamed(content)


@router.get("/second.onnx")
async def second_network(services: Annotated[Services, Depends(current_services)]) -> StreamingResponse:
    """Serve the network of the second model as ONNX."""
    found = await _second(services)
    if found is None:
        raise UnknownPage("no second model with a model.onnx for browsers is in service")
    return _streamed(found[1])


def _streamed(content: bytes) -> StreamingResponse:
    return StreamingResponse(
        pieces(content), media_type="application/octet-stream", headers={"Content-Length": str(len(content)), "Cache-Control": "no-store"}
    )


async def pieces(content: bytes) -> AsyncIterator[memoryview]:
    """`content` in pieces."""
    view = memoryview(content)
    for start in range(0, len(view), _PIECE_BYTES):
        yield view[start : start + _PIECE_BYTES]


async def _model(services: Services) -> tuple[Manifest, bytes]:
    """The manifest of the version in service, and its network as ONNX. Raises NotReady, or UnknownPage where it has none."""
    served = services.registry.in_service  # at one moment: another version may take its place between two looks
    manifest = services.predictor.model().manifest if served is None else served[0].manifest
    if served is None or _MODEL not in manifest.files:
        raise UnknownPage("the version in service has no model.onnx for browsers; 'python -m training convert' makes one")
    return await _read(manifest, served[1])


async def _second(services: Services) -> tuple[Manifest, bytes] | None:
    """The same of the second model; None where none is in service, or where that has none. Raises UnknownPage."""
    served = None if services.seconds is None else services.seconds.in_service
    if served is None or served[0] is not services.second or _MODEL not in served[0].manifest.files:
        return None
    return await _read(served[0].manifest, served[1])


async def _read(manifest: Manifest, path: Path) -> tuple[Manifest, bytes]:
    try:
        return manifest, await asyncio.to_thread(_content, path, manifest.files[_MODEL])
    except store.StoreError as error:
        raise UnknownPage(f"model.onnx cannot be had: {error}") from None


@functools.lru_cache(maxsize=2)
def _content(path: Path, digest: str) -> bytes:
    """Read once for each version: many may ask, and the digest is checked."""
    manifest = store.read_any_manifest(path)
    if manifest.files.get(_MODEL) != digest:
        raise store.ArtifactCorrupt(f"{path} has changed")
    content = store.beside(path, manifest, _MODEL)
    assert content is not None
    return content

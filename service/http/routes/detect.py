"""`POST /detect`: a photo of many plants in, each of them boxed, named and counted; as numbers, or as a picture."""

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from models_store.close_up import PHOTO_SIDE
from service import errors
from service.answers import server_timing
from service.detections import Detected, detected, timing
from service.errors import documented
from service.http import batches, queries
from service.http.auth import authorized
from service.http.batches import FailedPhoto, PhotoResult
from service.http.dependencies import current_services
from service.http.disconnect import unless_gone
from service.http.services import Services
from service.http.uploads import IMAGE_BODY
from service.inference import overlay

router = APIRouter(tags=["predictions"], dependencies=[Depends(authorized)])
_JPEG, _OCTETS = "image/jpeg", "application/octet-stream"
_BINARY = {"schema": {"type": "string", "format": "binary"}}


class DetectedPhoto(PhotoResult):
    """The plants of one photo."""

    detection: Detected = Field(description="as of `POST /detect`")


class DetectionBatch(BaseModel):
    """One result for each photo, in order."""

    results: list[DetectedPhoto | FailedPhoto] = Field(description="one result for each photo, in the order of the request")


class Overlay(Response):
    """A JPEG."""

    media_type = _JPEG


@router.post(
    "/detect",
    response_model=Detected,
    openapi_extra={"requestBody": IMAGE_BODY, "parameters": queries.DETECT_PARAMETERS},
    responses=documented(*errors.OF_IMAGES),
)
async def detect(request: Request, services: Annotated[Services, Depends(current_services)]) -> Response:
    """Find the plants on one photo, and tell the species of each: the part `file` of a form, or the bytes as the body."""
    answers, plants, masks = queries.detection_options(request)
    services.check_open_for_photos()
    with services.uploads.slot() as upload:
        image = await upload.read_image(request)
        detection = await unless_gone(request, services.detector.detect(image, plants))
    document = functools.partial(detected, detection, answers, masks=masks)
    return await _json(document, {"Server-Timing": timing(detection)})


@router.post(
    "/detect/batch",
    response_model=DetectionBatch,
    openapi_extra={"requestBody": batches.FILES_BODY, "parameters": queries.DETECT_PARAMETERS},
    responses=documented(*batches.ERRORS),
)
async def detect_batch(request: Request, services: Annotated[Services, Depends(current_services)]) -> Response:
    """Find the plants on many photos, the parts `files` of a form, by one version; a bad one gets a problem of its own."""
    answers, plants, masks = queries.detection_options(request)
    services.check_open_for_photos()

    versions = functools.cache(services.detector.versions)  # of the first photo

    async def found(image: bytes) -> dict[str, Any]:
        detection = await services.detector.detect(image, plants, versions())
        return await asyncio.to_thread(detected, detection, answers, masks=masks)  # and let go of the photo

    outcomes = await batches.outcomes(request, services, found, plants.photos_at_once)
    return await _json(lambda: {"results": batches.results(outcomes, "detection", lambda document: document)})


@router.post(
    "/detect/overlay",
    response_class=Overlay,
    openapi_extra={"requestBody": IMAGE_BODY, "parameters": queries.OVERLAY_PARAMETERS},
    # Many generated clients read a file only where it may be typed as bytes of any kind.
    responses=documented(*errors.OF_IMAGES)
    | {
        200: {
            "description": f"The photo, its longer side at most {PHOTO_SIDE} pixels, with a box, a number and a name for each plant."
            " The numbers are 1 for the first plant of `/detect`, and so on.",
            "content": {_JPEG: _BINARY, _OCTETS: _BINARY},
        }
    },
)
async def detect_overlay(request: Request, services: Annotated[Services, Depends(current_services)]) -> Response:
    """Draw the plants found on one photo: crops blue, weeds orange, what is not known white; numbered as `/detect` lists them."""
    answers, plants, _ = queries.detection_options(request, queries.OVERLAY_PARAMETERS)
    boxes = queries.boxes(request)
    services.check_open_for_photos()
    with services.uploads.slot() as upload:
        image = await upload.read_image(request)
        if boxes:
            detection = await unless_gone(request, services.detector.detect(image, plants))
            draw, took = functools.partial(overlay.render, detection, answers.threshold), timing(detection)
        else:
            photo = await unless_gone(request, services.detector.photo(image))
            draw, took = functools.partial(overlay.plain, photo), server_timing({"decode": photo.decode_s})
    jpeg = await asyncio.to_thread(draw)
    kind = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    return Overlay(jpeg, headers={"Server-Timing": took}, media_type=_OCTETS if kind == _OCTETS else None)


async def _json(make: Callable[[], dict[str, Any]], headers: dict[str, str] | None = None) -> Response:
    """What `make` gives as JSON, made in a thread: masks of hundreds of plants are long."""

    def encoded() -> bytes:
        return json.dumps(make(), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

    return Response(await asyncio.to_thread(encoded), headers=headers, media_type="application/json")

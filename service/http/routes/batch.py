"""`POST /predict/batch`: many images in, for each its species or what is wrong with it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from service import errors
from service.answers import Answer, answer, timing
from service.errors import MalformedRequest, Problem, ServiceError, documented, problem
from service.http import queries
from service.http.auth import authorized
from service.http.dependencies import of
from service.http.disconnect import unless_gone
from service.http.forms import Part
from service.http.services import Services
from service.inference.fan_out import each
from service.inference.predictor import Prediction

router = APIRouter(tags=["predictions"], dependencies=[Depends(authorized)])
_FILES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "format": "binary"},
    "description": "image files, each a part of this name",
}
FILES_BODY = {
    "required": True,
    "content": {"multipart/form-data": {"schema": {"type": "object", "properties": {"files": _FILES}, "required": ["files"]}}},
}
OF_BATCHES: tuple[type[ServiceError], ...] = (
    errors.MalformedRequest,
    errors.Unauthorized,
    errors.SlowUpload,
    errors.BodyTooLarge,
    errors.UnsupportedImage,
    errors.QueueFull,
    errors.NotReady,
)


class Answered(BaseModel):
    """The answer to one image."""

    file: str | None = Field(description="the file name of the part; null if it has none")
    prediction: Answer = Field(description="as of `POST /predict`")


class Failed(BaseModel):
    """The error of one image."""

    file: str | None = Field(description="the file name of the part; null if it has none")
    problem: Problem = Field(description="why this image has no answer; other images are not affected")


class Batch(BaseModel):
    """One result for each image, in order."""

    results: list[Answered | Failed] = Field(description="one result for each image, in the order of the request")


@router.post(
    "/predict/batch",
    response_model=Batch,
    openapi_extra={"requestBody": FILES_BODY, "parameters": queries.ANSWER_PARAMETERS},
    responses=documented(*OF_BATCHES),
)
async def predict_batch(request: Request, services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Tell the species on many photos, the parts `files` of a form; a bad one gets a problem of its own and harms no other."""
    wanted = queries.wanted(request)
    where = services.where(wanted.crop)
    settings = services.settings

    async def one(part: Part) -> Prediction:
        if not part.content:
            raise MalformedRequest("the part is empty; send an image")
        return await services.predictor.predict(part.content, crop=where)

    with services.uploads.room() as room:
        parts = await room.read_images(request)
        outcomes = await unless_gone(request, each(one, parts, at_once=settings.images_at_once, patience_s=settings.deadline_s))
    results: list[dict[str, Any]] = []
    for part, outcome in zip(parts, outcomes, strict=True):
        if isinstance(outcome, ServiceError):
            services.metrics.rejected(outcome.slug)
            results.append({"file": part.filename, "problem": problem(outcome)})
        else:
            results.append({"file": part.filename, "prediction": answer(outcome, wanted)})
    answered = [outcome for outcome in outcomes if not isinstance(outcome, ServiceError)]
    return JSONResponse({"results": results}, headers={"Server-Timing": timing(*answered)} if answered else None)

"""`POST /predict`: one image in, its species out."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from service import errors
from service.doors import authorized
from service.errors import CallerGone, NotReady, documented
from service.predictor import DIGITS, Prediction
from service.services import Services, of

router = APIRouter(tags=["predictions"], dependencies=[Depends(authorized)])
T = TypeVar("T")

_IMAGE = {"type": "string", "format": "binary"}
IMAGE_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _IMAGE}, "required": ["file"]}},
        "image/*": {"schema": _IMAGE},
        "application/octet-stream": {"schema": _IMAGE},
    },
}


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str


class Answer(BaseModel):
    """What is on the photo."""

    species: str
    probability: float
    group: str | None
    confident: bool
    familiar: bool | None = None  # whether the model knows the like of the photo; absent where it cannot tell
    probabilities: dict[str, float]
    model: ModelName


@router.post(
    "/predict",
    response_model=Answer,
    openapi_extra={"requestBody": IMAGE_BODY},
    responses=documented(*errors.OF_IMAGES),
)
async def predict(request: Request, services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Tell the species on one photo: the part `file` of a form, or the bytes as the body."""
    check_open(services)
    with services.uploads.room() as room:
        image = await room.read_image(request)
        prediction = await unless_gone(request, services.predictor.predict(image))
    return JSONResponse(answer(prediction), headers={"Server-Timing": timing(prediction)})


def check_open(services: Services) -> None:
    """Whether a request can be taken now, before its body is read. Raises NotReady or QueueFull."""
    if services.life.draining:
        raise NotReady("the service is shutting down; ask another one", retry_after_s=1)
    services.predictor.check_room()


def answer(prediction: Prediction) -> dict[str, Any]:
    """The JSON of one prediction, as `Answer`."""
    manifest = prediction.model.manifest
    probabilities = [round(value, DIGITS) for value in prediction.probabilities.tolist()]
    best = int(prediction.probabilities.argmax())
    return {
        "species": manifest.species[best].name,
        "probability": probabilities[best],
        "group": manifest.species[best].group,
        "confident": prediction.confident,
        **({} if prediction.familiar is None else {"familiar": prediction.familiar}),
        "probabilities": {species.name: value for species, value in zip(manifest.species, probabilities, strict=True)},
        "model": {"name": manifest.name, "version": prediction.model.version},
    }


def timing(prediction: Prediction) -> str:
    """The `Server-Timing` header: where the milliseconds went."""
    spans = {"decode": prediction.decode_s, "queue": prediction.queue_s, "inference": prediction.inference_s}
    return ", ".join(f"{name};dur={seconds * 1e3:.2f}" for name, seconds in spans.items())


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client closes the connection. Raises CallerGone."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise CallerGone("the client closed the connection while waiting")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _disconnect(request: Request) -> None:
    """Ends when the client has gone; called once the body was read, when nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

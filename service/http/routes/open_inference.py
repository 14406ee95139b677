"""`/v2`: the Open Inference Protocol, as KServe's and Triton's clients speak it."""

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from service import errors
from service.answers import timing
from service.errors import NotReady, ServiceError, UnknownModel, documented_as_protocol, probe_status
from service.http import open_inference_codec, queries
from service.http.auth import authorized
from service.http.dependencies import of
from service.http.disconnect import unless_gone
from service.http.routes.health import not_live, not_ready
from service.http.services import Services
from service.inference.fan_out import each
from service.inference.predictor import Prediction
from service.inference.registry import Model

_HEADER_LENGTH = "Inference-Header-Content-Length"
_UNKNOWN = documented_as_protocol(errors.Unauthorized, errors.UnknownModel, errors.NotReady)
_TAGS: list[str] = ["open inference protocol"]
probes = APIRouter(prefix="/v2", tags=[*_TAGS])
guarded = APIRouter(prefix="/v2", tags=[*_TAGS], dependencies=[Depends(authorized)])


class ServerLive(BaseModel):
    """Whether the process can go on."""

    live: bool = Field(description="false once only a restart helps")


class ServerReady(BaseModel):
    """Whether inference can be answered."""

    ready: bool = Field(description="whether predictions can be answered")


class ModelReady(ServerReady):
    """Whether this model can be asked."""

    name: str = Field(description="name of the model")


class ServerMetadata(BaseModel):
    """What this server is and speaks."""

    name: str = Field(description="name of the server")
    version: str = Field(description="its version")
    extensions: list[str] = Field(description="extensions of the protocol that it speaks")


class TensorMetadata(BaseModel):
    """One input or output; -1 is a free dimension."""

    name: str = Field(description="name of the tensor")
    datatype: str = Field(description="the protocol's name of it: UINT8, FP32, BOOL, or BYTES for text and files")
    shape: list[int] = Field(description="its dimensions")


class ModelMetadata(BaseModel):
    """What a model takes and gives. A request has one of the inputs."""

    name: str = Field(description="name of the model")
    versions: list[str] = Field(description="the version in service")
    platform: str = Field(description="what its file is made for")
    inputs: list[TensorMetadata] = Field(description="of which a request has one")
    outputs: list[TensorMetadata] = Field(description="all that a request may ask for")


class OutputTensor(TensorMetadata):
    """One tensor of an answer; without `data` its bytes follow the JSON."""

    parameters: dict[str, Any] | None = Field(None, description="`binary_data_size`, where its bytes follow the JSON")
    data: list[float] | list[str] | list[bool] | None = Field(None, description="its values, flat")


class InferResponse(BaseModel):
    """An answer, in the order of the outputs asked for."""

    model_name: str = Field(description="name of the model that answered")
    model_version: str = Field(description="its version")
    id: str | None = Field(None, description="that of the request")
    outputs: list[OutputTensor] = Field(description="the tensors, in the order they were asked for")


_MODEL_READY = documented_as_protocol(errors.UnknownModel) | not_ready(ModelReady)


@guarded.get("", response_model=ServerMetadata, responses=documented_as_protocol(errors.Unauthorized))
async def server_metadata(request: Request) -> dict[str, Any]:
    """Name the server and the extensions it speaks."""
    extensions = ["binary_tensor_data", "classification"]
    return {"name": "seedlings", "version": request.app.version, "extensions": extensions}


@probes.get("/health/live", response_model=ServerLive, responses=not_live(ServerLive))
async def server_live(services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Tell whether the process can go on, or has to be restarted."""
    return JSONResponse({"live": services.live}, probe_status(services.live))


@probes.get("/health/ready", response_model=ServerReady, responses=not_ready(ServerReady))
async def server_ready(services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Tell whether inference can be answered."""
    is_ready = services.status == "ready"
    return JSONResponse({"ready": is_ready}, probe_status(is_ready))


_STRANGENESS = [
    {"name": open_inference_codec.FAMILIAR, "datatype": "BOOL", "shape": [-1]},
    {"name": open_inference_codec.OOD_SCORE, "datatype": "FP32", "shape": [-1]},
]


@guarded.get("/models/{name}", response_model=ModelMetadata, responses=_UNKNOWN)
@guarded.get("/models/{name}/versions/{version}", response_model=ModelMetadata, responses=_UNKNOWN)
async def model_metadata(services: Annotated[Services, Depends(of)], name: str, version: str | None = None) -> dict[str, Any]:
    """Describe the inputs and outputs of a model."""
    model = _model(services, name, version)
    n_species = len(model.manifest.species)
    return {
        "name": name,
        "versions": [model.version],
        "platform": "pytorch_torchscript",
        "inputs": [
            {"name": open_inference_codec.PIXELS, "datatype": "UINT8", "shape": [-1, 3, model.size, model.size]},
            {"name": open_inference_codec.ENCODED, "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": open_inference_codec.PROBABILITIES, "datatype": "FP32", "shape": [-1, n_species]},
            {"name": open_inference_codec.SPECIES, "datatype": "BYTES", "shape": [-1]},
            {"name": open_inference_codec.CONFIDENT, "datatype": "BOOL", "shape": [-1]},
            {"name": open_inference_codec.ANSWER, "datatype": "BYTES", "shape": [-1]},
            {"name": open_inference_codec.ANSWER_RANK, "datatype": "BYTES", "shape": [-1]},
            {"name": open_inference_codec.ANSWER_PROBABILITY, "datatype": "FP32", "shape": [-1]},
            *(_STRANGENESS if model.manifest.calibration.familiarity is not None else []),
        ],
    }


@probes.get("/models/{name}/ready", response_model=ModelReady, responses=_MODEL_READY)
@probes.get("/models/{name}/versions/{version}/ready", response_model=ModelReady, responses=_MODEL_READY)
async def model_ready(services: Annotated[Services, Depends(of)], name: str, version: str | None = None) -> JSONResponse:
    """Tell whether a model can be asked."""
    is_ready = services.status == "ready"
    try:
        _model(services, name, version)
    except NotReady:
        is_ready = False
    return JSONResponse({"name": name, "ready": is_ready}, probe_status(is_ready))


# Without a parameter that may be left out, openapi-python-client makes code that cannot be imported.
_LENGTH = {
    "name": _HEADER_LENGTH,
    "in": "header",
    "required": False,
    "description": "For a body with binary tensors: the bytes of JSON in front of them.",
    "schema": {"type": "integer", "minimum": 1},
}
_BYTES = {"type": "string", "format": "binary", "description": "JSON, then the bytes of the binary tensors"}
_INFER: dict[str, Any] = {
    "response_model": InferResponse,
    "openapi_extra": {
        "parameters": [_LENGTH],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}},
                "application/octet-stream": {"schema": _BYTES},
            },
        },
    },
    "responses": documented_as_protocol(*errors.OF_IMAGES, errors.UnknownModel)
    | {200: {"content": {"application/octet-stream": {"schema": _BYTES}}}},
}


@guarded.post("/models/{name}/infer", **_INFER)
@guarded.post("/models/{name}/versions/{version}/infer", **_INFER)
async def infer(request: Request, services: Annotated[Services, Depends(of)], name: str, version: str | None = None) -> Response:
    """Infer the species on the images of a request, all of them by one version of the model."""
    model = _model(services, name, version)
    queries.known(request, [])
    services.check_open()
    settings = services.settings

    async def one(image: bytes | NDArray[np.uint8]) -> Prediction:
        return await services.predictor.predict(image, model)

    with services.uploads.room() as room:
        body = await room.read(request)
        async with services.parsing:
            asked, images = await asyncio.to_thread(open_inference_codec.read, body, request.headers.get(_HEADER_LENGTH), model.size)
        del body  # the images are copies
        outcomes = await unless_gone(request, each(one, images, at_once=settings.images_at_once, patience_s=settings.deadline_s))
    predictions: list[Prediction] = []
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, ServiceError):
            raise type(outcome)(f"image {index}: {outcome.detail}", outcome.retry_after_s)
        predictions.append(outcome)
    content, header_length = open_inference_codec.write(
        asked, (name, model.version), model.manifest.species, open_inference_codec.outputs(model.manifest.species, predictions)
    )
    headers = {"Server-Timing": timing(*predictions)}
    if header_length is None:
        return Response(content, headers=headers, media_type="application/json")
    return Response(content, headers=headers | {_HEADER_LENGTH: str(header_length)}, media_type="application/octet-stream")


def _model(services: Services, name: str, version: str | None) -> Model:
    """The model in service, if it is the one that is asked for. Raises UnknownModel or NotReady."""
    if name != services.settings.model:
        raise UnknownModel(f"there is no model {name[:100]!r}; there is {services.settings.model!r}")
    model = services.predictor.model()
    if version is not None and version != model.version:
        raise UnknownModel(f"version {version[:20]!r} of {name!r} is not in service; version {model.version} is")
    return model

"""`/v2`: the Open Inference Protocol, as KServe's and Triton's clients speak it."""

import asyncio
import functools
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from service import errors
from service.errors import NotReady, documented_as_protocol, probe_status
from service.http import open_inference_codec, open_inference_models, queries
from service.http.auth import authorized
from service.http.dependencies import current_services
from service.http.disconnect import unless_gone
from service.http.routes.health import not_live, not_ready
from service.http.services import Services

_HEADER_LENGTH = "Inference-Header-Content-Length"
_LONG = 50_000  # values of an answer, from which on it is written in a thread
_UNKNOWN = documented_as_protocol(*errors.OF_KEYS, errors.UnknownModel, errors.NotReady)
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
    datatype: str = Field(description="the protocol's name of it: UINT8, INT32, FP32, BOOL, or BYTES for text and files")
    shape: list[int] = Field(description="its dimensions")


class ModelMetadata(BaseModel):
    """What a model takes and gives. A request has one of the inputs."""

    name: str = Field(description="name of the model")
    versions: list[str] = Field(description="the version in service")
    platform: str = Field(description="what the file is made for that answers: pytorch_torchscript, onnx_onnxv1 or pytorch_pt2")
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


@guarded.get("", response_model=ServerMetadata, responses=documented_as_protocol(*errors.OF_KEYS))
async def server_metadata(request: Request) -> dict[str, Any]:
    """Name the server and the extensions it speaks."""
    extensions = ["binary_tensor_data", "classification"]
    return {"name": "seedlings", "version": request.app.version, "extensions": extensions}


@probes.get("/health/live", response_model=ServerLive, responses=not_live(ServerLive))
async def server_live(services: Annotated[Services, Depends(current_services)]) -> JSONResponse:
    """Tell whether the process can go on, or has to be restarted."""
    return JSONResponse({"live": services.live}, probe_status(services.live))


@probes.get("/health/ready", response_model=ServerReady, responses=not_ready(ServerReady))
async def server_ready(services: Annotated[Services, Depends(current_services)]) -> JSONResponse:
    """Tell whether inference can be answered."""
    is_ready = services.status == "ready"
    return JSONResponse({"ready": is_ready}, probe_status(is_ready))


@guarded.get("/models/{name}", response_model=ModelMetadata, responses=_UNKNOWN)
@guarded.get("/models/{name}/versions/{version}", response_model=ModelMetadata, responses=_UNKNOWN)
async def model_metadata(services: Annotated[Services, Depends(current_services)], name: str, version: str | None = None) -> dict[str, Any]:
    """Describe the inputs and outputs of a model."""
    model = open_inference_models.named(services, name, version)
    inputs = [
        (open_inference_codec.PIXELS, "UINT8", [-1 if model.takes.most > 1 else 1, 3, *model.takes.size]),
        (open_inference_codec.ENCODED, "BYTES", [-1 if model.takes.most > 1 else 1]),
    ]
    keys = ("name", "datatype", "shape")
    return {
        "name": name,
        "versions": [model.version],
        "platform": model.platform,
        "inputs": [dict(zip(keys, tensor, strict=True)) for tensor in inputs],
        "outputs": [dict(zip(keys, tensor, strict=True)) for tensor in model.outputs],
    }


@probes.get("/models/{name}/ready", response_model=ModelReady, responses=_MODEL_READY)
@probes.get("/models/{name}/versions/{version}/ready", response_model=ModelReady, responses=_MODEL_READY)
async def model_ready(services: Annotated[Services, Depends(current_services)], name: str, version: str | None = None) -> JSONResponse:
    """Tell whether a model can be asked."""
    is_ready = open_inference_models.ready(services, name)
    try:
        open_inference_models.named(services, name, version)
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
async def infer(
    request: Request, services: Annotated[Services, Depends(current_services)], name: str, version: str | None = None
) -> Response:
    """Ask a model about the images of a request, all of them by one version: the species, or of one photo the plants."""
    model = open_inference_models.named(services, name, version)
    queries.parameters(request, [])
    model.check_open()
    with services.uploads.slot() as upload:
        body = await upload.read(request)
        async with services.parsing:
            asked, images = await asyncio.to_thread(open_inference_codec.read, body, request.headers.get(_HEADER_LENGTH), model.takes)
        del body  # the images are copies
        inferred = await unless_gone(request, model.infer(images))
    write = functools.partial(open_inference_codec.write, asked, (name, model.version), model.labels, inferred.tensors)
    is_long = sum(tensor.size for tensor in inferred.tensors.values()) > _LONG
    content, header_length = await asyncio.to_thread(write) if is_long else write()
    headers = {"Server-Timing": inferred.timing}
    if header_length is None:
        return Response(content, headers=headers, media_type="application/json")
    return Response(content, headers=headers | {_HEADER_LENGTH: str(header_length)}, media_type="application/octet-stream")

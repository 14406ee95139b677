"""The OpenAPI document, with what the framework cannot know: examples, both kinds of errors, one name for each operation."""

import json
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from service.errors import Problem
from service.http import openapi_examples
from service.http.open_inference_codec import InferRequest
from service.http.routes.explain import Saliency
from service.http.routes.review import ReviewDecision
from service.settings import Settings

TAGS = [
    {"name": "predictions", "description": "Photos in, species out."},
    {"name": "corrections", "description": "What a photo really shows, for the next model. Only where a database is set."},
    {"name": "model", "description": "What is served."},
    {"name": "health", "description": "For probes; never guarded by a key."},
    {"name": "metrics", "description": "For Prometheus."},
    {"name": "open inference protocol", "description": "For KServe's, Triton's and other clients of the protocol."},
]


LIMITS = ("max_body_bytes", "max_pixels", "max_queue", "max_buffered_bytes", "upload_timeout_s", "deadline_s")  # of the settings


def operation_id(route: APIRoute) -> str:
    """A name that generators turn into a method."""
    return route.name + ("_of_version" if "{version}" in route.path else "")


def describe(app: FastAPI) -> None:
    """Have the framework describe the routes of `app`, for `document`."""
    root_path = app.state.services.settings.root_path
    servers = [{"url": root_path}] if root_path else None
    app.state.described = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=TAGS, servers=servers
    )


def document(app: FastAPI) -> dict[str, Any]:
    """The document of `app`, after `describe`; made once."""
    if app.openapi_schema is None:
        guarded = app.state.services.keys.needed
        made: dict[str, Any] = app.state.described
        schemas = made["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        schemas["Saliency"] = _described(Saliency)
        schemas["ReviewDecision"] = _described(ReviewDecision)
        schemas |= msgspec.json.schema_components([InferRequest], ref_template="#/components/schemas/{name}")[1]
        for schema in schemas.values():
            _drop_null_defaults(schema)
        for name, example in openapi_examples.SCHEMAS.items():
            schemas[name]["examples"] = [example]
        for path in made["paths"].values():
            for operation in path.values():
                _drop_validation_error(operation)
                _describe_answer(operation, schemas)
                _mend_parameters(operation)
                if "security" in operation and not guarded:
                    operation["security"].append({})  # without a key as well
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        made["paths"]["/metrics"]["get"]["responses"]["200"]["content"] = {
            "text/plain": {"schema": {"type": "string"}, "example": openapi_examples.METRICS}
        }
        made["x-limits"] = limits(app.state.services.settings)
        app.openapi_schema = made
    return app.openapi_schema


def encoded(app: FastAPI) -> bytes:
    """The document of `app` as JSON, made once: it is long, and a flood of requests for it would hold up all others."""
    if not hasattr(app.state, "encoded_document"):
        app.state.encoded_document = json.dumps(document(app), ensure_ascii=False, separators=(",", ":")).encode()
    made: bytes = app.state.encoded_document
    return made


def limits(settings: Settings) -> list[dict[str, Any]]:
    """What a caller can run into, as this service is set."""
    return [{"meaning": Settings.model_fields[name].description, "value": getattr(settings, name)} for name in LIMITS]


def _described(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of an answer that is one of several kinds; the models inside it are in the document already."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return schema


def _describe_answer(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """The framework has nothing to say of an answer but that it was successful."""
    for response in operation["responses"].values():
        if response["description"] == "Successful Response":
            names = [content["schema"].get("$ref", "").rpartition("/")[2] for content in response.get("content", {}).values()]
            response["description"] = next((schemas[name]["description"] for name in names if name), "The text.")


def _drop_validation_error(operation: dict[str, Any]) -> None:
    """The framework's own 422, which these routes never give: their parameters are strings, and bodies are read by hand."""
    content = operation["responses"].get("422", {}).get("content", {})
    if "HTTPValidationError" in str(content.get("application/json", "")):
        del operation["responses"]["422"]


def _drop_null_defaults(schema: dict[str, Any]) -> None:
    """A field that may be left out has no value then. By a default of null, generators take it for one that is always there."""
    for field in schema.get("properties", {}).values():
        if field.get("default", ...) is None:
            del field["default"]


def _mend_parameters(operation: dict[str, Any]) -> None:
    """A version stands in the path or is not asked for: of a handler for both, the framework makes a query, and a null.

    No parameter can be null: it is given as text or left out.
    """
    parameters = [one for one in operation.get("parameters", []) if (one["in"], one["name"]) != ("query", "version")]
    for one in parameters:
        if kinds := [kind for kind in one["schema"].pop("anyOf", []) if kind != {"type": "null"}]:
            one["schema"] |= kinds[0]
        if (example := openapi_examples.PARAMETERS.get(one["name"])) is not None:
            one |= {"schema": {"type": "string"}, "example": example}
    if parameters:
        operation["parameters"] = parameters

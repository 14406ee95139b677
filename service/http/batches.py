"""Many images in one request, the parts `files` of a form: what is asked for each, and one outcome for each, in order."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, Field

from service import errors
from service.errors import MalformedRequest, Problem, ServiceError, problem
from service.http import forms
from service.http.disconnect import unless_gone
from service.http.forms import Part
from service.http.services import Services
from service.inference.fan_out import each

T = TypeVar("T")
_FILES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "format": "binary"},
    "description": "image files, each a part of this name",
}
FILES_BODY: dict[str, Any] = {"required": True, "content": forms.described({"files": _FILES}, ["files"])}  # as OpenAPI describes it
ERRORS: tuple[type[ServiceError], ...] = (  # of the whole request
    errors.MalformedRequest,
    *errors.OF_KEYS,
    errors.SlowUpload,
    errors.BodyTooLarge,
    errors.UnsupportedImage,
    errors.QueueFull,
    errors.NotReady,
)


class PhotoResult(BaseModel):
    """What came of one photo of a batch."""

    file: str | None = Field(description="the file name of the part; null if it has none")


class FailedPhoto(PhotoResult):
    """The error of one photo."""

    problem: Problem = Field(description="why this photo has no answer; other photos are not affected")


async def outcomes(
    request: Request, services: Services, ask: Callable[[bytes], Awaitable[T]], at_once: int
) -> list[tuple[str | None, T | ServiceError]]:
    """The file name of each image, and what `ask` gives for its bytes or why it gives nothing; `at_once` are asked for at one time.

    Raises ServiceError where the request as a whole cannot be answered.
    """

    async def one(part: Part) -> T:
        if not part.content:
            raise MalformedRequest("the part is empty; send an image")
        return await ask(part.content)

    with services.uploads.slot() as upload:
        parts = await upload.read_images(request)
        found = await unless_gone(request, each(one, parts, at_once=at_once, patience_s=services.settings.deadline_s))
    for outcome in found:
        if isinstance(outcome, ServiceError):
            services.metrics.rejected(outcome.slug)
    return [(part.filename, outcome) for part, outcome in zip(parts, found, strict=True)]


def results(outcomes: Sequence[tuple[str | None, T | ServiceError]], field: str, document: Callable[[T], Any]) -> list[dict[str, Any]]:
    """The JSON of outcomes, in their order: a `FailedPhoto`, or a `PhotoResult` whose `field` is the `document` of what was found."""
    return [
        {"file": file, "problem": problem(outcome)} if isinstance(outcome, ServiceError) else {"file": file, field: document(outcome)}
        for file, outcome in outcomes
    ]

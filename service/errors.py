"""What can go wrong with a request, and the only place that gives it an HTTP status.

ServiceError
├── Unauthorized           401  a key is needed, and missing or wrong
├── MalformedRequest       400  the body is empty, or not what its headers say
├── SlowUpload             408  the body did not arrive in time
├── Forbidden              403  a page of elsewhere, or a page that is closed
├── UnknownModel           404  no model of that name or version is served
├── UnknownPage            404  the page has no such file
├── UnknownCorrection      404  there is no such correction
├── CorrectionsDisabled    404  corrections are not kept here
├── NotExplainable         409  the model in service gives no heat maps
├── CorrectionChanged      409  somebody else decided about it meanwhile
├── BodyTooLarge           413  more bytes than allowed, counted as they arrive
├── UnsupportedImage       415  no image, or not of a format that is read
├── UndecodableImage       422  damaged, truncated, too many pixels or too few
├── QueueFull              429  more work than can be done in time; come back later
├── RateLimited            429  the key was used as often as it may be in a minute
├── HeadTooLarge           431  too many headers, or too long ones
├── CallerGone             499  the client closed the connection
├── ModelFailed            500  the model raised an error, or its answer is no number
├── NotReady               503  no model is loaded, or the process is shutting down
├── CorrectionsUnavailable 503  the database or the photos do not answer, so nothing was kept
├── DeadlinePassed         504  no answer within the deadline
└── QuotaUsed              507  as much is kept as may be
"""

import math
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import BaseModel, Field

PROBLEM_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, in the form of RFC 9457."""

    type: str = Field(description="the kind of error, for programs, such as `urn:seedlings:queue-full`")
    title: str = Field(description="the kind of error, for people")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what is wrong with this request, and what to do")


class ProtocolError(BaseModel):
    """What went wrong, in the form of the Open Inference Protocol."""

    error: str = Field(description="what is wrong with this request, and what to do")


class ServiceError(Exception):
    """Base of all of them. The message is fit for a client: it says what is wrong and what to do."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"  # names the kind of problem for programs
    title: ClassVar[str] = "Internal error"
    closes: ClassVar[bool] = False  # the rest of the request is not read, so the connection cannot be used again
    passes: ClassVar[bool] = False  # by itself: `Retry-After` says when another try makes sense

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that go with the status."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))  # whole seconds: the header knows no others
        if self.closes:
            headers["Connection"] = "close"
        return headers

    @property
    def is_of_the_service(self) -> bool:
        """Whether the service is at fault, not the request."""
        return int(self.as_problem()["status"]) >= ServiceError.status

    def as_problem(self) -> dict[str, Any]:
        """As an RFC 9457 problem."""
        return {"type": f"urn:seedlings:{self.slug}", "title": self.title, "status": self.status, "detail": self.detail}


def defect() -> ServiceError:
    """What is told of an error that nobody expected, which is in the log."""
    return ServiceError("something went wrong here; the request id leads to it in the log")


class Unauthorized(ServiceError):
    """A key is set, and the request has none or a wrong one."""

    status, slug, title = 401, "unauthorized", "A valid API key is needed"

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"WWW-Authenticate": "Bearer"}


class MalformedRequest(ServiceError):
    """The body is empty, or not what its headers say."""

    status, slug, title = 400, "malformed-request", "The request is malformed"


class SlowUpload(ServiceError):
    """The body did not arrive in time."""

    status, slug, title, closes = 408, "slow-upload", "The body did not arrive in time", True


class Forbidden(ServiceError):
    """The request comes from a page of elsewhere, or what it asks for is closed on this server."""

    status, slug, title = 403, "forbidden", "This is not allowed"


class UnknownModel(ServiceError):
    """No model of that name or version is served."""

    status, slug, title = 404, "unknown-model", "No such model is served"


class UnknownPage(ServiceError):
    """The page has no such file."""

    status, slug, title = 404, "unknown-page", "No such file"


class UnknownCorrection(ServiceError):
    """There is no such correction, or it was removed."""

    status, slug, title = 404, "unknown-correction", "No such correction"


class CorrectionsDisabled(ServiceError):
    """Corrections are not kept on this server: no database is set."""

    status, slug, title = 404, "nothing-kept", "Corrections are not kept here"


class CorrectionChanged(ServiceError):
    """Somebody else decided about the correction meanwhile. Look at it again."""

    status, slug, title = 409, "correction-changed", "The correction was changed meanwhile"


class NotExplainable(ServiceError):
    """The model in service gives no heat maps. Another version may."""

    status, slug, title = 409, "not-explainable", "The model in service cannot be explained"


class BodyTooLarge(ServiceError):
    """The body has more bytes than allowed."""

    status, slug, title, closes = 413, "body-too-large", "The body is too large", True


class UnsupportedImage(ServiceError):
    """The body is no image, or not of a format that is read."""

    status, slug, title = 415, "unsupported-image", "Not an image format that is read here"


class UndecodableImage(ServiceError):
    """The image is damaged or truncated, or has too many pixels or too few."""

    status, slug, title = 422, "undecodable-image", "The image cannot be decoded"


class QueueFull(ServiceError):
    """More images are waiting than can be answered in time. Ask again after the seconds in `Retry-After`."""

    status, slug, title, passes = 429, "queue-full", "Too many requests at once", True


class RateLimited(ServiceError):
    """The key was used as often as it may be in a minute. Ask again after the seconds in `Retry-After`."""

    status, slug, title, passes = 429, "rate-limited", "Too many requests with this key", True


class HeadTooLarge(ServiceError):
    """The request has too many headers, or too long ones."""

    status, slug, title, closes = 431, "head-too-large", "The head of the request is too large", True


class CallerGone(ServiceError):
    """The client closed the connection. The status is seen in logs and metrics only."""

    status, slug, title = 499, "caller-gone", "The client closed the connection"


class ModelFailed(ServiceError):
    """The model raised an error, or its answer is no number."""

    status, slug, title = 500, "model-failed", "The model failed"


class NotReady(ServiceError):
    """No model is loaded, or the process is shutting down."""

    status, slug, title, passes = 503, "not-ready", "The service is not ready", True


class CorrectionsUnavailable(ServiceError):
    """The database or the photos of corrections do not answer. Nothing was kept; predictions go on."""

    status, slug, title, passes = 503, "not-kept", "The correction cannot be kept now", True


class DeadlinePassed(ServiceError):
    """No answer within the deadline."""

    status, slug, title, passes = 504, "deadline-passed", "No answer within the deadline", True


class QuotaUsed(ServiceError):
    """As many corrections, or as many bytes of photos, are kept as may be."""

    status, slug, title = 507, "quota-used", "No more corrections are kept"


def problem(error: ServiceError) -> dict[str, Any]:
    """The error as an RFC 9457 problem."""
    return error.as_problem()


def plain_problem(status: int, detail: str) -> dict[str, Any]:
    """A problem that says no more than its status, as for an unknown route."""
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown status"
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def routing_problem(status: int, detail: str, method: str, path: str, allowed: str | None) -> dict[str, Any]:
    """The problem of a request that no route takes; `allowed` names the methods that its path does take."""
    if allowed is not None:
        detail = f"{method[:20]} is not answered at {path[:100]!r}; {allowed} is"
    elif status == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {path[:100]!r}; /docs lists what there is"
    return plain_problem(status, detail)


def probe_status(ready: bool) -> int:
    """The status of a health answer."""
    return 200 if ready else NotReady.status


_EXAMPLES: dict[type[ServiceError], str] = {
    Unauthorized: "send the key as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
    MalformedRequest: "the form needs one part 'file'; it has: 'photo'",
    SlowUpload: "the body did not arrive within 30 s",
    NotExplainable: "the model in service was exported without what a heat map needs; export it again",
    BodyTooLarge: "the body is longer than 20971520 bytes; scale the image down, or send fewer at a time",
    UnsupportedImage: "not an image of a format read here (JPEG, PNG, WEBP, GIF, TIFF, BMP, AVIF, HEIF)",
    UndecodableImage: "the image cannot be decoded: image file is truncated",
    QueueFull: "64 images are waiting already; try again later",
    RateLimited: "the key 'farm' is good for 600 requests a minute; ask again after the seconds in Retry-After",
    NotReady: "the model is still being loaded",
    Forbidden: "the request comes from the page of another site, https://example.org",
    UnknownCorrection: "there is no correction '0b57'; it may have been removed",
    CorrectionsDisabled: "corrections are not kept here; set SEEDLINGS_DATABASE",
    CorrectionChanged: "the correction is at version 2 by now; look at it again",
    CorrectionsUnavailable: "the database does not answer; the log of the service says why",
    QuotaUsed: "100000 corrections are kept, as many as may be; review and export them, then remove some",
    ModelFailed: "the model raised an error",
    DeadlinePassed: "no answer within 10 s; try again later",
}


# What a request to a route behind the key can be answered.
OF_KEYS: tuple[type[ServiceError], ...] = (Unauthorized, RateLimited)

# What a request with an image can be answered, whichever route it takes.
OF_IMAGES: tuple[type[ServiceError], ...] = (
    MalformedRequest,
    *OF_KEYS,
    SlowUpload,
    BodyTooLarge,
    UnsupportedImage,
    UndecodableImage,
    QueueFull,
    NotReady,
    ModelFailed,
    DeadlinePassed,
)


_RETRY_AFTER = {"Retry-After": {"description": "Seconds after which to ask again.", "schema": {"type": "integer", "minimum": 1}}}


def documented(*kinds: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """These errors as OpenAPI responses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: _described(alike) | {"content": {PROBLEM_TYPE: {"schema": schema, "example": problem(alike[-1](_EXAMPLES[alike[-1]]))}}}
        for status, alike in _by_status(kinds).items()
    }


def _by_status(kinds: Iterable[type[ServiceError]]) -> dict[int, list[type[ServiceError]]]:
    """OpenAPI has one response for each status, whatever the reason."""
    alike: dict[int, list[type[ServiceError]]] = {}
    for kind in kinds:
        alike.setdefault(kind.status, []).append(kind)
    return alike


def _described(alike: list[type[ServiceError]]) -> dict[str, Any]:
    description = " Or: ".join(kind.__doc__ or "" for kind in alike)
    return {"description": description} | ({"headers": _RETRY_AFTER} if any(kind.passes for kind in alike) else {})


def protocol_error(detail: str) -> dict[str, str]:
    """An error as the Open Inference Protocol has it."""
    return {"error": detail}


def documented_as_protocol(*kinds: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """These errors as OpenAPI responses of the Open Inference Protocol."""
    return {status: _described(alike) | {"model": ProtocolError} for status, alike in _by_status(kinds).items()}

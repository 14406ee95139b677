"""`/corrections/…`: what reviewers look at and decide. Closed where no key is set."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models_store.image_files import SUFFIXES
from service import errors
from service.corrections import CorrectionService, as_service_errors
from service.errors import Forbidden, MalformedRequest, documented
from service.http import queries
from service.http.auth import authorized, name_of_key
from service.http.dependencies import current_services
from service.http.origin import own_page
from service.http.routes.corrections import Correction, correction_document, correction_service
from service.http.services import Services
from service.process.api_keys import Keys

if TYPE_CHECKING:
    from corrections.records import State

MAX_AT_ONCE = 100
MAX_DECISION_BYTES = 16 * 2**10  # of JSON: a long one would be parsed while all others wait
_MAX_VERSION = 2**31 - 1  # every database holds it
_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'", "Cache-Control": "private, max-age=3600"}
_JSON = "application/json"
_STATES: dict[str, "State"] = {"waiting": "waiting", "accepted": "accepted", "rejected": "rejected"}
_TYPES = {".jpg": "image/jpeg", ".tif": "image/tiff"}


async def reviewing(services: Annotated[Services, Depends(current_services)]) -> None:
    """Dependency: whether anybody may review. Raises Forbidden."""
    if not services.keys.needed:
        raise Forbidden(
            "reviewing is closed: without a key anybody could decide what the next model learns; set SEEDLINGS_API_KEY"
            " or SEEDLINGS_KEYS_FILE"
        )


router = APIRouter(tags=["corrections"], dependencies=[Depends(authorized), Depends(reviewing)])
_ERRORS = (
    *errors.OF_KEYS,
    errors.Forbidden,
    errors.CorrectionsDisabled,
    errors.QueueFull,
    errors.CorrectionsUnavailable,
    errors.DeadlinePassed,
)


class CorrectionList(BaseModel):
    """Corrections in the order in which they came."""

    count: int = Field(description="how many there are of this state in all")
    corrections: list[Correction] = Field(description=f"the first ones, or those behind `after`; {MAX_AT_ONCE} at most")


class ReviewDecision(BaseModel):
    """What a reviewer decides."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["accept", "reject", "undo"] = Field(description="`undo` makes it wait again, as it was handed in")
    version: int = Field(
        strict=True,
        ge=1,
        le=_MAX_VERSION,
        description="the version of the correction that was looked at; if it is another by now, nothing is decided",
    )
    reviewer: str | None = Field(
        None, description="who decides; with a key that has a name, the name is kept behind it, and may stand alone: leave this out then"
    )
    species: str | None = Field(None, description="accept it as this species; as it is if left out")


@router.get("/corrections/waiting", response_model=CorrectionList, responses=documented(*_ERRORS, errors.MalformedRequest))
async def waiting(
    request: Request,
    corrections: Annotated[CorrectionService, Depends(correction_service)],
    state: Annotated[str, Query(description="waiting, accepted or rejected; waiting if left out")] = "waiting",
    after: Annotated[str | None, Query(description="give those that came after the correction of this id")] = None,
    limit: Annotated[str, Query(description=f"give so many at most, 1 to {MAX_AT_ONCE}; 20 if left out")] = "20",
) -> JSONResponse:
    """List the corrections that wait for a reviewer, the oldest first."""
    queries.parameters(request, ["state", "after", "limit"])
    of_state = _STATES.get(state)
    if of_state is None:
        raise MalformedRequest(f"state = {state[:50]!r} is none of {', '.join(_STATES)}")
    most = queries.whole_number("limit", limit, MAX_AT_ONCE)
    count, listed = await corrections.call(lambda store: (store.count(of_state), store.waiting(of_state, after, most)))
    return JSONResponse({"count": count, "corrections": [correction_document(one) for one in listed]})


_PHOTO = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/corrections/{correction}/photo",
    response_class=Response,
    responses=documented(*_ERRORS, errors.UnknownCorrection)
    | {200: {"description": "The photo as it is kept.", "content": {"image/*": _PHOTO, "application/octet-stream": _PHOTO}}},
)
async def photo_of_correction(correction: str, corrections: Annotated[CorrectionService, Depends(correction_service)]) -> Response:
    """Show the photo of a correction."""
    content, suffix = await corrections.call(lambda store: store.photo(correction))
    kind = _TYPES.get(suffix, f"image/{suffix[1:]}") if suffix in SUFFIXES else "application/octet-stream"
    return Response(content, media_type=kind, headers=_HEADERS)


@router.post(
    "/corrections/{correction}/review",
    response_model=Correction,
    openapi_extra={"requestBody": {"required": True, "content": {_JSON: {"schema": {"$ref": "#/components/schemas/ReviewDecision"}}}}},
    responses=documented(
        *(*_ERRORS, errors.MalformedRequest, errors.UnknownCorrection, errors.CorrectionChanged),
        *(errors.BodyTooLarge, errors.SlowUpload, errors.UnsupportedImage),
    ),
    dependencies=[Depends(own_page)],
)
async def review(
    correction: str,
    request: Request,
    services: Annotated[Services, Depends(current_services)],
    corrections: Annotated[CorrectionService, Depends(correction_service)],
) -> dict[str, Any]:
    """Decide about a correction: accept it, perhaps as another species, reject it, or undo a decision."""
    from corrections.texts import person_name, species_name

    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise MalformedRequest(f"the decision is sent as JSON, typed {_JSON}")
    with services.uploads.slot() as upload:
        body = await upload.read(request, MAX_DECISION_BYTES)
    try:
        asked = ReviewDecision.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100]
        raise MalformedRequest(f"the decision is not understood: {place}: {first['msg'][:200]}") from None
    model = services.registry.current
    known = tuple(species.name for species in model.manifest.species) if model is not None else ()
    with as_service_errors():
        reviewer = person_name(_signed(asked.reviewer or "", name_of_key(request.scope), services.keys))
        species = species_name(asked.species, known) if asked.species else None
    decided = await corrections.call(lambda store: store.review(correction, asked.version, asked.decision, reviewer, species))
    return correction_document(decided)


def _signed(written: str, key: str | None, keys: Keys) -> str:
    """Who decides: the name that was written, and that of the key, which nobody can make up. Raises MalformedRequest for another's."""
    if key is None:
        bare, _, in_brackets = written.strip().removesuffix(")").rpartition("(")
        if keys.has_name(written) or (bare and keys.has_name(in_brackets)):
            raise MalformedRequest("reviewer is the name of a key, and this key has none; use that key, or another name")
        return written
    return f"{written} ({key})" if written.strip() not in ("", key) else key

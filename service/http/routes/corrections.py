"""`POST /corrections`: what a photo really shows, for the next model."""

import dataclasses
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from service import errors
from service.corrections import CorrectionService, as_service_errors, stored_prediction
from service.errors import CorrectionsDisabled, MalformedRequest, documented
from service.http import forms, queries
from service.http.auth import authorized
from service.http.dependencies import current_services
from service.http.disconnect import unless_gone
from service.http.origin import allowed_page
from service.http.services import Services

if TYPE_CHECKING:
    from corrections.records import StoredCorrection
    from corrections.store import CorrectionStore

router = APIRouter(tags=["corrections"], dependencies=[Depends(authorized)])

FIELDS = {
    "species": "what is on the photo: a species of the model, a new name, or `not a plant`",
    "box": "the part of the photo that is meant: `x,y,width,height`, in pixels of the photo turned upright; the central square if left out",
    "note": "anything else, up to 1000 characters",
    "plant": "what tells this plant from others, such as the number of its pot: training keeps its photos together",
}
_TEXTS = {name: {"type": "string", "description": text} for name, text in FIELDS.items()}
_FORM = {"required": True, "content": forms.described({"file": forms.IMAGE_FILE} | _TEXTS, ["file", "species"])}


class RetentionPolicy(BaseModel):
    """What this server keeps of photos."""

    kept: bool = Field(description="whether corrections are kept, with their photos")
    asked: int = Field(
        description="how many photos a day, at most, are kept for a reviewer though they were only sent for an answer: those that the model"
        " is unsure of. 0: no photo is kept that nobody corrected"
    )
    positions: bool = Field(description="whether photos are kept with the positions and serial numbers in them")
    days: int | None = Field(description="after how many days they are removed; null: when somebody removes them")


class ModelPrediction(BaseModel):
    """What the model in service said of the photo when it was handed in."""

    model: str = Field(description="the model: its name and version, with a stroke between them")
    species: str = Field(description="the most probable species")
    probability: float = Field(description="its probability, 0 to 1")
    confident: bool = Field(description="whether the species could be relied upon")
    ood_score: float | None = Field(description="how far the photo is from those learnt from; null if the model does not measure it")
    familiar: bool | None = Field(description="whether the photo is like those learnt from; null if the model cannot tell")


class Correction(BaseModel):
    """A correction that is kept."""

    id: str = Field(description="its name. Whoever knows it may remove the correction")
    version: int = Field(description="rises with each decision of a reviewer")
    state: str = Field(description="waiting for a reviewer, accepted or rejected")
    species: str | None = Field(description="what is on the photo; null while nobody has said it")
    handed_in: str | None = Field(description="the species as it was handed in, before any reviewer")
    said: ModelPrediction = Field(description="what the model said")
    box: list[float] | None = Field(description="the part of the photo that is meant: x, y, width, height; null: the central square")
    note: str = Field(description="the note; empty if there is none")
    plant: str = Field(description="what tells the plant from others; empty if that was not said")
    source: str = Field(description="person: somebody handed it in. asked: the service kept the photo for a reviewer")
    sha256: str = Field(description="of the photo as it is kept, without positions and serial numbers unless the server keeps them")
    taken: date = Field(description="the day of the photo; the day it came where the photo does not say")
    created: datetime = Field(description="when it was handed in")
    reviewer: str = Field(description="who decided last; empty while nobody has")
    reviewed: datetime | None = Field(description="when; null while nobody has")


async def correction_service(services: Annotated[Services, Depends(current_services)]) -> CorrectionService:
    """Dependency: where corrections are kept. Raises CorrectionsDisabled."""
    if services.corrections is None:
        raise CorrectionsDisabled("corrections are not kept here; whoever runs the service can set SEEDLINGS_DATABASE")
    return services.corrections


@router.get("/corrections", response_model=RetentionPolicy, responses=documented(*errors.OF_KEYS))
async def keeping_of_photos(services: Annotated[Services, Depends(current_services)]) -> dict[str, Any]:
    """Tell what this server keeps of photos, so that it can be said before one is sent."""
    settings = services.settings
    return {
        "kept": services.corrections is not None,
        "asked": settings.ask if services.corrections else 0,
        "positions": settings.keep_positions,
        "days": settings.keep_days,
    }


@router.post(
    "/corrections",
    status_code=201,
    response_model=Correction,
    openapi_extra={"requestBody": _FORM},
    responses=documented(*errors.OF_IMAGES, errors.Forbidden, errors.CorrectionsDisabled, errors.CorrectionsUnavailable, errors.QuotaUsed)
    | {201: {"headers": {"Location": {"description": "Where it can be removed.", "schema": {"type": "string"}}}}},
    dependencies=[Depends(allowed_page)],
)
async def correct(
    request: Request,
    services: Annotated[Services, Depends(current_services)],
    corrections: Annotated[CorrectionService, Depends(correction_service)],
) -> Response:
    """Keep what a photo really shows, with the photo, for a reviewer and the next model. Sent again within an hour, it is kept once."""
    from corrections.records import NewCorrection
    from corrections.texts import note, plant_name, species_name

    queries.parameters(request, [])
    services.check_open()
    with services.uploads.slot() as upload:
        image, fields = await upload.read_fields(request, "file", tuple(FIELDS))
        if "species" not in fields:
            raise MalformedRequest("the form needs a part 'species': a name of a species, or 'not a plant'")
        known = tuple(species.name for species in services.predictor.model().manifest.species)
        with as_service_errors():
            species = species_name(fields["species"], known)
            plant = plant_name(fields["plant"]) if fields.get("plant") else ""
            text = note(fields.get("note", ""))
        box = queries.rectangle(fields, "box") if fields.get("box") else None
        prediction = await unless_gone(request, services.predictor.predict(image, crop=box))
        photo = await corrections.photo(image)
    new = NewCorrection(photo, species, stored_prediction(prediction), box, text, plant)

    def add(corrections: "CorrectionStore") -> "StoredCorrection":
        kept = corrections.add(new)
        if not kept.repeated:  # counted here, for it is kept even where its request does not wait for that
            services.metrics.corrected(new.said.species, right=new.said.species == species)
        return kept

    kept = await corrections.call(add)
    return JSONResponse(
        correction_document(kept), status_code=201, headers={"Location": f"{services.settings.root_path}/corrections/{kept.id}"}
    )


@router.delete(
    "/corrections/{correction}",
    status_code=204,
    responses=documented(
        *(*errors.OF_KEYS, errors.Forbidden, errors.UnknownCorrection, errors.CorrectionsDisabled),
        *(errors.QueueFull, errors.CorrectionsUnavailable, errors.DeadlinePassed),
    ),
    dependencies=[Depends(allowed_page)],
)
async def remove_correction(correction: str, corrections: Annotated[CorrectionService, Depends(correction_service)]) -> Response:
    """Remove a correction, and its photo unless another correction is of the same one."""
    await corrections.call(lambda store: store.remove(correction))
    return Response(status_code=204)


def correction_document(kept: "StoredCorrection") -> dict[str, Any]:
    """The JSON of a correction, as `Correction`."""
    return Correction.model_validate(dataclasses.asdict(kept)).model_dump(mode="json")

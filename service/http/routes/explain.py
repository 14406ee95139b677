"""`POST /explain`: what raised the probability of a species on a photo, as a picture or as numbers."""

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from models_store.rollup import DIGITS
from service import errors
from service.answers import ModelName, model_name, numbers, timing
from service.errors import documented
from service.http import queries
from service.http.auth import authorized
from service.http.dependencies import current_services
from service.http.disconnect import unless_gone
from service.http.services import Services
from service.http.uploads import IMAGE_BODY
from service.inference import saliency
from service.inference.predictor import Explanation

router = APIRouter(tags=["predictions"], dependencies=[Depends(authorized)])


_PICTURE, _OCTETS, _JSON = "image/png", "application/octet-stream", "application/json"  # what is offered, the usual one first
_X_SPECIES = {"X-Species": {"description": "The species explained, escaped as in a URL.", "schema": {"type": "string"}}}
_PNG = {"schema": {"type": "string", "format": "binary"}}
_HEAT_DIGITS = 4


class Saliency(BaseModel):
    """What raised the probability of a species, as numbers."""

    species: str = Field(description="the species explained")
    probability: float = Field(description="its probability, 0 to 1")
    crop: list[float] = Field(
        min_length=4,
        max_length=4,
        description="what the map covers: x, y, width and height in pixels of the whole photo turned upright",
    )
    shape: list[int] = Field(min_length=2, max_length=2, description="rows and columns of the map")
    heat_map: list[list[float]] = Field(
        description="a list of rows, from the top; each from the left. 0: the place played no part, or spoke against the species."
        " 1: it spoke most for it. By HiResCAM (Draelos & Carin 2020), at the resolution of the network's last convolution"
    )
    model: ModelName = Field(description="the model that answered")


class Picture(Response):
    """A PNG."""

    media_type = _PICTURE


@router.post(
    "/explain",
    response_class=Picture,
    openapi_extra={"requestBody": IMAGE_BODY, "parameters": [queries.CROP_PARAMETER]},
    # Many generated clients read a file only where it may be typed as bytes of any kind.
    responses=documented(*errors.OF_IMAGES, errors.NotExplainable)
    | {
        200: {
            "description": f"A picture of {saliency.SIDE} × {saliency.SIDE} pixels, or with `Accept: {_JSON}` the heat map as numbers.",
            "content": {_PICTURE: _PNG, _OCTETS: _PNG, _JSON: {"schema": {"$ref": f"#/components/schemas/{Saliency.__name__}"}}},
            "headers": _X_SPECIES,
        }
    },
)
async def explain(
    request: Request,
    services: Annotated[Services, Depends(current_services)],
    species: Annotated[str | None, Query(description="the species to explain, by its name; the most probable one if left out")] = None,
) -> Response:
    """Show which parts of one photo raised the probability of its species: a PNG of the square looked at, with a heat map."""
    crop = queries.crop_option(queries.parameters(request, ["species", queries.CROP_PARAMETER["name"]]))
    where = services.where(crop)
    kind = _accepted(request.headers.get("accept", ""))
    with services.uploads.slot() as upload:
        image = await upload.read_image(request)
        side = None if kind == _JSON else saliency.SIDE
        explanation = await unless_gone(request, services.predictor.explain(image, species, where, side))
        # A header is ASCII and a name may be anything, hence the quotes of an URL.
        headers = {"X-Species": quote(explanation.species.name), "Server-Timing": timing(explanation.prediction)}
    if explanation.picture is None:
        return JSONResponse(_heat_map(explanation), headers=headers)
    png = await asyncio.to_thread(saliency.render, explanation.picture, explanation.saliency)
    return Picture(png, headers=headers, media_type=kind)


def _heat_map(explanation: Explanation) -> dict[str, Any]:
    prediction = explanation.prediction
    index = prediction.model.manifest.species.index(explanation.species)
    return {
        "species": explanation.species.name,
        "probability": round(float(prediction.probabilities[index]), DIGITS),
        "crop": numbers(prediction.crop),
        "shape": list(explanation.saliency.shape),
        "heat_map": [[round(value, _HEAT_DIGITS) for value in row] for row in explanation.saliency.tolist()],
        "model": model_name(prediction.model.manifest),
    }


def _accepted(accept: str) -> str:
    """What a caller would rather have of what is offered, by RFC 9110, section 12.5.1; of equals the one named first."""
    wishes = []
    for wish in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in wish.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        wishes.append((_weight(weight), kind))
    wishes.sort(key=lambda wish: -wish[0])
    return next((kind for weight, kind in wishes if weight > 0 and kind in (_PICTURE, _OCTETS, _JSON)), _PICTURE)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

"""`POST /explain`: the photo with a heat map of what raised the probability of a species."""

import asyncio
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from service import errors
from service.answers import timing
from service.errors import documented
from service.http import queries
from service.http.auth import authorized
from service.http.dependencies import of
from service.http.disconnect import unless_gone
from service.http.services import Services
from service.http.uploads import IMAGE_BODY
from service.inference import saliency

router = APIRouter(tags=["predictions"], dependencies=[Depends(authorized)])


_OCTETS = "application/octet-stream"
_X_SPECIES = {"X-Species": {"description": "The species explained, escaped as in a URL.", "schema": {"type": "string"}}}
_PNG = {"schema": {"type": "string", "format": "binary"}}


class Picture(Response):
    """A PNG."""

    media_type = "image/png"


@router.post(
    "/explain",
    response_class=Picture,
    openapi_extra={"requestBody": IMAGE_BODY},
    # Many generated clients read a file only where it may be typed as bytes of any kind.
    responses=documented(*errors.OF_IMAGES, errors.NotExplainable)
    | {
        200: {
            "description": f"A picture of {saliency.SIDE} × {saliency.SIDE} pixels.",
            "content": {Picture.media_type: _PNG, _OCTETS: _PNG},
            "headers": _X_SPECIES,
        }
    },
)
async def explain(
    request: Request,
    services: Annotated[Services, Depends(of)],
    species: Annotated[str | None, Query(description="the species to explain, by its name; the most probable one if left out")] = None,
) -> Picture:
    """Show which parts of one photo raised the probability of its species: a PNG of its central square, with a heat map."""
    queries.known(request, ["species"])
    services.check_open()
    with services.uploads.room() as room:
        image = await room.read_image(request)
        explanation = await unless_gone(request, services.predictor.explain(image, species))
        photo = await services.predictor.picture(image, saliency.SIDE)
    png = await asyncio.to_thread(saliency.render, photo, explanation.saliency)
    # A header is ASCII and a name may be anything, hence the quotes of an URL.
    headers = {"X-Species": quote(explanation.species.name), "Server-Timing": timing(explanation.prediction)}
    return Picture(png, headers=headers, media_type=_OCTETS if _first(request.headers.get("accept", "")) == _OCTETS else None)


def _first(accept: str) -> str:
    return accept.partition(",")[0].partition(";")[0].strip().lower()

"""`POST /predict`: one image in, its species out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from service import errors
from service.answers import Answer, answer, timing
from service.errors import documented
from service.http import queries
from service.http.auth import authorized
from service.http.dependencies import current_services
from service.http.disconnect import unless_gone
from service.http.services import Services
from service.http.uploads import IMAGE_BODY

router = APIRouter(tags=["predictions"], dependencies=[Depends(authorized)])


@router.post(
    "/predict",
    response_model=Answer,
    openapi_extra={"requestBody": IMAGE_BODY, "parameters": queries.ANSWER_PARAMETERS},
    responses=documented(*errors.OF_IMAGES),
)
async def predict(request: Request, services: Annotated[Services, Depends(current_services)]) -> JSONResponse:
    """Tell the species on one photo: the part `file` of a form, or the bytes as the body."""
    wanted = queries.answer_options(request)
    where = services.where(wanted.crop)
    with services.uploads.slot() as upload:
        image = await upload.read_image(request)
        prediction = await unless_gone(request, services.predictor.predict(image, crop=where))
    if services.corrections is not None:
        services.corrections.consider(image, prediction, cropped=where is not None)
    return JSONResponse(answer(prediction, wanted), headers={"Server-Timing": timing(prediction)})

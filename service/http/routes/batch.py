"""`POST /predict/batch`: many images in, for each its species or what is wrong with it."""

import functools
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from service.answers import Answer, answer, timing
from service.errors import ServiceError, documented
from service.http import batches, queries
from service.http.auth import authorized
from service.http.batches import FailedPhoto, PhotoResult
from service.http.dependencies import current_services
from service.http.services import Services
from service.inference.predictor import Prediction

router = APIRouter(tags=["predictions"], dependencies=[Depends(authorized)])


class AnsweredPhoto(PhotoResult):
    """The answer to one photo."""

    prediction: Answer = Field(description="as of `POST /predict`")


class PredictionBatch(BaseModel):
    """One result for each photo, in order."""

    results: list[AnsweredPhoto | FailedPhoto] = Field(description="one result for each photo, in the order of the request")


@router.post(
    "/predict/batch",
    response_model=PredictionBatch,
    openapi_extra={"requestBody": batches.FILES_BODY, "parameters": queries.ANSWER_PARAMETERS},
    responses=documented(*batches.ERRORS),
)
async def predict_batch(request: Request, services: Annotated[Services, Depends(current_services)]) -> JSONResponse:
    """Tell the species on many photos, the parts `files` of a form, by one version; a bad one gets a problem of its own."""
    wanted = queries.answer_options(request)
    where = services.where(wanted.crop)

    models = functools.cache(services.predictor.models)  # of the first photo

    async def predicted(image: bytes) -> Prediction:
        prediction = await services.predictor.predict(image, models(), where)
        if services.corrections is not None:
            services.corrections.consider(image, prediction, cropped=where is not None)
        return prediction

    outcomes = await batches.outcomes(request, services, predicted, services.settings.images_at_once)
    results = batches.results(outcomes, "prediction", lambda prediction: answer(prediction, wanted))
    answered = [outcome for _, outcome in outcomes if not isinstance(outcome, ServiceError)]
    return JSONResponse({"results": results}, headers={"Server-Timing": timing(*answered)} if answered else None)

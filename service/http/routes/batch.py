"""`POST /predict/batch`: many images in, for each its species or what is wrong with it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from service.answers import Answer, answer, timing
from service.errors import Problem, ServiceError, documented, problem
from service.http import batches, queries
from service.http.auth import authorized
from service.http.dependencies import of
from service.http.services import Services
from service.inference.predictor import Prediction

router = APIRouter(tags=["predictions"], dependencies=[Depends(authorized)])


class Answered(BaseModel):
    """The answer to one image."""

    file: str | None = Field(description="the file name of the part; null if it has none")
    prediction: Answer = Field(description="as of `POST /predict`")


class Failed(BaseModel):
    """The error of one image."""

    file: str | None = Field(description="the file name of the part; null if it has none")
    problem: Problem = Field(description="why this image has no answer; other images are not affected")


class Batch(BaseModel):
    """One result for each image, in order."""

    results: list[Answered | Failed] = Field(description="one result for each image, in the order of the request")


@router.post(
    "/predict/batch",
    response_model=Batch,
    openapi_extra={"requestBody": batches.FILES_BODY, "parameters": queries.ANSWER_PARAMETERS},
    responses=documented(*batches.ERRORS),
)
async def predict_batch(request: Request, services: Annotated[Services, Depends(of)]) -> JSONResponse:
    """Tell the species on many photos, the parts `files` of a form; a bad one gets a problem of its own and harms no other."""
    wanted = queries.wanted(request)
    where = services.where(wanted.crop)

    async def predicted(image: bytes) -> Prediction:
        prediction = await services.predictor.predict(image, crop=where)
        if services.keeper is not None:
            services.keeper.consider(image, prediction, cropped=where is not None)
        return prediction

    outcomes = await batches.outcomes(request, services, predicted, services.settings.images_at_once)
    results: list[dict[str, Any]] = [
        {"file": file, "problem": problem(outcome)}
        if isinstance(outcome, ServiceError)
        else {"file": file, "prediction": answer(outcome, wanted)}
        for file, outcome in outcomes
    ]
    answered = [outcome for _, outcome in outcomes if not isinstance(outcome, ServiceError)]
    return JSONResponse({"results": results}, headers={"Server-Timing": timing(*answered)} if answered else None)

"""`GET /metrics`, for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from service import errors
from service.doors import authorized
from service.errors import documented
from service.metrics import CONTENT_TYPE
from service.services import Services, of

router = APIRouter(tags=["metrics"], dependencies=[Depends(authorized)])


@router.get("/metrics", response_class=Response, responses=documented(errors.Unauthorized))
async def metrics(services: Annotated[Services, Depends(of)]) -> Response:
    """Give the counters and histograms of all workers, as text."""
    return Response(services.metrics.render(services.predictor.queued), media_type=CONTENT_TYPE)

"""`GET /metrics`, for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from service.doors import authorized
from service.metrics import CONTENT_TYPE
from service.services import Services, of

router = APIRouter(tags=["metrics"], dependencies=[Depends(authorized)])


@router.get("/metrics", response_class=Response)
async def metrics(services: Annotated[Services, Depends(of)]) -> Response:
    """Counters and histograms of all workers, as text."""
    return Response(services.metrics.render(services.predictor.queued), media_type=CONTENT_TYPE)

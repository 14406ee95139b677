"""`GET /metrics`, for Prometheus."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from service import errors
from service.errors import documented
from service.http.auth import authorized
from service.http.dependencies import current_services
from service.http.services import Services
from service.process.metrics import CONTENT_TYPE

router = APIRouter(tags=["metrics"], dependencies=[Depends(authorized)])


@router.get("/metrics", response_class=Response, responses=documented(*errors.OF_KEYS, errors.NotReady))
async def metrics(services: Annotated[Services, Depends(current_services)]) -> Response:
    """Give the counters and histograms of all workers, as text."""
    return Response(services.metrics.render(services.predictor.queued), media_type=CONTENT_TYPE)

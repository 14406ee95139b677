"""`GET /species`: what the model in service tells apart."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from service import errors
from service.answers import ModelName
from service.errors import documented
from service.http.auth import authorized
from service.http.dependencies import of
from service.http.services import Services

router = APIRouter(tags=["model"], dependencies=[Depends(authorized)])


class SpeciesEntry(BaseModel):
    """One species. A model trained on somebody's own folders may know no more than the name."""

    name: str
    scientific_name: str | None
    eppo_code: str | None
    group: str | None


class SpeciesList(BaseModel):
    """The species, in the order of all probabilities."""

    model: ModelName
    threshold: float  # answers of a lower probability are not "confident"
    explainable: bool  # whether `POST /explain` works
    species: list[SpeciesEntry]


@router.get("/species", response_model=SpeciesList, responses=documented(errors.Unauthorized, errors.NotReady))
async def species(services: Annotated[Services, Depends(of)]) -> dict[str, Any]:
    """List the species that the model in service tells apart."""
    model = services.predictor.model()
    manifest = model.manifest
    return {
        "model": {"name": manifest.name, "version": model.version},
        "threshold": manifest.calibration.threshold,
        "explainable": model.explainable,
        "species": [species.model_dump() for species in manifest.species],
    }

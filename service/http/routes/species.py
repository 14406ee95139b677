"""`GET /species`: what the model in service tells apart."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from models_store.manifest import RANKS, SpeciesFigures
from service import errors
from service.answers import ModelName, model_name
from service.errors import documented
from service.http.auth import authorized
from service.http.dependencies import current_services
from service.http.services import Services

router = APIRouter(tags=["model"], dependencies=[Depends(authorized)])


class SpeciesEntry(BaseModel):
    """One species. All but the name is null for a species that is not in the project's table."""

    name: str = Field(description="the name that answers use")
    scientific_name: str | None = Field(description="the scientific name")
    eppo_code: str | None = Field(description="the code of the European and Mediterranean Plant Protection Organization")
    group: str | None = Field(description="crop or weed")
    kind: str | None = Field(description="grass weed, broadleaf weed, grass crop or broadleaf crop; null if the model does not say")
    recall: float | None = Field(description="share of this species' test images that the model named rightly; null where not measured")
    test_images: int = Field(description="how many those were")


class Thresholds(BaseModel):
    """From which probability on a statement of each rank can be relied upon; null: none of this rank can be."""

    species: float | None = Field(description="of a species")
    kind: float | None = Field(description="of a kind, that of its species together")
    group: float | None = Field(description="of a group, crop or weed, that of its species together")


class SpeciesList(BaseModel):
    """The species that the model tells apart."""

    model: ModelName = Field(description="the model in service")
    threshold: float | None = Field(description="an answer with a lower probability is not confident; null: no answer is confident")
    threshold_reason: str | None = Field(description="why there is no threshold; null if there is one")
    thresholds: Thresholds = Field(description="the thresholds of `answer`; that of species is `threshold`")
    promise: float | None = Field(description="at least this share of what `answer` says is right; null if the model states none")
    training_images: int | None = Field(description="how many images the model learned from; null if it does not say")
    explainable: bool = Field(description="whether `POST /explain` works with this model")
    second_model: ModelName | None = Field(
        None, description="the model that answers photos beyond this one, by thresholds of its own; null: none does"
    )
    segmenter: ModelName | None = Field(
        description="the model that finds the plants on whole photos; null: `POST /detect` is not answered now"
    )
    species: list[SpeciesEntry] = Field(description="the species, in the order of all probabilities")


@router.get("/species", response_model=SpeciesList, responses=documented(*errors.OF_KEYS, errors.NotReady))
async def species(services: Annotated[Services, Depends(current_services)]) -> dict[str, Any]:
    """List the species that the model in service tells apart."""
    model = services.predictor.model()
    services.check_both()
    manifest, segmenter = model.manifest, services.segmenters.current
    second = services.second
    figures = manifest.figures.per_species
    return {
        "model": model_name(manifest),
        **manifest.calibration.model_dump(include={"threshold", "threshold_reason", "promise"}),
        "thresholds": {rank: manifest.calibration.threshold_of(rank) for rank in RANKS},
        "training_images": manifest.training.images.get("train"),
        "explainable": model.explainable,
        "second_model": None if second is None else model_name(second.manifest),
        "segmenter": None if segmenter is None else model_name(segmenter.manifest),
        "species": [
            species.model_dump(include={"name", "scientific_name", "eppo_code", "group", "kind"}) | _measured(figures.get(species.name))
            for species in manifest.species
        ],
    }


def _measured(figures: SpeciesFigures | None) -> dict[str, Any]:
    return {"recall": figures.recall, "test_images": figures.n} if figures and figures.n else {"recall": None, "test_images": 0}

"""The shape of the answer to a photo of many plants, from a detection."""

from collections import Counter, defaultdict
from typing import Any

from pydantic import BaseModel, Field

from models_store import rollup
from models_store.manifest import RANKS, Group
from models_store.rollup import DIGITS, Statement
from service.answers import Answer, AnswerOptions, ModelName, answer, model_name, server_timing
from service.answers import Statement as StatementModel
from service.inference import run_lengths
from service.inference.detector import UNKNOWN, Detection, FoundPlant, Segmentation

_SHARE_DIGITS, _SCORE_DIGITS = 6, 4
_OF_ANSWER = ("species", "probability", "group")  # of `Answer`, in this order


class RunLengths(BaseModel):
    """The mask of a plant, COCO's uncompressed run-length encoding."""

    size: list[int] = Field(min_length=2, max_length=2, description="height and width of the photo")
    counts: list[int] = Field(
        description="lengths of runs of background and plant by turns, column by column from the left, from top to bottom"
    )


class DetectedPlant(BaseModel):
    """One plant, or a clump of plants that cannot be told apart."""

    box: list[int] = Field(min_length=4, max_length=4, description="x, y, width and height, in pixels of the photo turned upright")
    clump: bool = Field(description="true: perhaps several plants that touch. Nothing is relied upon of it: `answer` is null")
    score: float = Field(description="how sure the segmenter is that it is a plant, 0 to 1; no probability")
    area: float = Field(description="its share of the photo's area, 0 to 1")
    species: str = Field(description="the most probable species")
    probability: float = Field(description="the probability of that species, 0 to 1")
    group: str | None = Field(description="crop or weed; null if the model does not know")
    kind: str | None = Field(description="the kind of that species, such as grass weed; null if the model does not know")
    confident: bool = Field(description="true: the species can be relied upon")
    familiar: bool | None = Field(None, description="false: unlike what the model was trained on. Absent if the model cannot tell")
    answer: StatementModel | None = Field(
        description="the narrowest statement that can be relied upon; null: none can be, as of a clump, and of what a model says whose"
        " thresholds hold for central squares alone"
    )
    probabilities: dict[str, float] = Field(description="the probability of each species; with `?top_k=` of the k best, best first")
    segmentation: RunLengths | None = Field(None, description="its mask. Absent unless `?masks=rle` asks for it")
    model: ModelName | None = Field(
        None, description="the second model, where it named the plant because the first one cannot. Else absent"
    )


class Counts(BaseModel):
    """How many of `plants` there are, each counted once, by what can be relied upon of it."""

    species: dict[str, int] = Field(description="species → plants of which it can be relied upon")
    kind: dict[str, int] = Field(description="kind → plants of which no more than it can be relied upon")
    group: dict[str, int] = Field(description="crop or weed → plants of which no more than it can be relied upon")
    unknown: int = Field(description="plants of which nothing can be relied upon, and clumps")


class Cover(BaseModel):
    """How much of the photo is plant, as shares of its area."""

    all: float = Field(description="of all plants, however small, also of those that are not listed")
    crop: float = Field(description="of listed plants that can be relied upon to be crops; there may be more where `truncated` is true")
    weed: float = Field(description="of listed plants that can be relied upon to be weeds; there may be more where `truncated` is true")
    unknown: float = Field(description="the rest of `all`: of other plants, of clumps, and of what is not listed, as it has no name")


class Detected(BaseModel):
    """The plants on one photo."""

    width: int = Field(description="pixels of the photo turned upright (after its EXIF orientation)")
    height: int = Field(description="pixels of the photo turned upright")
    plants: list[DetectedPlant] = Field(description="the plants, largest first")
    truncated: bool = Field(description="true: there are more plants than `?max_plants=`")
    counts: Counts = Field(description="how many plants of each name")
    cover: Cover = Field(description="how much of the photo is plant")
    position: list[float] | None = Field(
        description="latitude and longitude in degrees where the photo was taken, by its EXIF; null if it does not say"
    )
    prediction: Answer | None = Field(
        None, description="the answer to the photo as a whole, as of `POST /predict`. Absent unless `?prediction=` asks for it"
    )
    model: ModelName = Field(description="the model that named the plants, but for those that name another one")
    segmenter: ModelName = Field(description="the model that found them")


def detected(detection: Detection, wanted: AnswerOptions, *, masks: bool) -> dict[str, Any]:
    """The JSON of one detection, as `Detected`."""
    fitted = detection.photo.fitted
    counts: dict[str, Counter[str]] = {rank: Counter() for rank in RANKS}
    cover: dict[Group | None, float] = defaultdict(float)
    unknown = 0
    plants = []
    for found in detection.plants:
        said = found.relied_upon(wanted.threshold)
        if said is None:
            unknown += 1
        else:
            counts[said.rank][said.name] += 1
            cover[rollup.group_of(found.prediction.model.manifest.species, said)] += found.share
        plants.append(_plant(found, said, detection, wanted, masks=masks))
    crop, weed = cover["crop"], cover["weed"]
    return {
        "width": fitted.width,
        "height": fitted.height,
        "plants": plants,
        "truncated": detection.truncated,
        "counts": {**{rank: dict(counts[rank].most_common()) for rank in RANKS}, UNKNOWN: unknown},
        "cover": {
            name: round(share, _SHARE_DIGITS)
            for name, share in {
                "all": detection.cover,
                "crop": crop,
                "weed": weed,
                UNKNOWN: max(0.0, detection.cover - crop - weed),
            }.items()
        },
        "position": None if fitted.position is None else [round(degrees, 7) for degrees in fitted.position],
        **({} if detection.whole is None else {"prediction": answer(detection.whole, wanted)}),
        "model": model_name(detection.model.manifest),
        "segmenter": model_name(detection.segmenter.manifest),
    }


def _plant(found: FoundPlant, said: Statement | None, detection: Detection, wanted: AnswerOptions, *, masks: bool) -> dict[str, Any]:
    whole = answer(found.prediction, wanted)
    fitted = detection.photo.fitted
    plant = {
        "box": list(found.box),
        "clump": found.plant.clump,
        "score": round(found.plant.score, _SCORE_DIGITS),
        "area": round(found.share, _SHARE_DIGITS),
        **{name: whole[name] for name in _OF_ANSWER},
        "kind": found.prediction.species.kind,
        "confident": said is not None and said.rank == "species",
        **({"familiar": whole["familiar"]} if "familiar" in whole else {}),
        "answer": None if said is None else {**said._asdict(), "probability": round(said.probability, DIGITS)},
        "probabilities": whole["probabilities"],
    }
    if found.prediction.model is not detection.model:
        plant["model"] = whole["model"]
    if masks:
        least = detection.segmenter.manifest.thresholds.plant
        counts = run_lengths.encode(found.plant, detection.leaf_map, least, (fitted.width, fitted.height))
        plant["segmentation"] = {"size": [fitted.height, fitted.width], "counts": counts}
    return plant


def timing(detection: Detection | Segmentation) -> str:
    """The `Server-Timing` header: where the milliseconds went."""
    spans = {"decode": detection.photo.decode_s, "segmentation": detection.segmentation_s}
    return server_timing(spans)

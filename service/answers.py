"""The shape of an answer, from a prediction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from models_store.manifest import AnyManifest, Calibration, Rank
from models_store.pixels import Crop
from models_store.rollup import DIGITS
from service.inference.predictor import Prediction, WantedCrop


class ModelName(BaseModel):
    """Which model answered."""

    name: str = Field(description="name of the model")
    version: str = Field(description="its version, a whole number as text; a higher one is newer")


class Statement(BaseModel):
    """What can be relied upon."""

    rank: Rank = Field(description="how narrow it is: a species, its kind such as grass weed, or its group, crop or weed")
    name: str = Field(description="the name of the species, the kind or the group")
    probability: float = Field(description="its probability: that of its species together, 0 to 1")


class Answer(BaseModel):
    """What is on the photo."""

    answer: Statement | None = Field(
        description="the narrowest statement that can be relied upon. null: none can be, or the photo is unfamiliar; ask a person"
    )
    species: str = Field(description="the most probable species")
    scientific_name: str | None = Field(description="its scientific name; null if the model does not know")
    eppo_code: str | None = Field(description="its code of the European and Mediterranean Plant Protection Organization; null if unknown")
    probability: float = Field(description="the probability of that species, 0 to 1")
    group: str | None = Field(description="crop or weed; null if the model does not know")
    confident: bool = Field(
        description="true: the species can be relied upon, that is, `answer` is of the rank species. Its probability reaches the model's"
        " threshold, and the photo is not unfamiliar"
    )
    threshold: float | None = Field(
        description="the probability from which on an answer is confident: the model's, or `?threshold=` if that is higher."
        " null: the model has none, and nothing is confident"
    )
    promise: float | None = Field(
        None,
        description="at least this share of what `answer` says is right on photos like the validation images, at 95% certainty."
        " Absent if the model states none",
    )
    familiar: bool | None = Field(
        None, description="false: the photo is unlike the images that the model was trained on. Absent if the model cannot tell"
    )
    ood_score: float | None = Field(
        description="how far the photo is from those that the model was trained on, as a Mahalanobis distance; higher is stranger."
        " null if unknown"
    )
    ood_limit: float | None = Field(description="a photo with a higher `ood_score` is not familiar; null if unknown")
    crop: list[float] = Field(
        min_length=4,
        max_length=4,
        description="the square that was looked at: x, y, width and height in pixels of the whole photo turned upright, x from the left,"
        " y from the top. The central one, unless `?crop=` asks for another one or for the plant",
    )
    probabilities: dict[str, float] = Field(
        description="the probability of each species, in the order of `/species`; the sum is 1. With `?top_k=`: of the k best, best first"
    )
    model: ModelName = Field(description="the model that answered")


@dataclass(frozen=True)
class AnswerOptions:
    """What a caller asks of an answer."""

    top_k: int | None = None  # only so many species, the most probable first; None: all, in the model's order
    threshold: float = 0.0  # raises the model's own thresholds, never lowers them
    crop: WantedCrop = None

    def threshold_for(self, calibration: Calibration) -> float | None:
        """The threshold that `confident` uses; None where the model has none, so that nothing is confident."""
        return None if calibration.threshold is None else max(calibration.threshold, self.threshold)


def answer(prediction: Prediction, wanted: AnswerOptions = AnswerOptions()) -> dict[str, Any]:
    """The JSON of one prediction, as `Answer`."""
    manifest = prediction.model.manifest
    probabilities = [round(value, DIGITS) for value in prediction.probabilities.tolist()]
    best = int(prediction.probabilities.argmax())
    named = manifest.species[best]
    threshold = wanted.threshold_for(manifest.calibration)
    said = prediction.relied_upon(wanted.threshold)
    familiarity = manifest.calibration.familiarity
    shown: Iterable[int] = range(len(probabilities))
    if wanted.top_k is not None:
        shown = (-prediction.probabilities).argsort(kind="stable")[: wanted.top_k].tolist()
    return {
        "answer": None if said is None else said._asdict(),
        "species": named.name,
        "scientific_name": named.scientific_name,
        "eppo_code": named.eppo_code,
        "probability": probabilities[best],
        "group": named.group,
        "confident": said is not None and said.rank == "species",
        "threshold": threshold,
        **({} if manifest.calibration.promise is None else {"promise": manifest.calibration.promise}),
        **({} if prediction.familiar is None else {"familiar": prediction.familiar}),
        "ood_score": prediction.distance,  # not rounded: compared with the limit, it says whether the photo is familiar
        "ood_limit": None if familiarity is None else familiarity.limit,
        "crop": numbers(prediction.crop),
        "probabilities": {manifest.species[i].name: probabilities[i] for i in shown},
        "model": model_name(manifest),
    }


def numbers(crop: Crop) -> list[float]:
    """A crop as JSON; half a pixel is the only fraction that a central square has."""
    return [int(value) if float(value).is_integer() else value for value in crop]


def timing(*predictions: Prediction) -> str:
    """The `Server-Timing` header: where the milliseconds went, of several predictions on average."""
    n = len(predictions)
    spans = {
        "decode": sum(one.decode_s for one in predictions) / n,
        "queue": sum(one.queue_s for one in predictions) / n,
        "inference": sum(one.inference_s for one in predictions) / n,
    }
    return server_timing(spans)


def server_timing(spans: Mapping[str, float]) -> str:
    """The `Server-Timing` header of spans in seconds, by their names."""
    return ", ".join(f"{name};dur={seconds * 1e3:.2f}" for name, seconds in spans.items())


def model_name(manifest: AnyManifest) -> dict[str, str]:
    """The JSON of a `ModelName`."""
    return {"name": manifest.name, "version": str(manifest.version)}

"""The shape of an answer, from a prediction."""

from typing import Any

from pydantic import BaseModel

from service.inference.predictor import DIGITS, Prediction


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str


class Answer(BaseModel):
    """What is on the photo."""

    species: str
    probability: float
    group: str | None
    confident: bool
    familiar: bool | None = None  # whether the model knows the like of the photo; absent where it cannot tell
    probabilities: dict[str, float]
    model: ModelName


def answer(prediction: Prediction) -> dict[str, Any]:
    """The JSON of one prediction, as `Answer`."""
    manifest = prediction.model.manifest
    probabilities = [round(value, DIGITS) for value in prediction.probabilities.tolist()]
    best = int(prediction.probabilities.argmax())
    return {
        "species": manifest.species[best].name,
        "probability": probabilities[best],
        "group": manifest.species[best].group,
        "confident": prediction.confident,
        **({} if prediction.familiar is None else {"familiar": prediction.familiar}),
        "probabilities": {species.name: value for species, value in zip(manifest.species, probabilities, strict=True)},
        "model": {"name": manifest.name, "version": prediction.model.version},
    }


def timing(prediction: Prediction) -> str:
    """The `Server-Timing` header: where the milliseconds went."""
    spans = {"decode": prediction.decode_s, "queue": prediction.queue_s, "inference": prediction.inference_s}
    return ", ".join(f"{name};dur={seconds * 1e3:.2f}" for name, seconds in spans.items())

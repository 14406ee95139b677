"""The shape of an answer, from a prediction."""

from typing import Any

from pydantic import BaseModel, Field

from service.inference.predictor import DIGITS, Prediction


class ModelName(BaseModel):
    """Which model answered."""

    name: str = Field(description="name of the model")
    version: str = Field(description="its version, a whole number as text; a higher one is newer")


class Answer(BaseModel):
    """What is on the photo."""

    species: str = Field(description="the most probable species")
    probability: float = Field(description="the probability of that species, 0 to 1")
    group: str | None = Field(description="crop or weed; null if the model does not know")
    confident: bool = Field(
        description="true: the probability reaches the model's threshold, and the photo is not unfamiliar. Ask a person if it is false"
    )
    promise: float | None = Field(
        None,
        description="at least this share of confident answers is right on photos like the validation images, at 95% certainty."
        " Absent if the model states none",
    )
    familiar: bool | None = Field(
        None, description="false: the photo is unlike the images that the model was trained on. Absent if the model cannot tell"
    )
    probabilities: dict[str, float] = Field(description="the probability of each species, in the order of `/species`; the sum is 1")
    model: ModelName = Field(description="the model that answered")


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
        **({} if manifest.calibration.promise is None else {"promise": manifest.calibration.promise}),
        **({} if prediction.familiar is None else {"familiar": prediction.familiar}),
        "probabilities": {species.name: value for species, value in zip(manifest.species, probabilities, strict=True)},
        "model": {"name": manifest.name, "version": prediction.model.version},
    }


def timing(prediction: Prediction) -> str:
    """The `Server-Timing` header: where the milliseconds went."""
    spans = {"decode": prediction.decode_s, "queue": prediction.queue_s, "inference": prediction.inference_s}
    return ", ".join(f"{name};dur={seconds * 1e3:.2f}" for name, seconds in spans.items())

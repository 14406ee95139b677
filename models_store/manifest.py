"""What a model says of itself: `manifest.json`, one per published version."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1  # raised when a reader of the older schema would misread a newer manifest


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Species(_Part):
    """One output of the model. Names outside the project's own table have no codes and no group."""

    name: str
    scientific_name: str | None = None
    eppo_code: str | None = None
    group: Literal["crop", "weed"] | None = None


class Input(_Part):
    """What `forward` takes: uint8 [N, channels, size, size], made by `models_store.pixels`."""

    size: int = Field(gt=0)
    channels: Literal[3] = 3
    dtype: Literal["uint8"] = "uint8"
    resize: Literal["central-square-bilinear"] = "central-square-bilinear"


class Familiarity(_Part):
    """Which images the model knows the like of: those no farther than `limit` by the `distance` inside `model.pt`."""

    convolution: int = Field(ge=1)  # whose activations, after the ReLU, are measured; counted from 1
    limit: float = Field(gt=0)
    limit_rule: str  # how the limit was chosen, in words
    validation_share: float = Field(ge=0, le=1)  # of validation images within it


class Calibration(_Part):
    """How far the probabilities can be trusted. The temperature is already inside `model.pt`."""

    temperature: float = Field(gt=0)
    threshold: float = Field(ge=0, le=1)  # under it an answer is "not confident"
    threshold_rule: str  # how the threshold was chosen, in words
    validation_coverage: float = Field(ge=0, le=1)  # share of validation images at or over it
    validation_accuracy: float = Field(ge=0, le=1)  # accuracy on that share
    familiarity: Familiarity | None = None  # None: every image counts as familiar


class SpeciesFigures(_Part):
    """How well one species is told apart."""

    precision: float
    recall: float
    f1: float
    n: int  # images of this species


class Figures(_Part):
    """Measurements on one split."""

    split: str
    n: int
    accuracy: float
    macro_f1: float
    ece: float  # expected calibration error, 15 equal-width bins
    per_species: dict[str, SpeciesFigures]
    confusion: list[list[int]]  # rows: true species, columns: answers, in the manifest's order


class Training(_Part):
    """Where the weights come from."""

    network: str
    parameters: int
    recipe: dict[str, Any]
    seed: int
    epoch: int  # the epoch whose weights were chosen, counted from 1
    split_digest: str
    images: dict[str, int]  # split → number of images
    torch_version: str


class Compact(_Part):
    """How the network was made smaller, and the figures of the full one it was made from."""

    rank: int  # of the first dense layer's factors
    storage: Literal["float16", "int8"]
    parameters: int
    full_figures: Figures


class Manifest(_Part):
    """The whole of `manifest.json`. `species` stands in the order of the model's outputs."""

    schema_version: int = SCHEMA_VERSION
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    version: int = Field(ge=1)
    created: datetime
    species: list[Species] = Field(min_length=2)
    input: Input
    calibration: Calibration
    figures: Figures  # of this very artifact, on the test split
    training: Training
    compact: Compact | None = None
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")  # of model.pt
    size_bytes: int = Field(gt=0)  # of model.pt

    @model_validator(mode="after")
    def _species_are_distinct(self) -> Self:
        names = [species.name for species in self.species]
        if len(set(names)) != len(names):
            raise ValueError("a species stands twice in the list")
        return self

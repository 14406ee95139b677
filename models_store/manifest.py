"""What a model says of itself: `manifest.json`, one per published version."""

import math
from datetime import datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 2  # of what is written here, and the newest that this release knows
MIN_READER_SCHEMA = 2  # the oldest schema whose readers understand what is written here; raised when they would misread it
MODEL = "model.pt"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # of models and files: one folder or file, whatever the system
FileName = Annotated[str, Field(pattern=NAME_PATTERN)]
Group = Literal["crop", "weed"]
Kind = Literal["grass weed", "broadleaf weed", "grass crop", "broadleaf crop"]
Rank = Literal["species", "kind", "group"]  # of what is said of a photo
_GRASSES = frozenset(["ALOMY", "APESV", "TRZAX", "ZEAMX"])
RANKS: tuple[Rank, ...] = get_args(Rank)  # narrowest first
_THRESHOLD_DIGITS = 15  # probabilities that are compared with one have 7, so no answer depends on what is cut


def _without_tail(threshold: float) -> float:
    """0.9774686 for 0.9774685999999999."""
    return round(threshold, _THRESHOLD_DIGITS)


Threshold = Annotated[float, Field(ge=0, le=1), AfterValidator(_without_tail)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    # A field that this release does not know is of a newer one, which promises by `min_reader_schema` that it can be ignored.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Species(_Part):
    """One output of the model. Names outside the project's own table have no codes, no group and no kind."""

    name: str
    scientific_name: str | None = None
    eppo_code: str | None = None
    group: Group | None = None
    kind: Kind | None = None


class Input(_Part):
    """What `forward` takes: uint8 [N, channels, size, size], made by `models_store.pixels`."""

    size: int = Field(gt=0)
    channels: Literal[3] = 3
    dtype: Literal["uint8"] = "uint8"
    resize: Literal["central-square-bilinear"] = "central-square-bilinear"


class Familiarity(_Part):
    """Which images the model knows the like of: those no farther than `limit` by the `distance` inside `model.pt`."""

    convolution: int | None = Field(ge=1)  # whose activations, after the ReLU, are measured; counted from 1; None: the plant's texture
    limit: float = Field(gt=0)
    limit_rule: str  # how the limit was chosen, in words
    validation_share: float = Field(ge=0, le=1)  # of validation images within it
    limit_for_parts: float | None = Field(None, ge=0)  # of a part of a photo that is not its central square; None: nobody has looked
    # An answer to such a part that lies farther cannot be relied upon; 0: none can be.


class AnswerFigures(_Part):
    """What the answers to some photos are worth that can be relied upon, each at its own rank."""

    n: int  # photos
    answered: dict[Rank, int]  # photos answered at this rank and no narrower one
    wrong: dict[Rank, int]  # of these
    crops: int  # photos of crops
    crops_called_weeds: int  # of these, at whatever rank


class RankThreshold(_Part):
    """From which probability on a kind or a group can be relied upon: that of its species together."""

    threshold: Threshold | None
    threshold_reason: str | None = None  # why there is no threshold; None where there is one

    @model_validator(mode="after")
    def _no_threshold_has_a_reason(self) -> Self:
        _check_reason(self.threshold, self.threshold_reason)
        return self


class Calibration(_Part):
    """How far the probabilities can be trusted. The temperature is already inside `model.pt`."""

    temperature: float = Field(gt=0)
    threshold: Threshold | None  # of a species: under it an answer is "not confident"; None: no answer is confident
    threshold_reason: str | None = None  # why there is no threshold, and what to do; None where there is one
    threshold_rule: str  # how the threshold was chosen, in words
    promise: float | None = Field(None, gt=0, lt=1)  # share of what is relied upon that is right, at least; None: nothing was promised
    field_promise: float | None = Field(None, gt=0, lt=1)  # the same on field photos; None: no threshold was chosen on any
    folds: int | None = None  # temperature and thresholds are chosen on answers of so many networks, each to images it did not learn from
    certainty: float | None = Field(None, gt=0, lt=1)  # of the promise: the confidence level of the bound
    kind: RankThreshold | None = None  # by the same rule; None: of a release that knew thresholds of species only
    group: RankThreshold | None = None
    validation_answers: AnswerFigures | None = None  # by these thresholds, which were chosen there; None: of an older release
    validation_coverage: float = Field(ge=0, le=1)  # share of validation images that are answered with confidence
    validation_accuracy: float | None = Field(ge=0, le=1)  # accuracy on that share; None where it is empty
    familiarity: Familiarity | None = None  # None: every image counts as familiar

    @property
    def confident_from(self) -> float:
        """The threshold to compare probabilities with: infinity, which none reaches, where there is none."""
        return math.inf if self.threshold is None else self.threshold

    def threshold_of(self, rank: Rank) -> float | None:
        """The threshold of this rank; None where nothing of this rank can be relied upon."""
        if rank == "species":
            return self.threshold
        found = self.kind if rank == "kind" else self.group
        return None if found is None else found.threshold

    @model_validator(mode="after")
    def _no_threshold_has_a_reason(self) -> Self:
        _check_reason(self.threshold, self.threshold_reason)
        return self


def _check_reason(threshold: float | None, reason: str | None) -> None:
    if (threshold is None) != bool(reason):
        raise ValueError("threshold_reason says why threshold is null; there is one exactly where the other is null")


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
    answers: AnswerFigures | None = None  # by the thresholds of `Calibration`; None where there are none


class SpeciesElsewhere(_Part):
    """Photos of one folder, the species that they show."""

    n: int
    accuracy: float | None  # None: the model does not know the species
    familiar: float | None = None  # share; None: the model cannot tell
    confident: float | None = None  # share
    confident_accuracy: float | None = None  # None where no answer is confident
    taken_for: dict[str, int]  # answers, the most frequent first


class ElsewhereFigures(_Part):
    """Measurements on photos in no split, such as from a field."""

    chosen_by: bool  # thresholds were chosen to hold on these photos; else no threshold was chosen by them
    parts: bool = False  # they are parts of photos; where the thresholds do not hold for these, none of `answers` is given
    n: int
    left_out: int = 0  # photos besides, which the model has learnt from
    accuracy: float | None  # of the photos whose species the model knows
    accuracy_interval: tuple[float, float] | None  # 95%, Clopper-Pearson
    familiar: float | None = None
    confident: float | None = None
    confident_accuracy: float | None = None
    answers: AnswerFigures
    per_species: dict[str, SpeciesElsewhere]


class OodFigures(_Part):
    """How pictures of anything else are told from the test images by their distance."""

    n: int
    auroc: float  # area under the receiver operating characteristic
    fpr95: float  # share that passes where 95% of the test images pass
    unfamiliar: float  # share beyond the limit of `Familiarity`
    confident: float  # share that is answered with a species
    answered: float  # share that is answered at any rank


class Training(_Part):
    """Where the weights come from."""

    network: str
    parameters: int
    recipe: dict[str, Any]
    seed: int
    epoch: int  # the epoch whose weights were chosen, counted from 1
    split_digest: str
    images: dict[str, int]  # split → number of images
    left_out: dict[str, int] = {}  # split → images of it that figures leave out, since these or earlier weights had learnt from them
    unknown_origins: list[str] = []  # earlier weights of which nobody knows what they had learnt from
    torch_version: str


class Compact(_Part):
    """How the network was made smaller, and the figures of the full one it was made from."""

    rank: int | None  # of the largest dense layer's factors; None: no layer is factored
    storage: Literal["float32", "float16", "int8"]
    parameters: int
    full_figures: Figures


class Int8(_Part):
    """What `model.int8.onnx` is worth: the same network in 8 bits, activations too. Measured on validation images."""

    n: int
    right: int
    right_float: int  # of the network in float32, on the same runtime
    other_side: int | None  # images on the other side of the limit of familiar ones; None where there was no limit
    other_answer: int | None = None  # images with another answer: a statement, none, or one at last; None: of releases that did not count
    float_layers: list[str]  # names of the layers, as the file has them, that stay in float32


class Twin(_Part):
    """The model of the same recipe that learnt from the training part of the split alone."""

    name: str  # `name/version@digest`, or that of a run
    figures: Figures  # its own, on the test split


class Published(_Part):
    """What `manifest.json` says of a version, whatever its model is for."""

    schema_version: int = SCHEMA_VERSION
    min_reader_schema: int = MIN_READER_SCHEMA
    name: str = Field(pattern=NAME_PATTERN)
    version: int = Field(ge=1)
    created: datetime
    capabilities: list[str] | None = None  # of `artifact.Capability`, or newer ones; None: of a release that did not state them
    files: dict[FileName, Sha256]  # what lies beside the manifest: name → SHA-256; model.pt always
    size_bytes: int = Field(gt=0)  # of model.pt

    @property
    def sha256(self) -> str:
        """SHA-256 of model.pt."""
        return self.files[MODEL]

    @model_validator(mode="before")
    @classmethod
    def _from_schema_1(cls, document: Any) -> Any:
        """Schema 1 named the digest of model.pt alone. What it did not say of a model is unknown, not assumed."""
        if not isinstance(document, dict) or document.get("schema_version") != 1 or "sha256" not in document:
            return document
        return document | {
            "schema_version": SCHEMA_VERSION,
            "files": {MODEL: document["sha256"]},
            "species": [_with_kind(one) for one in document.get("species", [])],
        }

    @model_validator(mode="after")
    def _model_is_among_the_files(self) -> Self:
        if MODEL not in self.files:
            raise ValueError(f"files does not name {MODEL}")
        return self


def _with_kind(species: Any) -> Any:
    """A species of schema 1, which had no kinds: of those with a code there were the twelve alone, and which are grasses is known."""
    if not isinstance(species, dict) or not species.get("eppo_code") or not species.get("group"):
        return species
    return species | {"kind": f"{'grass' if species['eppo_code'] in _GRASSES else 'broadleaf'} {species['group']}"}


class Manifest(Published):
    """The whole of `manifest.json` of a classifier. `species` stands in the order of the model's outputs."""

    task: Literal["classification"] = "classification"
    species: list[Species] = Field(min_length=2)
    input: Input
    calibration: Calibration
    figures: Figures  # of this very artifact, on the test split; with a twin on photos in no split, whose name is their `split`
    training: Training
    compact: Compact | None = None
    int8: Int8 | None = None  # None where there is no `model.int8.onnx`
    twin: Twin | None = None  # of one that learnt from all images: temperature, thresholds and limit are those of this twin
    elsewhere: dict[str, ElsewhereFigures] = Field(default_factory=dict)  # name of the photos → figures
    ood: dict[str, OodFigures] = Field(default_factory=dict)  # name of the pictures → figures
    warnings: list[str] = []  # what was said of it when it was published, one sentence each, without a full stop
    forced: str | None = None  # why it would not have been published, had nobody forced it; None: nothing spoke against it
    recalibrated_from: str | None = None  # name/version with the same model.pt, whose thresholds and figures were found anew here

    @model_validator(mode="after")
    def _species_are_distinct(self) -> Self:
        names = [species.name for species in self.species]
        if len(set(names)) != len(names):
            raise ValueError("a species stands twice in the list")
        return self


class PhotoInput(_Part):
    """What a segmenter's `forward` takes: uint8 [N, channels, H, W], all of a photo, scaled by `models_store.plants`."""

    side: int = Field(gt=0)  # pixels of the longer side
    multiple: int = Field(gt=0)  # H and W are multiples of it
    enlarged: float = Field(ge=1)  # a smaller photo is enlarged so many times at most
    channels: Literal[3] = 3
    dtype: Literal["uint8"] = "uint8"


class PlantThresholds(_Part):
    """From which value on something counts. Chosen where the training's masks are."""

    plant: float = Field(gt=0, lt=1)  # of a pixel: it is plant
    score: float = Field(0, ge=0, lt=1)  # of a part of such pixels, the mean of `plants.sureness`: it is no stone or clod
    centre: float = Field(gt=0, lt=1)  # of a centre: a plant stands there
    doubt: float = Field(gt=0, lt=1)  # of a further centre: there may be another plant
    clump: float | None = Field(None, gt=0, lt=1)  # of what the classifier of clumps says of a part; None: there is none


class PlantFigures(_Part):
    """How well plants are found on the photos of one folder with masks."""

    folder: str
    photos: int
    learnt_from: str  # what the weights have learnt from this folder, in words
    iou: float  # intersection over union of the pixels of plants, over all photos
    green_fixed_iou: float  # the same of an excess green index over a fixed threshold
    green_otsu_iou: float  # the same of one over Otsu's threshold of each photo
    least_side: int  # pixels of the longer side of a plant that the next figures count
    leaf_gap: int = 0  # pixels: parts of a mask nearer than that are one plant; 0: each part is one
    plants: int | None  # of that size by the masks; None, here and below: a mask's part is not one plant
    precision: float | None  # at an IoU of boxes of 0.5
    recall: float | None
    f1: float | None
    count_error: float | None  # plants too many or too few, on average over the photos


class SegmenterTraining(_Part):
    """Where a segmenter's weights come from."""

    network: str
    parameters: int
    steps: int
    seed: int
    masks: list[str]  # folders whose photos and masks it learnt from, with how many
    start: str | None  # the weights that it began with
    split_digest: str  # of the images whose plants were set on other backgrounds
    images: int  # how many
    batch_size: int | None = None  # composed pictures of a step; None where the version is older than the key, as is the next one
    learning_rate: float | None = None  # the highest
    torch_version: str


class ClumpFigures(_Part):
    """The classifier of clumps, and its figures on composed pictures of plants that it has not learnt from.

    Parts that a second plant hardly reaches into are left out. The threshold was chosen on such pictures, too.
    """

    parameters: int
    pictures: int  # composed ones that it learnt from
    epochs: int
    seed: int
    several: int = Field(ge=0)  # parts that hold several plants
    passed: int = Field(ge=0)  # of these, those that pass as one plant
    single: int = Field(ge=0)  # parts that are one plant
    called: int = Field(ge=0)  # of these, those that are called a clump


class SegmenterManifest(Published):
    """The whole of `manifest.json` of a segmenter, which finds plants on whole photos."""

    task: Literal["segmentation"] = "segmentation"
    input: PhotoInput
    thresholds: PlantThresholds
    figures: list[PlantFigures]
    clumps: ClumpFigures | None = None  # None: it comes without a classifier of clumps
    training: SegmenterTraining


AnyManifest = Manifest | SegmenterManifest
MANIFESTS: dict[str, type[AnyManifest]] = {"classification": Manifest, "segmentation": SegmenterManifest}  # by task

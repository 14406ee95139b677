"""Recipes: everything that decides how a network is trained, as a TOML file checked by pydantic."""

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from models_store.pixels import SIZE
from training.errors import RecipeError
from training.networks import NETWORKS
from training.old_names import renamed, say_new_name

SplitRule = Literal["report", "content"]
FOLDER = Path(__file__).parent / "recipes"
_NAMES = {"own-species": "own", "ground": "background"}  # old → new
OLD_AUGMENT = {"ground": "background"}
OLD_WARMUP_COSINE = "one-cycle"  # which it never was: 1cycle also moves the momentum, and begins at a 25th of the rate


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimizer(_Part):
    """The optimiser; decay touches the weights of convolutions and dense layers, not biases and norms."""

    name: Literal["sgd", "rmsprop", "adagrad", "adam", "adamw"] = Field("adamw", description="the optimiser")
    learning_rate: float = Field(6e-4, gt=0, description="the highest learning rate of the schedule")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd and rmsprop")
    betas: tuple[float, float] = Field((0.9, 0.999), description="betas of adam and adamw")
    weight_decay: float = Field(0.05, ge=0, description="adamw: decoupled weight decay; the others: an L2 term in the gradient")


class Schedule(_Part):
    """The learning rate over the steps of the run."""

    name: Literal["constant", "warmup-cosine", "step"] = Field("warmup-cosine", description="the schedule")
    warmup: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="warmup-cosine: share of the steps in which the rate rises linearly; after them it falls by a half cosine",
    )
    falls: int = Field(2, ge=1, description="step: how often the rate falls to a tenth, evenly spaced over the run")

    @field_validator("name", mode="before")
    @classmethod
    def _name_of_before(cls, name: Any) -> Any:
        """What runs and recipes of release 0.1 call the schedule."""
        return "warmup-cosine" if name == OLD_WARMUP_COSINE else name


class Augment(_Part):
    """Random changes to each training image, drawn anew each time it is seen. All off: `enabled = false`."""

    enabled: bool = Field(True, description="whether images are changed at all")
    rotate_degrees: float = Field(180, ge=0, le=180, description="rotation, uniform in ± this; a seedling from above has no up")
    flip: bool = Field(True, description="mirror half of the images")
    scale: tuple[float, float] = Field((0.75, 1.25), description="zoom, log-uniform between the two")
    shift: float = Field(0.1, ge=0, le=0.5, description="shift, uniform in ± this share of the side")
    stretch: float = Field(0.0, ge=0, lt=1, description="logarithm of the ratio of the sides, uniform in ± twice this")
    brightness: float = Field(0.2, ge=0, lt=1, description="factor of the brightness, uniform in 1 ± this")
    contrast: float = Field(0.2, ge=0, lt=1, description="factor of the contrast, uniform in 1 ± this")
    saturation: float = Field(
        0.2, ge=0, lt=1, description="factor of the saturation, uniform in 1 ± this; the hue stays, since it tells species apart"
    )
    background: float = Field(0.0, ge=0, le=1, description="share of the images whose plant is set on the background of another image")
    mixup: float = Field(0.0, ge=0, description="mixup: a of Beta(a, a), the share of a second image in each one; 0: off")

    @model_validator(mode="before")
    @classmethod
    def _keys_of_before(cls, document: Any) -> Any:
        """What runs and recipes of release 0.1 call its keys."""
        return renamed(document, OLD_AUGMENT)


class FieldScenes(_Part):
    """Plants cut out and set on other backgrounds, as in a field. Off while `share` is 0, else in place of `[augment]`."""

    share: float = Field(0.0, ge=0, le=1, description="share of the images whose plant leaves its own background; 0: off")
    others: float = Field(0.35, ge=0, le=1, description="share of these on the background of another image; the rest on drawn soils")
    photos: float = Field(0.25, ge=0, le=1, description="share of these on squares of the photos given by `--background-photos`")
    scale: tuple[float, float] = Field((0.75, 1.3), description="zoom of the plant, log-uniform between the two")
    shift: float = Field(0.1, ge=0, le=0.5, description="shift, uniform in ± this share of the side")
    wide: float = Field(0.35, ge=0, le=1, description="share of the images with the next two keys in place of the two above")
    wide_scale: tuple[float, float] = Field((0.4, 2.0), description="zoom, from a small plant to leaves that run out of the picture")
    wide_shift: float = Field(0.25, ge=0, le=0.5, description="shift, uniform in ± this share of the side")
    stretch: float = Field(0.12, ge=0, lt=1, description="logarithm of the ratio of the sides, uniform in ± twice this")
    looks: float = Field(0.4, ge=0, le=1, description="share of the moved plants that are paler, of another shade, shining")
    second: float = Field(0.25, ge=0, le=1, description="share of the images with part of a second plant at the edge")
    sun: float = Field(0.3, ge=0, le=1, description="share of the images with a shadow over a part of them")


class Camera(_Part):
    """Light and camera of another place. Off while `share` is 0."""

    share: float = Field(0.0, ge=0, le=1, description="share of the images that are changed; 0: off")
    own_share: float | None = Field(None, ge=0, le=1, description="the same for images that keep their background; without it as `share`")
    repeated_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="the same for images that are seen several times in an epoch, as a few corrections are; without it as `share`",
    )
    light: tuple[float, float] = Field((0.3, 3.0), description="factor of the light, log-uniform between the two")
    colour: float = Field(0.1, ge=0, lt=1, description="standard deviation of the logarithm of each colour's factor")
    tone: float = Field(0.3, ge=0, lt=1, description="exponent of the colours, uniform in 1 ± this")
    blur: float = Field(1.6, ge=0.3, le=5, description="half of the changed images: Gaussian blur of 0.3 to this many pixels")
    fringe: float = Field(0.15, ge=0, le=1, description="share of the changed images with red and blue a pixel apart")
    few_pixels: float = Field(0.5, ge=0, le=1, description="share of the changed images that lose resolution")
    least_side: int = Field(45, ge=8, le=SIZE, description="pixels a side that are left of these, at least")
    noise: float = Field(0.05, ge=0, lt=1, description="noise of the sensor: the most there can be in a bright pixel")
    jpeg: float = Field(0.5, ge=0, le=1, description="share of the changed images that are compressed as JPEG")
    jpeg_quality: tuple[int, int] = Field((25, 95), description="quality, uniform between the two")
    jpeg_halved: float = Field(0.0, ge=0, le=1, description="share of these whose colours have half of the resolution (4:2:0)")


class Resolution(_Part):
    """Smaller images in the first epochs, whose steps take less time by the square of the side."""

    side: int = Field(SIZE, ge=32, le=SIZE, description="pixels a side in those epochs; validation always sees full size")
    share: float = Field(0.0, ge=0, le=1, description="share of the run's epochs that use this size, the first ones")

    def at(self, epoch: int, epochs: int) -> int:
        """Pixels a side in epoch 0…epochs-1."""
        return self.side if epoch < round(self.share * epochs) else SIZE


class Distillation(_Part):
    """Learning from what other networks, the teachers, answer to the very same changed and mixed images."""

    share: float = Field(0.0, ge=0, le=1, description="share of the teachers' mean probability in each target; the rest is the label")
    own_share: float | None = Field(None, ge=0, le=1, description="the same for images that keep their background; without it as `share`")
    temperature: float = Field(1.0, ge=1, le=20, description="divides the logits of both where they are compared: softer answers tell more")


class Recipe(_Part):
    """One way to train one network. Every key has a default but the network's name."""

    network: str = Field(description="name of the network")
    start: str = Field(
        "",
        description="weights to go on from: `imagenet` (efficientnet-lite0, 1, 2), or a published version: its folder, or `seedlings/1`;"
        " empty: random weights",
    )
    frozen: float = Field(
        0.0, ge=0, le=1, description="share of the convolutions' layers, from the first on, that keep the weights of the `start`"
    )
    fixed_norms: bool = Field(False, description="batch normalisation keeps the statistics of the `start`, which few photos would spoil")
    plant_view: Literal["off", "light", "alone", "gated"] = Field(
        "off",
        description="the network sees photos in their plant's normal light (`light`), the plant alone (`alone`), or the plant alone"
        " but on the background of the training images, which stays (`gated`), by a segmenter (`--segmenter FILE`)",
    )
    train_share: float = Field(
        1.0, gt=0, le=1, description="share of each species' training images that is learnt from, whatever the seed; for learning curves"
    )
    epochs: int = Field(ge=1, description="epochs of the run")
    patience: int = Field(
        0, ge=0, description="epochs in which validation may get no better (by `best_by`), after which the run ends; 0: it never ends early"
    )
    batch_size: int = Field(128, ge=2, description="images in a step, over all devices together")
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augment: Augment = Augment()
    field: FieldScenes = FieldScenes()
    camera: Camera = Camera()
    resolution: Resolution = Resolution()
    distillation: Distillation = Distillation()
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="label smoothing of the cross-entropy")
    logit_adjustment: float = Field(
        0.0, ge=0, le=2, description="how far rare species are made up for in the loss; 1: as if all had the same number of images"
    )
    ema_decay: float = Field(0.0, ge=0, lt=1, description="decay per step of the weights' moving average, which is evaluated; 0: off")
    best_by: Literal["accuracy", "loss", "last"] = Field(
        "accuracy", description="what on validation decides whose weights are kept as the run's; `last`: nothing, the last epoch's are"
    )
    norms_without_dropout: bool = Field(
        False,
        description="after each epoch, compute the statistics of batch normalisation anew with dropout off; done in any case where a norm"
        " remembers more steps than an epoch has",
    )
    softmax_before_loss: bool = Field(False, description="the mistake of the report, for its reproduction only")
    seed: int = Field(0, ge=0, description="seed of weights, order, augmentation and dropout")
    split: SplitRule = Field(
        "report",
        description="rule of the split; `content`: by a hash of each file, so an added image moves no other; `report`: the report's counts",
    )
    split_seed: int = Field(0, ge=0, description="seed of the split alone, so that runs of several seeds share their test images")


def load(name: str, **changes: Any) -> Recipe:
    """The recipe of that name, or in that TOML file, with top-level `changes`. Raises RecipeError naming key and value."""
    if name in _NAMES:
        say_new_name(f"the recipe {name}", _NAMES[name])
    name = name_of_now(name)
    file = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.toml")))
        raise RecipeError(f"no recipe {name!r}; there are {known}, or give the path of a .toml file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{file} cannot be read as a recipe: {error}") from None
    _say_new_names(document, file)
    try:
        recipe = Recipe.model_validate(document | changes)
    except ValidationError as error:
        problems = "; ".join(_described(one) for one in error.errors()[:3])
        raise RecipeError(f"{file}: {problems}") from None
    if recipe.network not in NETWORKS:
        raise RecipeError(f"{file}: network = {recipe.network!r}: there are {', '.join(NETWORKS)}")
    _check_ranges(recipe, file)
    return recipe


def _say_new_names(document: dict[str, Any], file: Path) -> None:
    match document:
        case {"schedule": {"name": str(name)}} if name == OLD_WARMUP_COSINE:
            say_new_name(f"{file}: schedule.name = {name!r}", "'warmup-cosine'")
    match document:
        case {"augment": {**keys}}:
            for old in OLD_AUGMENT.keys() & {str(key) for key in keys}:
                say_new_name(f"{file}: augment.{old}", f"augment.{OLD_AUGMENT[old]}")


def name_of_now(name: str) -> str:
    """What a recipe is called now; the same for all but the names of an earlier release."""
    return _NAMES.get(name, name)


def _check_ranges(recipe: Recipe, file: Path) -> None:
    """Raise RecipeError where two bounds are no range, shares are more than the whole, or nothing is there to be kept."""
    if (recipe.frozen or recipe.fixed_norms) and not recipe.start:
        raise RecipeError(f"{file}: frozen and fixed_norms keep what a start has learnt; name one, such as start = 'imagenet'")
    ranges = {
        "augment.scale": recipe.augment.scale,
        "field.scale": recipe.field.scale,
        "field.wide_scale": recipe.field.wide_scale,
        "camera.light": recipe.camera.light,
        "camera.jpeg_quality": recipe.camera.jpeg_quality,
    }
    for key, (low, high) in ranges.items():
        if not 0 < low <= high:
            raise RecipeError(f"{file}: {key} = {(low, high)!r}: two positive factors, the smaller first")
    if recipe.camera.jpeg_quality[1] > 100:
        raise RecipeError(f"{file}: camera.jpeg_quality = {recipe.camera.jpeg_quality!r}: at most 100")
    if recipe.field.others + recipe.field.photos > 1:
        raise RecipeError(f"{file}: field.others + field.photos: shares of one whole, at most 1 together")


def _described(error: ErrorDetails) -> str:
    """One problem of a recipe, with what to do."""
    *path, key = map(str, error["loc"])
    name = ".".join([*path, key])
    if error["type"] == "missing":
        return f"the key {name!r} is missing"
    if error["type"] == "extra_forbidden":
        part: Any = Recipe
        for one in path:
            part = part.model_fields[one].annotation
        near = difflib.get_close_matches(key, part.model_fields, n=1)
        known = f"did you mean {'.'.join([*path, *near])!r}?" if near else f"there are {', '.join(part.model_fields)}"
        return f"unknown key {name!r}; {known}"
    return f"{name} = {error['input']!r}: {error['msg']}"

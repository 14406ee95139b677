"""Recipes: everything that decides how a network is trained, as a TOML file checked by pydantic."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models_store.pixels import SIZE
from training.errors import RecipeError
from training.networks import NETWORKS

FOLDER = Path(__file__).parent / "recipes"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimizer(_Part):
    """The optimiser; decay touches the weights of convolutions and dense layers, not biases and norms."""

    name: Literal["sgd", "rmsprop", "adagrad", "adam", "adamw"] = "adamw"
    learning_rate: float = Field(6e-4, gt=0)  # the peak, where there is a schedule
    momentum: float = Field(0.9, ge=0, lt=1)  # sgd and rmsprop
    betas: tuple[float, float] = (0.9, 0.999)  # adam and adamw
    weight_decay: float = Field(0.05, ge=0)  # adamw: decoupled; the others: an L2 term in the gradient


class Schedule(_Part):
    """The learning rate over the steps of the run."""

    name: Literal["constant", "one-cycle", "step"] = "one-cycle"
    warmup: float = Field(0.15, ge=0, lt=1)  # one-cycle: share of the steps that rise linearly to the peak; a half cosine falls after
    falls: int = Field(2, ge=1)  # step: times the rate falls to a tenth, evenly spaced over the run


class Augment(_Part):
    """Random changes to each training image, drawn anew each time it is seen. All off: `enabled = false`."""

    enabled: bool = True
    rotate_degrees: float = Field(180, ge=0, le=180)  # uniform in ± this; a seedling from above has no up
    flip: bool = True
    scale: tuple[float, float] = (0.75, 1.25)  # zoom, log-uniform between the two
    shift: float = Field(0.1, ge=0, le=0.5)  # uniform in ± this share of the side
    brightness: float = Field(0.2, ge=0, lt=1)  # factor, uniform in 1 ± this
    contrast: float = Field(0.2, ge=0, lt=1)
    saturation: float = Field(0.2, ge=0, lt=1)  # hue stays: colour tells species apart
    ground: float = Field(0.0, ge=0, le=1)  # share of the images whose plant is set on the ground of another one
    mixup: float = Field(0.0, ge=0)  # a of Beta(a, a), the share of a second image laid over each one; 0: none


class FieldScenes(_Part):
    """Plants cut out and set on other grounds, as in a field. Off while `share` is 0."""

    share: float = Field(0.0, ge=0, le=1)  # of the images whose plant leaves its own ground
    # What it is set on: shares of the ground of another image of the batch, of photos (`--grounds`), the rest drawn soils.
    others: float = Field(0.35, ge=0, le=1)
    photos: float = Field(0.25, ge=0, le=1)
    scale: tuple[float, float] = (0.75, 1.3)  # zoom, log-uniform between the two
    shift: float = Field(0.1, ge=0, le=0.5)  # uniform in ± this share of the side
    wide: float = Field(0.35, ge=0, le=1)  # share of the images with these in place of the two above
    wide_scale: tuple[float, float] = (0.4, 2.0)  # a plant in a corner, leaves that run out of the picture
    wide_shift: float = Field(0.25, ge=0, le=0.5)
    stretch: float = Field(0.12, ge=0, lt=1)  # sides apart, by a factor of up to e to ± this
    looks: float = Field(0.4, ge=0, le=1)  # share of the moved plants that are paler, of another shade, shining
    second: float = Field(0.25, ge=0, le=1)  # share of the images with part of a second plant at the edge
    sun: float = Field(0.3, ge=0, le=1)  # share with a shadow over a part of the picture


class Camera(_Part):
    """Light and camera of another place. Off while `share` is 0."""

    share: float = Field(0.0, ge=0, le=1)  # of the images that are changed
    own_share: float | None = Field(None, ge=0, le=1)  # the same of those whose plant stands on its own ground; as `share`
    light: tuple[float, float] = (0.3, 3.0)  # factor, log-uniform between the two
    colour: float = Field(0.1, ge=0, lt=1)  # of the light: spread of the logarithm of each colour's factor
    tone: float = Field(0.3, ge=0, lt=1)  # exponent, uniform in 1 ± this
    blur: float = Field(1.6, ge=0.3, le=5)  # half of the changed images, by a Gauss of 0.3 to this many pixels
    fringe: float = Field(0.15, ge=0, le=1)  # share of the changed images with colours a pixel apart
    few_pixels: float = Field(0.5, ge=0, le=1)  # share of the changed images that lose resolution
    least_side: int = Field(45, ge=8, le=SIZE)  # pixels a side, at least, that are left of them
    noise: float = Field(0.05, ge=0, lt=1)  # of the strongest, where a pixel is bright
    jpeg: float = Field(0.5, ge=0, le=1)  # share of the changed images
    jpeg_quality: tuple[int, int] = (25, 95)


class Resolution(_Part):
    """Smaller images in the first epochs, whose steps take less time by the square of the side."""

    side: int = Field(SIZE, ge=32, le=SIZE)  # pixels, in those epochs; validation and all later ones see whole images
    share: float = Field(0.0, ge=0, le=1)  # of the run's epochs

    def at(self, epoch: int, epochs: int) -> int:
        """Pixels a side in epoch 0…epochs-1."""
        return self.side if epoch < round(self.share * epochs) else SIZE


class Distillation(_Part):
    """Learning from what other networks, the teachers, answer to the very same changed and mixed images."""

    share: float = Field(0.0, ge=0, le=1)  # of each target that is the teachers' mean probability; the rest is the label
    temperature: float = Field(1.0, ge=1, le=20)  # divides the logits of both where they are compared: softer answers tell more


class Recipe(_Part):
    """One way to train one network. Every key has a default but the network's name."""

    network: str
    # Weights to go on from: "imagenet" (efficientnet-lite0, 1, 2), a published version (its folder, or seedlings/1); empty: random ones.
    start: str = ""
    plant_view: bool = False  # the network sees the plant alone, cut out by a segmenter: --segmenter FILE
    epochs: int = Field(ge=1)
    batch_size: int = Field(128, ge=2)  # over all devices together
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augment: Augment = Augment()
    field: FieldScenes = FieldScenes()
    camera: Camera = Camera()
    resolution: Resolution = Resolution()
    distillation: Distillation = Distillation()
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    ema_decay: float = Field(0.0, ge=0, lt=1)  # per step, of the averaged weights that are evaluated; 0: none
    best_by: Literal["accuracy", "loss"] = "accuracy"  # on validation: which epoch's weights are kept as the run's
    norms_without_dropout: bool = False  # after each epoch measure the norms anew with dropout off, as they are used
    softmax_before_loss: bool = False  # the report's mistake, for its reproduction only
    seed: int = Field(0, ge=0)  # of weights, order, augmentation and dropout
    split_seed: int = Field(0, ge=0)  # of the split alone, so that seeds can be compared on the same test images


def load(name: str, **changes: Any) -> Recipe:
    """The recipe of that name, or in that TOML file, with top-level `changes`. Raises RecipeError naming key and value."""
    file = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.toml")))
        raise RecipeError(f"no recipe {name!r}; there are {known}, or give the path of a .toml file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{file} cannot be read as a recipe: {error}") from None
    try:
        recipe = Recipe.model_validate(document | changes)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" for e in error.errors()[:3])
        raise RecipeError(f"{file}: {problems}") from None
    if recipe.network not in NETWORKS:
        raise RecipeError(f"{file}: network = {recipe.network!r}: there are {', '.join(NETWORKS)}")
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
    return recipe

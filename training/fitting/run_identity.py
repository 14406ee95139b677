"""What tells one run from another. Run folders, results and manifests hold it."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from models_store.manifest import Manifest, Training
from training.errors import RunError
from training.old_names import renamed
from training.recipe import Recipe


class Identity(BaseModel):
    """Everything but the weights that tells one run from another: in `run.json`, in results and in manifests."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe_name: str  # of a file: its own name alone, for records are passed on
    recipe: Recipe
    species: list[str]
    split_digest: str
    images: dict[str, int]  # split → number of images
    left_out: dict[str, int] = {}  # split → images of it that figures leave out, since these or earlier weights had learnt from them
    unknown_origins: list[str] = []  # earlier weights of which nobody knows what they had learnt from
    fold: tuple[int, int] | None = None  # of the split, this one of so many; None: the split itself
    started_from: str = ""  # `name/version@digest` of the start; empty for random weights, ImageNet's, and in records of before
    averaged: list[str] = []  # `references` of the runs whose mean this is; none for one that was trained
    new_weights_share: float = 1.0  # of the weights that were learnt; the rest is of those that it started from
    teachers: list[str] = []  # `references` of the runs that it learnt from, each with its own start
    backgrounds: list[str] = []  # `references` of folders of photos that plants were set on, by their squares
    segmenter: str = ""  # `reference` of a file, of a recipe with a plant view
    corrections: str = ""  # digest of the photos, and what people say of them, that it is taught beside its own images
    all_images: bool = False  # it learnt from validation and test images too, so nothing is measured on them
    device: str = ""  # empty where the record is of a release that did not say it, as are the next two
    precision: str = ""
    torch_version: str = ""

    @model_validator(mode="before")
    @classmethod
    def _keys_of_before(cls, document: Any) -> Any:
        return renamed(document, {"grounds": "backgrounds"})

    @field_validator("recipe_name")
    @classmethod
    def _of_the_file_alone(cls, name: str) -> str:
        return recipe_label(name)

    @property
    def name(self) -> str:
        """What the run's result is called."""
        return result_name(self.recipe_name, self.recipe)

    def in_manifest(self, parameters: int, epoch: int) -> Training:
        """What the manifest of a version says of the run that it was made from."""
        made = self.model_dump(mode="json")
        fields = {name: made.pop(name) for name in Training.model_fields if name in made and name != "recipe"}
        recipe = {"name": made.pop("recipe_name"), **made.pop("recipe"), **made}
        del recipe["species"]  # the manifest's own
        return Training(network=self.recipe.network, parameters=parameters, recipe=recipe, seed=self.recipe.seed, epoch=epoch, **fields)

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> "Identity":
        """Of the run that a version was made from. Raises RunError where the manifest does not say enough."""
        training = manifest.training.model_dump(mode="json")
        made = renamed(training.pop("recipe"), {"name": "recipe_name", "grounds": "backgrounds"})
        recipe = {name: made.pop(name) for name in Recipe.model_fields if name in made}
        known = {name: value for name, value in (training | made).items() if name in Identity.model_fields}
        try:
            return Identity.model_validate(known | {"recipe": recipe, "species": [one.name for one in manifest.species]})
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise RunError(f"the manifest of {manifest.name}/{manifest.version}: training.recipe: {where}: {problem['msg']}") from None


def result_name(recipe_name: str, recipe: Recipe) -> str:
    """`<recipe>.<network>.<seed>`; a recipe given as a file counts by the file's name."""
    return f"{recipe_label(recipe_name)}.{recipe.network}.{recipe.seed}"


def recipe_label(recipe_name: str) -> str:
    """What a recipe is called that was named, or given as a file."""
    return Path(recipe_name).name.removesuffix(".toml")

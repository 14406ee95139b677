"""A run folder: what was run, how it went, and where to resume.

run.json        recipe, species, split, machine
metrics.csv     one row an epoch
tensorboard/    the same for TensorBoard
last.pt         network, averaged weights, optimiser after the last whole epoch
best.pt         the weights that were best on validation so far, by accuracy or loss as the recipe says
"""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from training import networks
from training.atomic_files import write_atomically, write_json
from training.data.images import Images
from training.data.split import Split, of_training
from training.errors import RunError
from training.networks.network import Network
from training.old_names import renamed
from training.recipe import Recipe

DESCRIPTION, METRICS, LAST, BEST = "run.json", "metrics.csv", "last.pt", "best.pt"


class Description(BaseModel):
    """`run.json`: everything but the weights that tells one run from another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe_name: str
    recipe: Recipe
    species: list[str]
    split_digest: str
    images: dict[str, int]  # split → number of images
    averaged: list[str] = []  # the runs whose mean this is, named as teachers are; none for one that was trained
    teachers: list[str] = []  # <recipe>.<network>.<seed>@<start of the SHA-256 of its best.pt>
    backgrounds: list[str] = []  # folders of photos that plants were set on, named <folder>@<start of the SHA-256 of their squares>
    segmenter: str = ""  # <file>@<start of its SHA-256>, of a recipe with a plant view
    device: str
    precision: str
    torch_version: str

    @model_validator(mode="before")
    @classmethod
    def _keys_of_before(cls, document: Any) -> Any:
        return renamed(document, {"grounds": "backgrounds"})

    @property
    def name(self) -> str:
        """What the run's result is called."""
        return result_name(self.recipe_name, self.recipe)

    def split(self, images: Images) -> Split:
        """The run's split of its images. Raises DataError when these are others."""
        return of_training(images, self.recipe.split_seed, self.split_digest)


def read_description(run: Path) -> Description:
    """`run.json` of a run folder. Raises RunError."""
    file = run / DESCRIPTION
    try:
        return Description.model_validate(json.loads(file.read_bytes()))
    except FileNotFoundError:
        raise RunError(f"{run} is no run: it has no {DESCRIPTION}; start one with 'python -m training fit'") from None
    except (OSError, ValueError, ValidationError) as error:
        raise RunError(f"{file} cannot be read ({str(error).splitlines()[0]}); start the run anew in another folder") from None


def begin_or_resume(run: Path, description: Description) -> dict[str, Any] | None:
    """Write `run.json` of a new run and return None, or return the checkpoint that an interrupted run left.

    Raises RunError when the folder holds anything but a run of the same recipe on the same split.
    """
    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        write_json(run / DESCRIPTION, description.model_dump(mode="json"))
        return None
    begun = read_description(run)
    for field, words in (
        ("recipe", "recipe"),
        ("species", "species"),
        ("split_digest", "split"),
        ("teachers", "choice of teachers"),
        ("backgrounds", "choice of backgrounds"),
        ("segmenter", "segmenter"),
        ("averaged", "origin"),
    ):
        if getattr(begun, field) != getattr(description, field):
            raise RunError(f"{run} was begun with another {words}; give a new folder with --run, or the same {words} again")
    return load_weights(run / LAST) if (run / LAST).exists() else None


def load_weights(file: Path) -> dict[str, Any]:
    """A file of tensors that `save_weights` wrote, on the CPU. Raises RunError."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise RunError(f"{file} is missing; the run has not finished an epoch: start 'python -m training fit' with it again") from None
    except Exception as error:  # a damaged archive raises whatever its damage leads to
        raise RunError(f"{file} is damaged ({str(error).splitlines()[0][:120]}); remove it, and the run starts over") from None


def file_name(file: Path | None) -> str:
    """What a run's description calls a file that it was made with: its name and the start of its SHA-256; nothing for none."""
    return f"{file.name}@{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}" if file is not None else ""


def result_name(recipe_name: str, recipe: Recipe) -> str:
    """`<recipe>.<network>.<seed>`; a recipe given as a file counts by the file's name."""
    return f"{Path(recipe_name).name.removesuffix('.toml')}.{recipe.network}.{recipe.seed}"


def load_best(run: Path) -> tuple[Description, Network, int]:
    """What a run was, its network with the best weights, and their epoch. Raises RunError."""
    description = read_description(run)
    best = load_weights(run / BEST)
    recipe = description.recipe
    network = networks.build(recipe.network, len(description.species), recipe.plant_view).to(memory_format=torch.channels_last)
    try:
        network.load_state_dict(best["network"])
    except (KeyError, RuntimeError):
        raise RunError(f"{run / BEST} does not fit network {recipe.network!r}; start the run anew") from None
    return description, network.eval(), best["epoch"]


def save_weights(file: Path, tensors: dict[str, Any]) -> None:
    """Write tensors so that `file` is whole or as it was before. Raises DiskError."""
    write_atomically(file, lambda stream: torch.save(tensors, stream))


def best_epoch(history: list[dict[str, float]], best_by: str) -> dict[str, float]:
    """The row of the epoch whose weights are kept: by validation accuracy and, where that is the same, loss; or by loss alone."""
    if best_by == "loss":
        return min(history, key=lambda row: row["validation_loss"])
    return max(history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The rows of `metrics.csv`, one for each finished epoch. Raises RunError."""
    file = run / METRICS
    try:
        with file.open(newline="") as stream:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file} cannot be read ({str(error).splitlines()[0]}); start the run anew in another folder") from None


def write_metrics(run: Path, history: list[dict[str, float]]) -> None:
    """`metrics.csv` from all epochs so far, one row each. Raises DiskError."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomically(run / METRICS, lambda stream: stream.write(text.getvalue().encode()))

"""A run folder: what was run, how it went, and where to resume.

run.json        recipe, species, split, machine, and whether the run is finished
learnt.npy      which images its weights learn from, and earlier weights have learnt from
metrics.csv     one row an epoch
tensorboard/    the same for TensorBoard
last.pt         network, averaged weights, optimiser after the last whole epoch
best.pt         the weights that were best on validation so far, by accuracy or loss as the recipe says
"""

import csv
import io
import json
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import ValidationError

from models_store.learnt import FILE as LEARNT
from models_store.learnt import Learnt
from training import networks
from training.atomic_files import remove_leftovers, write_atomically, write_json
from training.errors import RunError
from training.fitting import early_stopping
from training.fitting.run_identity import Identity
from training.networks.network import Network
from training.references import reference

DESCRIPTION, METRICS, LAST, BEST = "run.json", "metrics.csv", "last.pt", "best.pt"


class Description(Identity):
    """`run.json`."""

    finished: bool = False  # all epochs are done; of release 0.1 `metrics.csv` tells

    @classmethod
    def of(cls, identity: Identity) -> Self:
        """Of a run that begins."""
        return cls(**dict(identity))

    def identity(self, **changes: Any) -> Identity:
        """What other records hold of it."""
        return Identity(**{name: getattr(self, name) for name in Identity.model_fields} | changes)


def read_description(run: Path) -> Description:
    """`run.json` of a run folder. Raises RunError."""
    file = run / DESCRIPTION
    try:
        return Description.model_validate(json.loads(file.read_bytes()))
    except FileNotFoundError:
        raise RunError(f"{run} is no run: it has no {DESCRIPTION}; start one with 'python -m training fit'") from None
    except (OSError, ValueError, ValidationError) as error:
        raise RunError(f"{file} cannot be read ({str(error).splitlines()[0]}); start the run anew in another folder") from None


def is_finished(run: Path, description: Description) -> bool:
    """Whether all epochs of the run are done, whatever of its checkpoints is left."""
    if description.finished or description.averaged:
        return True
    return finished_epochs(run) >= description.recipe.epochs  # an early end is a finished one of later releases, which say so


def finished_epochs(run: Path) -> int:
    """By `metrics.csv`. Raises RunError."""
    return len(read_metrics(run)) if (run / METRICS).exists() else 0


def remove_leftovers_in(run: Path) -> None:
    """Remove what a killed process left under temporary names."""
    for name in (DESCRIPTION, LEARNT, METRICS, LAST, BEST):
        remove_leftovers(run / name)


def is_finished_already(run: Path, wanted: Identity) -> bool:
    """Whether the folder holds that very run, finished. Raises RunError when it holds another one."""
    if not (run / DESCRIPTION).exists():
        return False
    begun = read_description(run)
    _refuse_another(run, begun, wanted)
    return is_finished(run, begun)


def begin_or_resume(run: Path, description: Description, learnt: Learnt) -> dict[str, Any] | None:
    """Write `run.json` and `learnt.npy` of a new run and return None, or return the checkpoint that an interrupted run left.

    Raises RunError when the folder holds anything but a run of the same recipe on the same images, or its checkpoint is gone.
    """
    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        write_json(run / DESCRIPTION, description.model_dump(mode="json"))
    _refuse_another(run, read_description(run), description)
    if not (run / LEARNT).exists():
        write_atomically(run / LEARNT, lambda stream: stream.write(learnt.to_bytes()))
    elif not learnt.has_same_files(Learnt.read((run / LEARNT).read_bytes())):
        raise RunError(f"{run} was begun with other images under the names of these; give a new folder with --run")
    if (run / LAST).exists():
        return load_weights(run / LAST)
    if done := finished_epochs(run):
        raise RunError(f"{run / LAST} is gone, so the run cannot go on after its {done} epochs; give a new folder with --run")
    return None


def finish(run: Path) -> None:
    """Say in `run.json` that all epochs are done. Raises DiskError."""
    write_json(run / DESCRIPTION, read_description(run).model_copy(update={"finished": True}).model_dump(mode="json"))


def _refuse_another(run: Path, begun: Identity, wanted: Identity) -> None:
    start, other = begun.recipe.start, wanted.recipe.start
    if start and other and start != other:
        raise RunError(f"{run} was begun from {start}, and now {other} is to be trained further; give a new folder with --run")
    if begun.corrections not in ("", wanted.corrections):
        raise RunError(
            f"{run} was begun with other corrections: since then some have come, or were decided or removed; give a new folder with --run"
        )
    for field, words in (
        ("recipe", "recipe"),
        ("species", "species"),
        ("split_digest", "split"),
        ("teachers", "choice of teachers"),
        ("backgrounds", "choice of backgrounds"),
        ("segmenter", "segmenter"),
        ("all_images", "choice of images (--all-images)"),
        ("averaged", "origin"),
        ("new_weights_share", "origin"),
    ):
        if getattr(begun, field) != getattr(wanted, field):
            raise RunError(f"{run} was begun with another {words}; give a new folder with --run, or the same {words} again")


def load_weights(file: Path) -> dict[str, Any]:
    """A file of tensors that `save_weights` wrote, on the CPU. Raises RunError, and FileNotFoundError where there is none."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged archive raises whatever its damage leads to
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise RunError(f"{file} is damaged ({reason}); copy it again, or train anew under another name") from None


def run_reference(run: Path, identity: Identity) -> str:
    """How other records call a run: by its best weights. Raises RunError where it has none."""
    try:
        return reference(identity.name, (run / BEST).read_bytes())
    except OSError as error:
        raise RunError(f"{run / BEST} cannot be read ({error.strerror}); train the run anew") from None


def load_best(run: Path) -> tuple[Description, Network, int]:
    """What a run was, its network with the best weights, and their epoch. Raises RunError."""
    description = read_description(run)
    try:
        best = load_weights(run / BEST)
    except FileNotFoundError:
        what = "is gone: train the run anew in another folder"
        if not is_finished(run, description):
            what = "is missing; the run has not finished an epoch: start 'python -m training fit' with it again"
        raise RunError(f"{run / BEST} {what}") from None
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


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The rows of `metrics.csv`, one for each finished epoch. Raises RunError."""
    file = run / METRICS
    try:
        with file.open(newline="") as stream:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{file} cannot be read ({str(error).splitlines()[0]}); start the run anew in another folder") from None


def finished_metrics(run: Path, description: Description) -> list[dict[str, float]]:
    """The rows of a finished run's `metrics.csv`, one for each of its epochs. Raises RunError where some are missing."""
    rows = read_metrics(run)
    if [row.get("epoch") for row in rows] != list(range(1, len(rows) + 1)) or not early_stopping.ends(rows, description.recipe):
        raise RunError(
            f"{run / METRICS} lacks epochs of a run that {DESCRIPTION} calls finished;"
            " copy the run's folder again from where it was trained, or train it anew in another folder"
        )
    return rows


def write_metrics(run: Path, history: list[dict[str, float]]) -> None:
    """`metrics.csv` from all epochs so far, one row each. Raises DiskError."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomically(run / METRICS, lambda stream: stream.write(text.getvalue().encode()))

"""Lists of runs that belong together, trained one after the other; each can be interrupted and goes on where it was.

*ablation*: from what the report ran to this project's recipe, one change at a time.
*networks*: every network under one recipe.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training import recipe as recipes
from training.data import split
from training.data.images import Images
from training.errors import RecipeError, RunError
from training.experiments import results
from training.fitting import loop as fitting
from training.fitting import run_folder, run_identity, write_lock
from training.recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds


@dataclass(frozen=True)
class SweepEntry:
    """One row of a sweep, trained once for each seed."""

    recipe: str
    change: str  # in words, what sets it apart
    against: str | None = None  # the key of the entry that differs from this one by that change alone
    network: str | None = None  # instead of the recipe's
    main: bool = True  # on the way from the first entry to the last, or beside it

    @property
    def key(self) -> str:
        """What `--only` calls it."""
        return self.network or self.recipe

    def load(self, seed: int) -> Recipe:
        """The recipe with the entry's network and that seed. Raises RecipeError."""
        return recipes.load(self.recipe, seed=seed, **({"network": self.network} if self.network else {}))


SWEEPS: dict[str, tuple[SweepEntry, ...]] = {
    "ablation": (
        SweepEntry("report-base", "what the report ran"),
        SweepEntry("report-dropout", "what the report ran, with dropout", against="report-base", main=False),
        SweepEntry("ablation-1-logits", "no softmax before the loss", against="report-base"),
        SweepEntry("ablation-2-rate", "half the learning rate", against="ablation-1-logits"),
        SweepEntry("ablation-3-augmentation", "augmentation", against="ablation-2-rate"),
        SweepEntry("ablation-4-schedule", "warm-up and half-cosine schedule", against="ablation-3-augmentation"),
        SweepEntry("ablation-5-batch", "batches of 64", against="ablation-4-schedule"),
        SweepEntry("comparison", "averaged weights, smoothed labels, weight decay", against="ablation-5-batch", network="base"),
        SweepEntry("seedlings", "80 epochs in place of 10", against="base"),
        SweepEntry("comparison", "dropout", against="base", network="dropout", main=False),
        SweepEntry("ablation-8-report-softmax", "the softmax put back", against="base", main=False),
        SweepEntry("ablation-9-report-slow", "the softmax kept, a tenth of the learning rate", against="report-base", main=False),
    ),
    "networks": tuple(SweepEntry("comparison", name, network=name) for name in ("lenet", "alexnet", "resnet", "base", "dropout")),
}


def choose(sweep: str, only: Sequence[str] | None) -> list[SweepEntry]:
    """The entries of a sweep, or those that `only` names. Raises RecipeError for a name that is not in it."""
    entries = SWEEPS[sweep]
    if unknown := set(only or ()) - {entry.key for entry in entries}:
        raise RecipeError(f"the sweep {sweep} has no {', '.join(sorted(unknown))}; it has {', '.join(entry.key for entry in entries)}")
    return [entry for entry in entries if not only or entry.key in only]


def sweep(fabric: "Fabric", entries: Iterable[SweepEntry], seeds: Sequence[int], images: Images, runs: Path, into: Path) -> None:
    """Train and record what has no result yet: all entries with the first seed, then with the next.

    A run lies in `runs/<recipe>.<network>.<seed>`, its result in the folder of results `into`. Weights of the best
    epoch stay; the checkpoint, four times their size, goes when the result is there. Raises RunError when a result or a
    run of another recipe stands under the name, RecipeError, DiskError.
    """
    todo = [(entry, entry.load(seed)) for seed in seeds for entry in entries]
    splits = {(rule, seed): split.of(images, seed, rule) for rule, seed in {(recipe.split, recipe.split_seed) for _, recipe in todo}}
    for entry, recipe in todo:
        name = run_identity.result_name(entry.recipe, recipe)
        parts = splits[recipe.split, recipe.split_seed]
        known = results.find(into, name)
        if known is None:
            fabric.print(f"{name}: {recipe.epochs} epochs")
            with write_lock.of_run(runs / name) if fabric.is_global_zero else contextlib.nullcontext():
                fitting.fit(fabric, recipe, entry.recipe, images, parts, runs / name)
            known = results.record(runs / name, images, into)
        elif (known.recipe, known.split_digest) != (recipe, parts.digest):
            raise RunError(f"the result {name} in {into} is of another recipe or other images; remove it, and the run is made again")
        (runs / name / run_folder.LAST).unlink(missing_ok=True)
        fabric.print(f"{name}: validation {known.validation_accuracy:.2%}, test {known.test.accuracy:.2%}")

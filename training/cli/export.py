"""`export`: publish a run's best weights."""

import argparse
from pathlib import Path

from training.cli.options import Commands, add_appraisal, add_data, outside
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    export = commands.add_parser("export", help="calibrate a run's best weights and publish them as an artifact")
    export.add_argument("--run", type=Path, required=True)
    add_data(export)
    export.add_argument("--store", type=Path, required=True, help="folder of published models")
    export.add_argument("--name", default="seedlings", help="name of the model (default: seedlings)")
    export.add_argument(
        "--compact",
        action="store_true",
        help="factor the largest dense layer where that saves weights (--rank 64), and store float16: base is 10 MB instead of 219",
    )
    export.add_argument("--rank", type=int, help="factor the largest dense layer to this rank")
    export.add_argument(
        "--storage",
        choices=["float32", "float16", "int8"],
        help="of the weights, factored or not (default: float16 with --compact or --rank, else float32)",
    )
    export.add_argument(
        "--force", action="store_true", help="publish it, too, where validation cannot tell it from guessing; the card says so"
    )
    add_appraisal(export)
    export.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.data import images as data
    from training.publishing import export

    images = data.load(options.data, options.cache)
    rank: export.Rank = "usual" if options.rank is None and options.compact else options.rank
    storage: export.Storage = options.storage or ("float32" if rank is None else "float16")
    folder = export.export(
        options.run,
        images,
        options.store,
        options.name,
        rank=rank,
        storage=storage,
        promise=options.promise,
        data=options.data,
        outside=outside(options),
        force=options.force,
    )
    say_published(folder)


def say_published(folder: Path) -> None:
    """What a version is worth, where it lies, what it will never say, and what there is to know of it."""
    from models_store import store
    from training.artifact import binomial

    manifest = store.read_manifest(folder)
    figures, calibration = manifest.figures, manifest.calibration
    width = max(map(len, figures.per_species))
    for name, row in figures.per_species.items():
        low, high = binomial.of_accuracy(row.recall, row.n)
        say(f"{name:<{width}}  {row.recall:>6.1%} of {row.n} test images right (95%: {low:.0%} to {high:.0%})")
    low, high = binomial.of_accuracy(figures.accuracy, figures.n)
    say(f"accuracy {figures.accuracy:.1%} on {figures.n} test images; on photos like these it lies between {low:.1%} and {high:.1%} (95%)")
    if figures.answers is not None:
        say(f"{figures.answers.answered['species'] / figures.n:.1%} of them are answered with confidence")
    say(f"model.pt has {manifest.size_bytes / 1e6:.1f} MB")
    say(f"published {folder}")
    if manifest.forced:
        say(f"warning: published by --force: {manifest.forced}")
    for warning in manifest.warnings:
        say(f"warning: {warning}")
    if calibration.threshold is None:
        say(f"no answer of it will be confident: {calibration.threshold_reason}")
    for what, found in (("kind", calibration.kind), ("group", calibration.group)):
        if found is not None and found.threshold is None:
            why = "for the same reason" if found.threshold_reason == calibration.threshold_reason else found.threshold_reason
            say(f"no {what} will be answered where the species is not sure: {why}")

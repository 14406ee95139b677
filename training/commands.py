"""What each command of the command line does with its options."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from models_store.manifest import Figures
from training import artifact, check, fetch, metrics, results, run
from training import evaluate as evaluation
from training import export as exporting
from training import fit as fitting
from training import recipe as recipes
from training import split as splits
from training import sweep as sweeps
from training.data import Images
from training.data import load as load_images
from training.errors import DataError, DiskError
from training.files import write_json
from training.memory import keep_freed_memory


def data_check(options: argparse.Namespace) -> None:
    """`data check`: print the findings; unreadable or contradictory files are a failure, so that scripts notice."""
    findings = check.check(options.data)
    _say(check.text(findings))
    problems = len(findings.unreadable) + len(findings.contradictions)
    if problems:
        raise DataError(f"{problems} problem{'s' if problems > 1 else ''} in {options.data}; mend or remove the files listed above")


def data_fetch(options: argparse.Namespace) -> None:
    """`data fetch`: the original images into a new folder."""
    _say(f"{fetch.fetch(options.data)} images in {options.data}")


def fit(options: argparse.Namespace) -> None:
    """`fit`: all that can be wrong with recipe and images is looked at before the run folder appears."""
    changes = {"seed": options.seed, "network": options.network}
    recipe = recipes.load(options.recipe, **{key: value for key, value in changes.items() if value is not None})
    keep_freed_memory()
    fabric = fitting.make_fabric(options.device, options.devices, options.nodes, options.precision)
    images = load_images(options.data, options.cache)
    history = fitting.fit(fabric, recipe, options.recipe, images, _split(images, recipe.split_seed), options.run)
    best = max(history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
    fabric.print(f"best: epoch {best['epoch']}, validation accuracy {best['validation_accuracy']:.2%}; weights in {options.run}")


def evaluate(options: argparse.Namespace) -> None:
    """`evaluate`: figures of a run's best weights, or of an artifact, on one split."""
    if options.artifact is not None:
        manifest, module = artifact.load(options.artifact)
        digest, seed = manifest.training.split_digest, int(manifest.training.recipe["split_seed"])
        species = [one.name for one in manifest.species]
    else:
        description, network, _ = exporting.load_best(options.run)
        digest, seed, species = description.split_digest, description.recipe.split_seed, description.species
    images = _in_order_of(species, load_images(options.data, options.cache))
    rows = list(range(len(images.files))) if options.split == "all" else _known_split(images, digest, seed).rows(options.split)
    pixels = images.pixels[rows]
    if options.artifact is not None:
        probabilities = evaluation.probabilities(module, pixels)
    else:
        probabilities = evaluation.logits(network, pixels).softmax(1)
    figures = metrics.figures(options.split, species, probabilities, images.labels[rows])
    if options.json is None:
        _say(_table(figures))
        return
    document = figures.model_dump(mode="json") | {"species": species, "predictions": _predictions(images, rows, probabilities)}
    if options.json == "-":
        _say(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        write_json(Path(options.json), document)


def export(options: argparse.Namespace) -> None:
    """`export`: publish a run's best weights; prints the folder of the new version."""
    images = load_images(options.data, options.cache)
    description = run.read_description(options.run)
    split = _split(images, description.recipe.split_seed)
    folder = exporting.export(options.run, images, split, options.store, options.name, options.rank if options.compact else None)
    _say(f"published {folder}")


def record(options: argparse.Namespace) -> None:
    """`record`: measure a finished run on the test split, and keep the result."""
    images = load_images(options.data, options.cache)
    description = run.read_description(options.run)
    result = results.record(options.run, images, _split(images, description.recipe.split_seed), options.results)
    _say(f"{result.name}: validation {result.validation_accuracy:.2%}, test {result.test.accuracy:.2%}; kept in {options.results}")


def sweep(options: argparse.Namespace) -> None:
    """`sweep`: train and record the runs of a list that have no result yet."""
    entries = sweeps.choose(options.sweep, options.only)
    keep_freed_memory()
    fabric = fitting.make_fabric(options.device, precision=options.precision)
    sweeps.sweep(fabric, entries, options.seeds, load_images(options.data, options.cache), options.runs, options.results)


def _split(images: Images, seed: int) -> splits.Split:
    return splits.make(images.files, images.labels.tolist(), images.digests, images.species, seed)


def _known_split(images: Images, digest: str, seed: int) -> splits.Split:
    split = _split(images, seed)
    if split.digest != digest:
        raise DataError(
            "these are not the images of the training, so its split is unknown here and could leak; measure them with --split all"
        )
    return split


def _in_order_of(species: list[str], images: Images) -> Images:
    """The images with labels counted in the model's order of species. Raises DataError for a species it does not know."""
    if unknown := [name for name in images.species if name not in species]:
        raise DataError(f"the model does not know the species {', '.join(unknown)}; it knows {', '.join(species)}")
    position = torch.tensor([species.index(name) for name in images.species])
    return Images(species, images.files, images.pixels, position[images.labels], images.digests)


def _predictions(images: Images, rows: list[int], probabilities: torch.Tensor) -> list[dict[str, Any]]:
    return [
        {"file": images.files[row], "species": images.species[int(answer.argmax())], "probabilities": answer.tolist()}
        for row, answer in zip(rows, probabilities, strict=True)
    ]


def _table(figures: Figures) -> str:
    width = max(map(len, figures.per_species))
    lines = [f"{'species':<{width}} precision  recall      F1  images"]
    lines += [
        f"{name:<{width}} {row.precision:>9.1%} {row.recall:>7.1%} {row.f1:>7.3f} {row.n:>7}" for name, row in figures.per_species.items()
    ]
    total = f"{figures.split}: {figures.n} images, accuracy {figures.accuracy:.2%}, macro-F1 {figures.macro_f1:.4f}, ECE {figures.ece:.2%}"
    return "\n".join([*lines, "", total])


def _say(text: str) -> None:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise DiskError("the reader of the output went away") from None

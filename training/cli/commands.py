"""What each command of the command line does with its options."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import torch

from models_store.manifest import Figures
from models_store.store import read_manifest
from training import machine
from training import recipe as recipes
from training.atomic_files import write_json
from training.cli import sheet
from training.data import audit, ground_photos, kaggle, masked_photos
from training.data import near_duplicates as leaks
from training.data import split as splits
from training.data.images import Images
from training.data.images import load as load_images
from training.errors import DataError, DiskError, RunError
from training.evaluation import backgrounds, elsewhere, metrics
from training.evaluation import predictions as evaluating
from training.experiments import compression_curve as curves
from training.experiments import results
from training.experiments import sweep as sweeps
from training.experiments import throughput as paces
from training.experiments.report import build as reports
from training.fitting import loop as fitting
from training.fitting import run
from training.fitting import segmenter as segmenters
from training.fitting import weight_average as averaging
from training.memory import keep_freed_memory
from training.publishing import export as exporting
from training.publishing import measured_model, out_of_distribution


def data_check(options: argparse.Namespace) -> None:
    """`data check`: print the findings; whatever training would refuse is a failure, so that scripts notice."""
    findings = audit.check(options.data)
    _say(audit.text(findings))
    problems = len(findings.problems)
    if problems:
        raise DataError(f"{problems} problem{'s' if problems > 1 else ''} in {options.data}; mend or remove the files listed above")


def data_fetch(options: argparse.Namespace) -> None:
    """`data fetch`: the original images into a new folder."""
    _say(f"{kaggle.fetch(options.data)} images in {options.data}")


def augment(options: argparse.Namespace) -> None:
    """`augment`: a sheet of what a network learns from."""
    recipe = recipes.load(options.recipe)
    squares = ground_photos.for_recipe(options.grounds, recipe.field)
    sheet.write(load_images(options.data, options.cache), recipe, squares, options.out, options.images)
    _say(f"wrote {options.out}")


def segmenter(options: argparse.Namespace) -> None:
    """`segmenter`: trained on the training part of the images alone, since networks behind it are measured on the others."""
    keep_freed_memory()
    images = load_images(options.data, options.cache)
    squares = ground_photos.squares(options.grounds) if options.grounds else None
    measured = {folder: masked_photos.squares(folder) for folder in options.measure}
    learnt = [masked_photos.squares(folder) for folder in options.masks]
    rows = splits.of(images).train
    trained = segmenters.train(images.pixels[rows], squares, learnt, options.steps, options.seed, options.out)
    for folder, masked in measured.items():
        _say(f"{folder}: IoU of plants {segmenters.iou(trained, masked):.3f} on {len(masked.pixels)} squares")
    _say(f"wrote {options.out}")


def fit(options: argparse.Namespace) -> None:
    """`fit`: all that can be wrong with recipe and images is looked at before the run folder appears."""
    changes = {"seed": options.seed, "network": options.network}
    recipe = recipes.load(options.recipe, **{key: value for key, value in changes.items() if value is not None})
    keep_freed_memory()
    fabric = fitting.make_fabric(options.device, options.devices, options.nodes, options.precision)
    images = load_images(options.data, options.cache)
    split = splits.of(images, recipe.split_seed)
    history = fitting.fit(fabric, recipe, options.recipe, images, split, options.run, options.teacher, options.grounds, options.segmenter)
    best = run.best_epoch(history, recipe.best_by)
    fabric.print(f"best: epoch {best['epoch']}, validation accuracy {best['validation_accuracy']:.2%}; weights in {options.run}")


def average(options: argparse.Namespace) -> None:
    """`average`: one network from several runs that set out from the same weights."""
    described = averaging.average(options.runs, options.run)
    _say(f"{options.run}: the mean of {' and '.join(described.averaged)}")


def evaluate(options: argparse.Namespace) -> None:
    """`evaluate`: figures of a run's best weights, or of an artifact, on one split or on photos in none."""
    measured = _subject(options)
    if options.images is not None:
        _evaluate_elsewhere(measured, options)
        return
    images = measured.in_order(load_images(options.data, options.cache))
    rows = list(range(len(images.files))) if options.split == "all" else measured.split(images).rows(options.split)
    pixels, labels = images.pixels[rows], images.labels[rows]
    probabilities, distances = measured.answers(pixels)
    figures = metrics.figures(options.split, images.species, probabilities, labels)
    more: dict[str, Any] = {}
    if options.views > 1:
        averaged = metrics.figures(options.split, images.species, evaluating.over_views(measured.probabilities, pixels), labels)
        more["views"] = {"orientations": options.views, **averaged.model_dump(mode="json")}
    if options.grounds:
        more["grounds"] = backgrounds.accuracy(measured.probabilities, pixels, labels)
    if distances is not None and measured.calibration is not None and measured.module is not None:
        more["familiarity"] = out_of_distribution.figures(measured.calibration, probabilities, distances, labels)
        more["strangers"] = out_of_distribution.on_strangers(measured.calibration, measured.module)
    if options.json is None:
        _say("\n".join([_table(figures), *_sentences(more)]))
        return
    predictions = _predictions(images, rows, probabilities)
    _write(figures.model_dump(mode="json") | more | {"species": images.species, "predictions": predictions}, options.json)


def _evaluate_elsewhere(measured: measured_model.Subject, options: argparse.Namespace) -> None:
    """`evaluate --images`: figures on a folder of photos that are in no split."""
    images = load_images(options.images, options.cache, least=1)
    probabilities, distances = measured.answers(images.pixels)
    calibration = measured.calibration
    familiar = None
    if calibration is not None and calibration.familiarity is not None and distances is not None:
        familiar = distances <= calibration.familiarity.limit
    threshold = None
    if calibration is not None:  # without a threshold it answers nothing with confidence
        threshold = math.inf if calibration.threshold is None else calibration.threshold
    found = elsewhere.figures(measured.species, images.species, images.labels, probabilities, threshold, familiar)
    if options.json is None:
        _say(elsewhere.text(f"{measured.name} on {options.images}", found))
    else:
        _write(found | {"species": measured.species}, options.json)


def _write(document: dict[str, Any], where: str) -> None:
    """To a file, or to the terminal for `-`."""
    if where == "-":
        _say(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        write_json(Path(where), document)


def export(options: argparse.Namespace) -> None:
    """`export`: publish a run's best weights; prints the folder of the new version."""
    images = load_images(options.data, options.cache)
    rank: exporting.Rank = "usual" if options.rank is None and options.compact else options.rank
    storage: exporting.Storage = options.storage or ("float32" if rank is None else "float16")
    folder = exporting.export(options.run, images, options.store, options.name, rank=rank, storage=storage, promise=options.promise)
    _say(f"published {folder}")
    calibration = read_manifest(folder).calibration
    if calibration.threshold is None:
        _say(f"no answer of it will be confident: {calibration.threshold_reason}")


def record(options: argparse.Namespace) -> None:
    """`record`: measure a finished run on the test split, and keep the result."""
    images = load_images(options.data, options.cache)
    result = results.record(options.run, images, options.results)
    _say(f"{result.name}: validation {result.validation_accuracy:.2%}, test {result.test.accuracy:.2%}; kept in {options.results}")


def sweep(options: argparse.Namespace) -> None:
    """`sweep`: train and record the runs of a list that have no result yet."""
    entries = sweeps.choose(options.sweep, options.only)
    keep_freed_memory()
    fabric = fitting.make_fabric(options.device, precision=options.precision)
    sweeps.sweep(fabric, entries, options.seeds, load_images(options.data, options.cache), options.runs, options.results)


def pace(options: argparse.Namespace) -> None:
    """`pace`: the speed of each network under the comparison's recipe."""
    keep_freed_memory()
    fabric = fitting.make_fabric(options.device, precision=options.precision)
    images = load_images(options.data, options.cache)
    document = paces.document(fabric, sweeps.SWEEPS["networks"], images)
    write_json(options.results / paces.FILE, document)
    for name, row in document["networks"].items():
        _say(f"{name:<8} {row['seconds_per_epoch']:>7.1f} s an epoch  {row['milliseconds_per_prediction']:>7.2f} ms a prediction")


def leakage(options: argparse.Namespace) -> None:
    """`leakage`: near duplicates across the split, and the accuracy of an artifact or a run without them."""
    measured = _subject(options)
    images = measured.in_order(load_images(options.data, options.cache))
    split = measured.split(images)
    document = leaks.document(images, split, measured.probabilities(images.pixels[split.test]), measured.name)
    write_json(options.results / "leakage.json", document)
    _say(f"{measured.name}: accuracy {document['accuracy']:.2%} on {document['test_images']} test images")
    for row in document["thresholds"]:
        near, without = row["near_duplicates"], row["accuracy_without"]
        _say(f"{near:>4} have a neighbour in train or validation with similarity ≥ {row['threshold']}; without them {without:.2%}")


def curve(options: argparse.Namespace) -> None:
    """`curve`: size against accuracy of a run's compact forms."""
    images = load_images(options.data, options.cache)
    description, network, _ = run.load_best(options.run)
    split = description.split(images)
    points = []
    try:
        for point in curves.points(network, images, split, [None, *(options.ranks or curves.usual_ranks(network))]):
            points.append(point)
            rank = "whole" if point["rank"] is None else f"rank {point['rank']}"
            _say(f"{rank:<9} {point['storage']:<8} {point['bytes'] / 1e6:>7.2f} MB  test {point['test_accuracy']:.2%}")
    except ValueError as error:
        raise RunError(f"--ranks: {error}") from None
    name = description.name
    document = {"run": name, "split_digest": split.digest, "machine": machine.describe(), "points": points}
    write_json(options.results / "compact.json", document)


def report(options: argparse.Namespace) -> None:
    """`report`: the page with every figure and table; prints where it lies."""
    images = load_images(options.data, options.cache)
    _say(f"wrote {reports.build(images, options.results, options.artifact, options.out)}")


def _subject(options: argparse.Namespace) -> measured_model.Subject:
    """What `--artifact` or `--run` names."""
    return measured_model.of_run(options.run) if options.artifact is None else measured_model.of_artifact(options.artifact)


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


def _sentences(more: dict[str, Any]) -> list[str]:
    """What stands under the table of `evaluate`."""
    lines = []
    if "views" in more:
        row = more["views"]
        lines.append(
            f"averaged over {row['orientations']} orientations:"
            f" accuracy {row['accuracy']:.2%}, macro-F1 {row['macro_f1']:.4f}, ECE {row['ece']:.2%}"
        )
    if "grounds" in more:
        lines.append("plants set on other grounds: " + ", ".join(f"{name} {share:.1%}" for name, share in more["grounds"].items()))
    if "familiarity" in more:
        row, drawn = more["familiarity"], more["strangers"]
        right = "" if row["confident_accuracy"] is None else f", {row['confident_accuracy']:.1%} of them right"
        lines.append(
            f"familiar {row['familiar']:.1%}; confident {row['confident']:.1%} ({row['confident_by_probability_alone']:.1%} by probability"
            f" alone){right}"
        )
        lines.append(
            f"{drawn['images']} drawn pictures of anything else: unfamiliar {drawn['unfamiliar']:.1%}, not confident"
            f" {drawn['not_confident']:.1%} ({drawn['unsure']:.1%} by probability alone)"
        )
    return lines


def _say(text: str) -> None:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise DiskError("the reader of the output went away") from None

"""The page of one's own runs."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from training.artifact import binomial
from training.atomic_files import write_atomically
from training.data.images import Images
from training.errors import DataError
from training.evaluation import metrics
from training.experiments.report import charts, measured, pictures, sections_measured
from training.experiments.report.html_page import PAGE, Section, figure, paragraph, render, table
from training.experiments.report.measured import EvaluatedModel
from training.fitting import early_stopping, folds, run_folder
from training.fitting.run_identity import Identity

_INTRODUCTION = "Runs of training on one's own photos: how they went, what their best weights answer, and where they are wrong."
_FOOTER = "Figures on this page show photos of the data folder: whoever passes it on passes these on."
_MINUTE_S = 60


@dataclass(frozen=True)
class TrainedRun:
    """A run, how it went, and its answers."""

    identity: Identity
    folds: list[folds.Fold]
    epochs: list[dict[str, float]]
    measured: EvaluatedModel

    @property
    def species(self) -> list[str]:
        """In the order of its answers."""
        return self.identity.species


def build(folders: Sequence[Path], images: Images, part: str, out: Path) -> Path:
    """Write the page of these runs, measured on the validation or test `part` of their splits, and its PNGs; returns the page.

    Raises RunError, DataError when the images are not those of a run, DiskError.
    """
    names = _names(folders)
    trained = {name: _trained(folder, images, part) for name, folder in zip(names, folders, strict=True)}
    best = max(trained, key=lambda name: _accuracy(trained[name].measured))
    sections = [
        Section("The photos", _photos(images, out)),
        Section("The runs", _comparison(trained, best, part)),
        Section("Loss by epoch", _losses(trained, out)),
        Section("Validation accuracy by epoch", _accuracies(trained, out)),
        *(Section(title, make(trained[best].measured, out)) for title, make in sections_measured.SECTIONS.items()),
    ]
    document = render(f"Training runs: {', '.join(names)}", _INTRODUCTION, sections, _FOOTER)
    write_atomically(out / PAGE, lambda stream: stream.write(document.encode()))
    return out / PAGE


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names; with those above them where two have one name. Raises DataError for one folder given twice."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise DataError("a run is given twice; name each once")
    names = [folder.name for folder in folders]
    if len(set(names)) == len(names):
        return names
    above = os.path.commonpath([folder.resolve().parent for folder in folders])
    return [str(folder.resolve().relative_to(above)) for folder in folders]


def _trained(folder: Path, images: Images, part: str) -> TrainedRun:
    return TrainedRun(
        run_folder.read_description(folder), folds.results(folder), run_folder.read_metrics(folder), measured.of_run(folder, images, part)
    )


def _accuracy(found: EvaluatedModel) -> float:
    return sum(found.right) / len(found.right)


def _photos(images: Images, out: Path) -> Markup:
    labels = images.labels.tolist()
    counts = {name: labels.count(label) for label, name in enumerate(images.species)}
    charts.distribution(counts, out / "distribution.png")
    pictures.samples(images, out / "samples.png")
    return (
        paragraph(f"{len(labels):,} photos of {len(counts)} species.")
        + figure("samples.png", "One photo of each species: the one of median brightness.")
        + figure("distribution.png", "Photos of each species.")
    )


def _comparison(trained: dict[str, TrainedRun], best: str, part: str) -> Markup:
    rows = []
    for name, one in trained.items():
        recipe, n = one.identity.recipe, len(one.measured.rows)
        low, high = binomial.of_accuracy(_accuracy(one.measured), n)
        figures = metrics.figures(part, one.species, one.measured.probabilities, one.measured.labels)
        at = int(early_stopping.best_epoch(one.epochs, recipe.best_by)["epoch"])
        minutes = sum(row["seconds"] for row in one.epochs) / _MINUTE_S
        start = one.identity.started_from.partition("@")[0] or recipe.start or "random weights"
        gave = [f"{_accuracy(one.measured):.1%}", f"{low:.0%}–{high:.0%}", str(n), f"{figures.macro_f1:.3f}"]
        took = [f"{at} of {len(one.epochs)}", f"{minutes:.1f}"]
        rows.append([name, *gave, *took, one.identity.recipe_name, recipe.network, start, str(recipe.seed)])
    head = ("run", "accuracy", "95% interval", "images", "macro-F1", "best epoch", "minutes", "recipe", "network", "start", "seed")
    body = paragraph(f"Measured on {part} images.") + table(head, rows, text=(0, 7, 8, 9))
    for name, one in trained.items():
        if one.folds:
            n = len(one.measured.rows)
            shown = f"Tables and pictures on this page show the answers of the run's own network to {n} {part} images."
            body += paragraph(f"{name}, {folds.text(one.folds)}. {shown}")
    if len(trained) > 1:
        body += paragraph(f"The sections of answers below are of {best}, the best of them on these images.") + _pairs(trained)
    note = "These are the test images. Whoever chooses between runs by them has none left that tell the truth."
    if part == "validation":
        note = (
            "The best epoch was chosen on these validation images, so the figures are a little too good. The test images are kept for the"
            " end: export measures them once."
        )
    return body + paragraph(note)


def _pairs(trained: dict[str, TrainedRun]) -> Markup:
    """Each two runs that were measured on the same images."""
    rows = []
    for (name, one), (other_name, other) in itertools.combinations(trained.items(), 2):
        if one.measured.rows != other.measured.rows:
            continue
        pairs = list(zip(one.measured.right, other.measured.right, strict=True))
        first, second = pairs.count((True, False)), pairs.count((False, True))
        rows.append((name, other_name, str(first), str(second), binomial.percent(binomial.by_chance(first, second))))
    if not rows:
        return paragraph("No two of them were measured on the same images, so they can be compared by their intervals alone.")
    text = "Two runs on the same images differ where one is right and the other is not. The last column is how often chance does as much."
    return paragraph(text) + table(("run", "other run", "only the run right", "only the other right", "by chance"), rows, text=(0, 1))


def _losses(trained: dict[str, TrainedRun], out: Path) -> Markup:
    charts.losses(trained, out / "loss.png")
    text = (
        "Labels are smoothed in training, where the recipe says so, and never in validation."
        " TensorBoard shows the same: .venv/bin/tensorboard --logdir RUN."
    )
    return paragraph(text) + figure("loss.png", "Loss by epoch.")


def _accuracies(trained: dict[str, TrainedRun], out: Path) -> Markup:
    first = next(iter(trained.values())).measured.labels
    charts.accuracies(trained, float(first.bincount().max()) / len(first), out / "accuracy.png")
    return figure("accuracy.png", "Share of the validation images that are answered rightly after each epoch.")

"""The sections about the published model: what the report lacks."""

from typing import Any

import torch
from markupsafe import Markup

from training.evaluation import metrics
from training.experiments.report import charts, pictures
from training.experiments.report.material import Material, Measured
from training.experiments.report.page import Section, figure, missing, paragraph, source, table

_MISTAKES, _PAIRS = 18, 15
_EXPORT = "python -m training export --run RUN --data DIR --store models_store --compact"


def confusion(material: Material) -> Section:
    """Which species is taken for which, and precision, recall and F1 of each."""
    title = "Species by species"
    measured = material.measured
    if measured is None:
        return Section(title, _no_model(material))
    figures = metrics.figures("test", measured.images.species, measured.probabilities, measured.labels)
    charts.confusion(figures, material.out / "confusion.png")
    rows = [(name, f"{row.precision:.1%}", f"{row.recall:.1%}", f"{row.f1:.3f}", str(row.n)) for name, row in figures.per_species.items()]
    text = f"{_named(measured)} on {figures.n} test images: accuracy {figures.accuracy:.2%}, macro-F1 {figures.macro_f1:.4f}."
    shown = figure(
        "confusion.png", "Confusion matrix of the test images: rows are species, columns answers; the shade is the share of the row."
    )
    per_species = table(("species", "precision", "recall", "F1", "images"), rows)
    return Section(title, paragraph(text) + shown + per_species + _measured_now(measured))


def reliability(material: Material) -> Section:
    """How far probabilities can be trusted."""
    title = "Are the probabilities honest?"
    measured = material.measured
    if measured is None:
        return Section(title, _no_model(material))
    charts.reliability(measured.probabilities, measured.labels, material.out / "reliability.png")
    calibration = measured.manifest.calibration
    highest, answers = measured.probabilities.max(1)
    confident = highest >= calibration.confident_from
    right = float((answers == measured.labels)[confident].float().mean()) if bool(confident.any()) else 0.0
    error = metrics.figures("test", measured.images.species, measured.probabilities, measured.labels).ece
    text = (
        f"Temperature {calibration.temperature:.3f}, fitted on validation. Expected calibration error on test {error:.2%}"
        f" ({metrics.ECE_BINS} bins). "
    )
    if calibration.threshold is None:
        text += f"No answer is called confident: {calibration.threshold_reason}."
    else:
        text += (
            f"From a probability of {calibration.threshold:.3f} on an answer is called confident:"
            f" {float(confident.float().mean()):.1%} of the test images, {right:.1%} of them right."
        )
    shown = figure(
        "reliability.png", "Above: how often answers of a given probability are right. Below: how many such answers there are.", 64
    )
    return Section(title, paragraph(text) + shown + _measured_now(measured))


def mistakes(material: Material) -> Section:
    """The wrong answers that sounded surest."""
    title = "The worst mistakes"
    measured = material.measured
    if measured is None:
        return Section(title, _no_model(material))
    highest, answers = measured.probabilities.max(1)
    wrong = torch.nonzero(answers != measured.labels)[:, 0]
    if not len(wrong):
        return Section(title, paragraph("There are none on the test images."))
    worst = wrong[highest[wrong].argsort(descending=True)][:_MISTAKES].tolist()
    names = measured.images.species
    titles = [f"{names[int(measured.labels[i])]}, {float(highest[i]):.0%}\n→ {names[int(answers[i])]}" for i in worst]
    pictures.mistakes(measured.images, [measured.split.test[i] for i in worst], titles, material.out / "mistakes.png")
    text = f"{len(wrong)} of {len(answers)} test images are answered wrongly; these {len(worst)} with the highest probability."
    return Section(
        title, paragraph(text) + figure("mistakes.png", "Species, probability of the answer, → answer.") + _measured_now(measured)
    )


def sizes(material: Material) -> Section:
    """Size against accuracy."""
    title = "How small it can be"
    document = material.document("compact.json")
    if document is None:
        return Section(title, missing("The curve has no results yet.", "python -m training curve --run RUN --data DIR"))
    points: list[dict[str, Any]] = document["points"]
    charts.sizes(points, material.out / "compact.png")
    rows = [
        (
            "whole" if point["rank"] is None else str(point["rank"]),
            point["storage"],
            f"{point['bytes'] / 1e6:.2f}",
            f"{point['validation_accuracy']:.2%}",
            f"{point['test_accuracy']:.2%}",
            f"{point['test_macro_f1']:.4f}",
            f"{point['agreement']:.2%}",
        )
        for point in points
    ]
    text = (
        "The first dense layer, 94% of the weights, is factored to a low rank; weights are stored in two bytes or one."
        " Nothing is trained again."
    )
    head = ("rank", "storage", "MB", "validation", "test", "macro-F1", "same answer as the whole")
    shown = figure("compact.png", "Size of the model file against test accuracy.")
    return Section(title, paragraph(text) + shown + table(head, rows, text=(1,)) + source(f"results/compact.json, run {document['run']}"))


def leakage(material: Material) -> Section:
    """Near duplicates across the split."""
    title = "Test images that look like training images"
    document = material.document("leakage.json")
    if document is None:
        return Section(
            title,
            missing(
                "The search has no results yet.", "python -m training leakage --artifact models_store/shipped/seedlings/VERSION --data DIR"
            ),
        )
    rows = [
        (f"≥ {row['threshold']}", str(row["near_duplicates"]), str(row["kept"]), f"{row['accuracy_without']:.2%}")
        for row in document["thresholds"]
    ]
    text = (
        "Byte-identical files are kept on one side by the split. About 960 plants were photographed several times, and the file names"
        f" do not say which, so photos of one plant stand on both sides. Similarity is the {document['measure']}: from 0.9 on the pairs"
        " show one plant, lower down more and more are merely alike, in pose or by the same ruler in the picture; plants that grew or"
        " moved between two photos are not found at all. So the accuracy without the near ones says what copies add, not what a plant"
        " never seen would cost."
    )
    all_of_them = paragraph(f"{document['model']} on all {document['test_images']} test images: {document['accuracy']:.2%}.")
    head = ("similarity", "test images with such a neighbour", "the rest", "accuracy on the rest")
    body = paragraph(text) + all_of_them + table(head, rows) + _pairs(material, document)
    return Section(title, body + source("results/leakage.json"))


def _pairs(material: Material, document: dict[str, Any]) -> Markup:
    row = {file: number for number, file in enumerate(material.images.files)}
    known = [pair for pair in document["pairs"] if pair["test"] in row and pair["other"] in row]
    if not known:
        return Markup("")
    shown = known[:_PAIRS]
    titles = [f"{pair['test'].split('/')[0]}, {pair['similarity']:.3f}" for pair in shown]
    pictures.pairs(material.images, [(row[pair["test"]], row[pair["other"]]) for pair in shown], titles, material.out / "leakage.png")
    return figure(
        "leakage.png", "Pairs found: left the test image, right its neighbour in train or validation, above them their similarity."
    )


def _no_model(material: Material) -> Markup:
    return missing(f"There is no model to measure: {material.reason}.", _EXPORT)


def _named(measured: Measured) -> str:
    return f"{measured.manifest.name}/{measured.manifest.version}"


def _measured_now(measured: Measured) -> Markup:
    return source(f"answers of {_named(measured)} ({measured.manifest.size_bytes / 1e6:.1f} MB), computed when this page was built")

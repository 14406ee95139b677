"""The sections about the published model that need results kept before: its size, and near duplicates."""

from typing import Any

from markupsafe import Markup

from training.experiments.report import charts, pictures
from training.experiments.report.html_page import Section, figure, missing, paragraph, source, table
from training.experiments.report.material import Material

_PAIRS = 15


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

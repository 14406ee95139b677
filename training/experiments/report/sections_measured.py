"""What there is to say of any model's answers: of a user's run as of the shipped version. Each gives the body of a section."""

from collections.abc import Callable
from pathlib import Path

import torch
from markupsafe import Markup

from training.artifact import binomial
from training.data.tensors import to_float
from training.evaluation import metrics, saliency
from training.experiments.report import charts, pictures
from training.experiments.report.html_page import details, figure, paragraph, source, table
from training.experiments.report.measured import EvaluatedModel

_SHOWN = 18  # photos of a gallery
_EXPLAINED = 120  # images of which the saliency is computed; lines of pictures show a few


def confusion(measured: EvaluatedModel, out: Path) -> Markup:
    """Which species is taken for which, and precision, recall and F1 of each."""
    figures = metrics.figures(measured.part, measured.images.species, measured.probabilities, measured.labels)
    charts.confusion(figures, out / "confusion.png")
    rows = []
    for name, row in figures.per_species.items():
        low, high = binomial.of_accuracy(row.recall, row.n)
        rows.append((name, f"{row.precision:.1%}", f"{row.recall:.1%}", f"{low:.0%}–{high:.0%}", f"{row.f1:.3f}", str(row.n)))
    low, high = binomial.of_accuracy(figures.accuracy, figures.n)
    text = (
        f"{measured.name} on {figures.n} {measured.part} images: accuracy {figures.accuracy:.2%}, with 95% certainty between {low:.1%} and"
        f" {high:.1%} on photos like these; macro-F1 {figures.macro_f1:.4f}."
    )
    caption = f"Confusion matrix of the {measured.part} images: rows are species, columns answers; the shade is the share of the row."
    per_species = table(("species", "precision", "recall", "95% interval of the recall", "F1", "images"), rows)
    return paragraph(text) + figure("confusion.png", caption) + per_species + source(measured.source)


def reliability(measured: EvaluatedModel, out: Path) -> Markup:
    """How far probabilities can be trusted."""
    charts.reliability(measured.probabilities, measured.labels, out / "reliability.png")
    calibration = measured.calibration
    error = metrics.figures(measured.part, measured.images.species, measured.probabilities, measured.labels).ece
    expected = f"Expected calibration error on {measured.part} {error:.2%} ({metrics.ECE_BINS} bins). "
    if calibration is None:
        text = f"{expected}These are the network's own probabilities: export divides its logits by a temperature that makes them honest."
    else:
        text = f"Temperature {calibration.temperature:.3f}, fitted on validation. {expected}"
        highest, answers = measured.probabilities.max(1)
        confident = (highest >= calibration.confident_from) & measured.familiar
        right = float((answers == measured.labels)[confident].float().mean()) if bool(confident.any()) else 0.0
        if calibration.threshold is None:
            text += f"No answer is called confident: {calibration.threshold_reason}."
        else:
            text += (
                f"From a probability of {calibration.threshold:.3f} on an answer to a familiar photo is called confident:"
                f" {float(confident.float().mean()):.1%} of the {measured.part} images, {right:.1%} of them right."
            )
    caption = "Above: how often answers of a given probability are right. Below: how many such answers there are."
    return paragraph(text) + figure("reliability.png", caption, 64) + source(measured.source)


def mistakes(measured: EvaluatedModel, out: Path) -> Markup:
    """The wrong answers that sounded surest."""
    highest, answers = measured.probabilities.max(1)
    wrong = torch.nonzero(answers != measured.labels)[:, 0]
    if not len(wrong):
        return paragraph(f"There are none on the {measured.part} images.")
    worst = wrong[highest[wrong].argsort(descending=True)][:_SHOWN].tolist()
    shown = "those with the highest probability first" if len(worst) == len(wrong) else f"these {len(worst)} with the highest probability"
    text = f"{len(wrong)} of {len(answers)} {measured.part} images are answered wrongly; {shown}."
    return paragraph(text) + _gallery(measured, worst, out / "mistakes.png", "Species, probability of the answer, → answer.")


def least_sure(measured: EvaluatedModel, out: Path) -> Markup:
    """The answers with the lowest probability: photos like these teach most."""
    least = measured.probabilities.max(1).values.argsort()[:_SHOWN].tolist()
    text = (
        "Of all answers these have the lowest probability. A photo in the wrong folder, out of focus or without a plant is found"
        " here; more photos like the rest teach most."
    )
    return paragraph(text) + _gallery(
        measured, least, out / "least-sure.png", "Species, probability of the answer, → answer where it is wrong."
    )


def looked_at(measured: EvaluatedModel, out: Path) -> Markup:
    """Where the network saw what spoke for its answer."""
    if measured.explain is None:
        return paragraph(f"{measured.name} was exported without the two halves that saliency is computed by.")
    right = torch.tensor(measured.right)
    sure = measured.probabilities.max(1).values.argsort(descending=True).tolist()
    wrong = [index for index in sure if not right[index]][: _EXPLAINED // 2]
    chosen = wrong + [index for index in sure if right[index]][: _EXPLAINED - len(wrong)]
    pixels = measured.images.pixels[[measured.rows[index] for index in chosen]]
    found = measured.explain(pixels, measured.probabilities[chosen].argmax(1))
    heat, green = saliency.on_plant(found, to_float(pixels))
    half = pictures.COLUMNS // 2
    shown = list(range(min(half, len(wrong)))) + list(range(len(wrong), min(len(chosen), len(wrong) + 2 * half)))
    maps = saliency.enlarged(found[shown], pixels.shape[2])
    titles = [measured.title(chosen[index]) for index in shown]
    pictures.overlaid(pixels[shown], maps, titles, out / "saliency.png")
    text = (
        f"Of what spoke for the answers to {len(chosen)} {measured.part} images, {heat:.0%} lies on what is green, which is {green:.0%} of"
        " the pictures. A share that is hardly larger says that the network goes by the background, and will fail on another one."
    )
    caption = "Warm: what spoke for the answer. First wrong answers, where there are any, then right ones."
    return paragraph(text) + figure("saliency.png", caption) + source(measured.source)


def _gallery(measured: EvaluatedModel, chosen: list[int], file: Path, caption: str) -> Markup:
    titles = [measured.title(index) for index in chosen]
    pictures.gallery(measured.images, [measured.rows[index] for index in chosen], titles, file)
    files = [measured.images.files[measured.rows[index]] for index in chosen]
    return figure(file.name, caption) + details("Their files, from the upper left on", files) + source(measured.source)


SECTIONS: dict[str, Callable[[EvaluatedModel, Path], Markup]] = {
    "Species by species": confusion,
    "Are the probabilities honest?": reliability,
    "The worst mistakes": mistakes,
    "The least sure": least_sure,
    "What it looked at": looked_at,
}

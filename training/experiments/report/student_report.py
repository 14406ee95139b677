"""The page that repeats the student report which the project began with: each of its figures and tables, on the same images."""

from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup

from models_store import store
from training.atomic_files import write_atomically
from training.data.images import Images
from training.errors import TrainingError
from training.experiments import results
from training.experiments.report import measured as measuring
from training.experiments.report import sections_measured, sections_model, sections_results
from training.experiments.report.html_page import PAGE, Section, missing, render
from training.experiments.report.material import Material
from training.experiments.report.measured import EvaluatedModel

_EXPORT = "python -m training export --run RUN --data DIR --store models_store --compact"


def _of_model(title: str, make: Callable[[EvaluatedModel, Path], Markup]) -> Callable[[Material], Section]:
    def section(material: Material) -> Section:
        if material.measured is None:
            return Section(title, missing(f"There is no model to measure: {material.reason}.", _EXPORT))
        return Section(title, make(material.measured, material.out))

    return section


_SECTIONS = (
    sections_results.samples,
    sections_results.distribution,
    sections_results.architectures,
    sections_results.curves,
    sections_results.validation,
    sections_results.table_1,
    sections_results.ablation,
    sections_results.five_networks,
    *(_of_model(title, make) for title, make in sections_measured.SECTIONS.items()),
    sections_model.sizes,
    sections_model.leakage,
)
_INTRODUCTION = (
    "A report trained an AlexNet-style network of 54,717,714 parameters from scratch to tell twelve species of seedlings apart,"
    " saw 16% and 11% on its test images, and could not say why. This page repeats its figures and tables on the same images,"
    " explains the failure by measurement, and shows how far the same network goes."
)
_FOOTER = (
    "Photos: Plant Seedlings data set, version 1 (Giselsson, Dyrmann, Jørgensen, Jensen, Midtiby 2017, arXiv:1711.05458)."
    " © 2014 Mads Dyrmann, Peter Christiansen, University of Southern Denmark, and Aarhus University; Creative Commons BY-SA 4.0."
    " Figures on this page that show them fall under the same licence."
)


def build(images: Images, kept: Path, artifact: Path | None, out: Path) -> Path:
    """Write the page and its PNGs into `out`; returns the page.

    Training curves and tables come from the folder of results `kept`, the answers for the test images from `artifact`, or
    else from the newest version that ships with the project. What is not there yet is named, with the command that makes
    it. Raises RunError for a damaged result, TrainingError for an `artifact` that cannot be used, DiskError.
    """
    measured, reason = _measured(images, artifact)
    material = Material(images, results.read(kept), kept, out, measured, reason)
    document = render("Plant seedlings: the report, regenerated", _INTRODUCTION, [make(material) for make in _SECTIONS], _FOOTER)
    write_atomically(out / PAGE, lambda stream: stream.write(document.encode()))
    return out / PAGE


def _measured(images: Images, artifact: Path | None) -> tuple[EvaluatedModel | None, str]:
    if artifact is not None:
        return measuring.of_artifact(artifact, images), ""
    try:
        return measuring.of_artifact(store.resolve(store.SHIPPED_STORE, "seedlings"), images), ""
    except store.ArtifactMissing:
        return None, "no version of it is published"
    except TrainingError as error:  # other images than the shipped model's are no reason to withhold the rest
        return None, str(error)

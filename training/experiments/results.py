"""Results: a small file for each finished run, kept in the repository, from which tables and figures are made.

runs/<recipe>.<network>.<seed>.json    recipe, seed, machine, every epoch, figures on the test split
runs.csv                               the same in one line a run
"""

import csv
import io
import statistics
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError, model_validator
from torch import Tensor

from models_store.manifest import Figures
from training import machine, networks
from training.atomic_files import write_atomically, write_json
from training.data.images import Images
from training.errors import RunError
from training.evaluation import latency, metrics, predictions
from training.fitting import provenance, run_folder
from training.fitting.run_identity import Identity
from training.old_names import renamed

RUNS, TABLE = "runs", "runs.csv"
_COLUMNS = [
    *("recipe", "network", "seed", "epochs", "best_epoch", "validation_accuracy", "test_accuracy", "test_macro_f1"),
    *("seconds_per_epoch", "milliseconds_per_prediction", "processor"),
]


class RunResult(Identity):
    """What one run gave. `epochs` are the rows of its `metrics.csv`."""

    machine: dict[str, str | int]  # that measured, as a rule the same
    parameters: int
    best_epoch: int  # chosen on validation, counted from 1
    epochs: list[dict[str, float]]
    seconds_per_epoch: float  # median
    milliseconds_per_prediction: float  # median, one image, exported and frozen
    test: Figures  # of the best epoch's weights, one forward pass, float32
    test_tta: Figures | None = None  # test-time augmentation: probabilities averaged over the 8 orientations of each image

    @model_validator(mode="before")
    @classmethod
    def _keys_of_before(cls, document: Any) -> Any:
        return renamed(document, {"grounds": "backgrounds", "test_views": "test_tta"})

    @model_validator(mode="after")
    def _holds_its_best_epoch(self) -> Self:
        if not 1 <= self.best_epoch <= len(self.epochs):
            raise ValueError(f"best_epoch = {self.best_epoch}, and it has {len(self.epochs)} epochs")
        return self

    @property
    def validation_accuracy(self) -> float:
        """Of the best epoch's weights."""
        return self.epochs[self.best_epoch - 1]["validation_accuracy"]


def record(folder: Path, images: Images, results: Path) -> RunResult:
    """Measure a finished run's best weights on the test split, and write its result. Raises RunError, DataError, DiskError."""
    description, network, epoch = run_folder.load_best(folder)
    split = provenance.split_of(images, description, provenance.of_run(folder, description, images).learnt)
    if description.averaged:
        raise RunError(f"{folder} is a mean of runs and was not trained itself; export it, and its figures stand in the manifest")
    if not run_folder.is_finished(folder, description):
        done, epochs = run_folder.finished_epochs(folder), description.recipe.epochs
        raise RunError(f"{folder} has finished {done} of {epochs} epochs; go on with 'python -m training fit'")
    rows = run_folder.finished_metrics(folder, description)
    pixels, labels = images.pixels[split.test], images.labels[split.test]

    def answer(pixels: Tensor) -> Tensor:
        return predictions.logits(network, pixels).softmax(1)

    result = RunResult(
        **dict(description.identity()),
        machine=machine.describe(),
        parameters=networks.parameters(network),
        best_epoch=epoch,
        epochs=rows,
        seconds_per_epoch=statistics.median(row["seconds"] for row in rows),
        milliseconds_per_prediction=round(latency.milliseconds(network), 2),
        test=metrics.figures("test", images.species, answer(pixels), labels),
        test_tta=metrics.figures("test", images.species, predictions.over_orientations(answer, pixels), labels),
    )
    write_json(results / RUNS / f"{result.name}.json", result.model_dump(mode="json"))
    _write_table(results)
    return result


def read(results: Path) -> list[RunResult]:
    """Every run's result, by name; none where there is no such folder. Raises RunError naming a file that is damaged."""
    return [_read(file) for file in sorted((results / RUNS).glob("*.json"))]


def find(results: Path, name: str) -> RunResult | None:
    """The result of that name, or None. Raises RunError."""
    file = results / RUNS / f"{name}.json"
    return _read(file) if file.exists() else None


def _read(file: Path) -> RunResult:
    try:
        return RunResult.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise RunError(f"{file} cannot be read ({str(error).splitlines()[0]}); remove it and record the run again") from None


def _write_table(results: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in read(results):
        figures = [f"{value:.4f}" for value in (one.validation_accuracy, one.test.accuracy, one.test.macro_f1)]
        how = [one.recipe_name, one.recipe.network, one.recipe.seed, one.recipe.epochs, one.best_epoch]
        writer.writerow([*how, *figures, one.seconds_per_epoch, one.milliseconds_per_prediction, one.machine["processor"]])
    write_atomically(results / TABLE, lambda stream: stream.write(text.getvalue().encode()))

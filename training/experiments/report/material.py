"""What the page is made of: the images, the committed results, and the model's answers for the test images."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from training.data.images import Images
from training.errors import RunError
from training.experiments.report.measured import EvaluatedModel
from training.experiments.results import RunResult


@dataclass(frozen=True)
class Material:
    """Everything a section can draw on. `measured` is None where there is no model of these images; `reason` says why."""

    images: Images
    runs: list[RunResult]
    results: Path
    out: Path
    measured: EvaluatedModel | None
    reason: str

    def of(self, recipe: str, network: str | None = None) -> list[RunResult]:
        """The results of a recipe, one a seed, by seed."""
        found = [one for one in self.runs if one.recipe_name == recipe and network in (None, one.recipe.network)]
        return sorted(found, key=lambda one: one.recipe.seed)

    def document(self, *names: str) -> dict[str, Any] | None:
        """The first of these files that the folder of results holds, or None. Raises RunError if it is damaged."""
        file = next((self.results / name for name in names if (self.results / name).exists()), None)
        if file is None:
            return None
        try:
            document: dict[str, Any] = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{file} cannot be read ({str(error).splitlines()[0]}); remove it and make it again") from None
        return document

    @property
    def most_frequent(self) -> float:
        """The accuracy of one answer for all: the share of the most frequent species."""
        return float(self.images.labels.bincount().max()) / len(self.images.labels)


def spread(values: Iterable[float]) -> str:
    """Mean of shares of 1 as percent, with the standard deviation where there are several."""
    found = list(values)
    if len(found) < 2:
        return f"{found[0]:.1%}" if found else "–"
    return f"{100 * mean(found):.1f} ± {100 * stdev(found):.1f}%"

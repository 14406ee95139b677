"""Honest probabilities: a temperature, and thresholds from which on answers can be relied upon, chosen on validation images."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models_store.manifest import Calibration, Familiarity, Species
from training.artifact import answer_figures, binomial, thresholds
from training.artifact.thresholds import HeldOutAnswers

PROMISE = 0.99  # share of what is relied upon that is to be right


def calibrate(
    temperature: float,
    species: list[Species],
    validation: HeldOutAnswers,
    field: Sequence[HeldOutAnswers] = (),
    familiarity: Familiarity | None = None,
) -> Calibration:
    """The thresholds of each rank from validation answers at this temperature; they hold on all photos of the `field` too.

    The latter are one set, of whatever fields: each alone would be too few. Where no threshold keeps the promise, it is None, and
    its reason says why and what to do.
    """
    sets = [validation, *([thresholds.together("field photos", field)] if field else [])]
    chosen = thresholds.choose(species, sets)
    calibration = Calibration(
        temperature=temperature,
        **chosen["species"].model_dump(),
        threshold_rule=thresholds.rule(sets),
        promise=validation.promise,
        field_promise=sets[1].promise if field else None,
        certainty=binomial.CERTAINTY,
        kind=chosen["kind"],
        group=chosen["group"],
        validation_coverage=0,
        validation_accuracy=None,
        familiarity=familiarity,
    )
    found = answer_figures.figures(species, calibration, validation)
    n, confident = found.n, found.answered["species"]
    return calibration.model_copy(
        update={
            "validation_answers": found,
            "validation_coverage": confident / n,
            "validation_accuracy": 1 - found.wrong["species"] / confident if confident else None,
        }
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature that minimises the cross-entropy of `logits / temperature`, between 0.05 and 20.

    Guo et al. (2017), *On Calibration of Modern Neural Networks*. It changes no answer, only how sure it sounds. Of n images each label
    counts 1 - 1 / (n + 2), and the other species share the rest, as in Platt (1999), *Probabilistic Outputs for Support Vector Machines*:
    few images that are all right would otherwise make every answer certain.
    """
    logits = logits.double()
    images, species = logits.shape
    doubt = 1 / (images + 2)
    targets = torch.full_like(logits, doubt / (species - 1)).scatter_(1, labels[:, None], 1 - doubt)
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_temperature.exp(), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return float(log_temperature.detach().exp().clamp(0.05, 20))

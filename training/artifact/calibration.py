"""Honest probabilities: a temperature, and a threshold for "confident", both chosen on validation images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models_store.manifest import Calibration

CONFIDENT_ACCURACY = 0.99


def calibrate(logits: Tensor, labels: Tensor) -> Calibration:
    """Temperature and threshold from validation logits float [N,species] and labels int64 [N]."""
    temperature = fit_temperature(logits, labels)
    threshold, coverage, accuracy = choose_threshold((logits / temperature).softmax(1), labels)
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        threshold_rule=f"the lowest at which {CONFIDENT_ACCURACY:.0%} of the validation answers at or over it are right",
        validation_coverage=coverage,
        validation_accuracy=accuracy,
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature that minimises the cross-entropy of `logits / temperature`, between 0.05 and 20.

    Guo et al. (2017), *On Calibration of Modern Neural Networks*. It changes no answer, only how sure it sounds.
    """
    logits = logits.double()
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_temperature.exp(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return float(log_temperature.detach().exp().clamp(0.05, 20))


def choose_threshold(probabilities: Tensor, labels: Tensor, accuracy: float = CONFIDENT_ACCURACY) -> tuple[float, float, float]:
    """The threshold that answers most images while `accuracy` of these answers are right.

    probabilities float [N,species], labels int64 [N] → threshold, share of images at or over it, accuracy on them.
    Where no threshold reaches the accuracy it is 1, and nothing is answered with confidence.
    """
    highest, answers = probabilities.double().max(1)
    order = highest.argsort(descending=True)
    right = (answers == labels)[order].double().cumsum(0) / torch.arange(1, len(labels) + 1)  # accuracy of the n surest, [N]
    reached = (right >= accuracy).nonzero()
    if not len(reached):
        return 1.0, 0.0, 0.0
    n = int(reached[-1]) + 1
    lowest = float(highest[order[n - 1]])
    return max(0.0, lowest - 1e-6), n / len(labels), float(right[n - 1])

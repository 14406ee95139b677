"""Honest probabilities: a temperature, and a threshold for "confident", both chosen on validation images."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from models_store.manifest import Calibration
from training.artifact import binomial

PROMISE = 0.99  # share of confident answers that are to be right


def calibrate(logits: Tensor, labels: Tensor, promise: float = PROMISE) -> Calibration:
    """Temperature and threshold from validation logits float [N,species] and labels int64 [N].

    Where no threshold keeps the promise, the threshold is None, and `threshold_reason` says why and what to do.
    """
    temperature = fit_temperature(logits, labels)
    threshold, confident, right = choose_threshold((logits / temperature).softmax(1), labels, promise)
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        threshold_reason=_reason(len(labels), promise) if threshold is None else None,
        threshold_rule=f"the lowest over which at least {promise:.4g} of the answers are right, with {binomial.CERTAINTY:.0%} certainty"
        " by the exact binomial (Clopper-Pearson) bound on the validation answers",
        promise=promise,
        certainty=binomial.CERTAINTY,
        validation_coverage=confident / len(labels),
        validation_accuracy=right / confident if confident else None,
    )


def _reason(n: int, promise: float) -> str:
    least = binomial.least_answers(promise)
    if n < least:
        why = f"{n} validation images are too few: a promise of {promise:.4g} takes at least {least} answers without a mistake"
    else:
        why = f"over no threshold are enough of the {n} validation answers right for a promise of {promise:.4g}"
    return f"{why}, at {binomial.CERTAINTY:.0%} certainty. Add images, train further, or promise less, such as --promise 0.95"


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


def choose_threshold(probabilities: Tensor, labels: Tensor, promise: float = PROMISE) -> tuple[float | None, int, int]:
    """The lowest threshold that keeps the promise on the answers at or over it, how many these are, how many are right.

    probabilities float [N,species], labels int64 [N]. The promise is kept where the exact binomial lower bound on the share of
    right answers reaches it. The bound is of each threshold by itself: that the lowest of many is taken is not corrected for.
    (None, 0, 0) where no threshold keeps it.
    """
    highest, answers = probabilities.double().max(1)
    order = highest.argsort(descending=True)
    surest = highest[order].tolist()
    right = (answers == labels)[order].cumsum(0).tolist()  # among the n surest, [N]
    for n in range(len(surest), 0, -1):
        following = surest[n] if n < len(surest) else 0.0
        if following < surest[n - 1] and binomial.lower_bound_reaches(promise, right[n - 1], n):
            # A little under the last answer that counts, since a batch of another size rounds otherwise.
            return math.nextafter(surest[n - 1], 0) - min(1e-6, (surest[n - 1] - following) / 2), n, right[n - 1]
    return None, 0, 0

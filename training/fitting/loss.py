"""The loss, the report's mistake in it as an option, and the check that finds that mistake at once."""

import torch
import torch.nn.functional as F
from torch import Tensor

from training.errors import TrainingError


def cross_entropy(outputs: Tensor, labels: Tensor, label_smoothing: float = 0.0, softmax_before_loss: bool = False) -> Tensor:
    """Cross-entropy of logits [N,species] with labels int64 [N] or probabilities [N,species], one for each: float [N].

    `softmax_before_loss` puts a second softmax in front of the one inside the loss, as the report did. It confines the
    loss to [ln(1+(k-1)/e), that + 1] for k species and takes the gradient away wherever an output saturates.
    """
    if softmax_before_loss:
        outputs = outputs.softmax(1)
    return F.cross_entropy(outputs.float(), labels, label_smoothing=label_smoothing, reduction="none")


def adjustment(counts: Tensor, strength: float) -> Tensor:
    """What is added to logits in the loss so that rare species are not drowned: int64 [species] images of each → float [species].

    Menon et al. (2021), *Long-tail learning via logit adjustment*, equation 10: the logarithm of each species' share, times
    `strength`. A species without images counts as having one.
    """
    counts = counts.clamp_min(1).float()
    return strength * (counts / counts.sum()).log()


def refuse_probabilities(outputs: Tensor) -> None:
    """Raise TrainingError when a network's outputs [N,species] are probabilities already: all ≥ 0, rows summing to 1."""
    rows = outputs.detach().float()
    if bool((rows >= 0).all()) and torch.allclose(rows.sum(1), torch.ones(len(rows), device=rows.device), atol=1e-2):
        raise TrainingError("the network ends in a softmax, and the loss takes one of its own: training would stall; return logits")

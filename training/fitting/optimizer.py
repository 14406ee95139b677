"""Optimisers and the learning rate over a run."""

import math

import torch
from torch import nn

from training import recipe


def build(network: nn.Module, settings: recipe.Optimizer) -> torch.optim.Optimizer:
    """The optimiser of a recipe. Weight decay touches matrices and kernels only, not biases and norms."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    weights = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    rate = settings.learning_rate
    match settings.name:
        case "sgd":
            return torch.optim.SGD(groups, rate, momentum=settings.momentum, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(groups, rate, momentum=settings.momentum)
        case "adagrad":
            return torch.optim.Adagrad(groups, rate)
        case "adam":
            return torch.optim.Adam(groups, rate, betas=settings.betas, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, rate, betas=settings.betas, fused=True)


def learning_rate(settings: recipe.Optimizer, schedule: recipe.Schedule, step: int, steps: int) -> float:
    """The learning rate of step 0…steps-1: constant, in stairs, or a linear rise to the peak and a half cosine to zero."""
    if schedule.name == "constant":
        return settings.learning_rate
    if schedule.name == "step":
        return settings.learning_rate * 0.1 ** (step * (schedule.falls + 1) // steps)
    warmup = schedule.warmup * steps
    if step < warmup:
        return settings.learning_rate * (step + 1) / (math.floor(warmup) + 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, steps - warmup)))

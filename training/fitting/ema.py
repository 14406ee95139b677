"""An exponential moving average of the weights, which generalises better than the last step's weights."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of `network` whose `update_parameters` moves weights and buffers towards the network's by `1 - decay`.

    The decay starts small and rises as (1+t)/(10+t) until it reaches `decay`, so that the random weights of the first
    steps are soon forgotten (as TensorFlow's ExponentialMovingAverage does with a step count).
    """
    return AveragedModel(network, multi_avg_fn=_towards(decay), use_buffers=True)


def _towards(decay: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    @torch.no_grad()
    def update(averages: _Tensors, currents: _Tensors, count: Tensor | int) -> None:
        now = min(decay, (1 + int(count)) / (10 + int(count)))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, currents, 1 - now)
        else:  # a norm's count of batches
            torch._foreach_copy_(averages, currents)

    return update

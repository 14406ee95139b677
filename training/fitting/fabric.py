"""On which device and in which precision a network is trained: Lightning Fabric, launched."""

import logging
import shutil
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from training import machine
from training.errors import RunError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_fabric(device: str = "auto", devices: int = 1, nodes: int = 1, precision: str = "auto") -> "Fabric":
    """A launched Fabric: `device` auto, cpu or cuda; `precision` auto, 32-true or bf16-mixed. Raises RunError.

    auto takes bfloat16 where the processor computes in it (tensor cores; AVX512-BF16 or AMX), else float32.
    """
    from lightning_fabric import Fabric

    accelerator = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and torch.cuda.device_count() < devices:
        raise RunError(f"{devices} CUDA devices were asked for, {torch.cuda.device_count()} are there; use --devices or --device cpu")
    if precision == "auto":
        precision = "bf16-mixed" if _computes_in_bf16(accelerator) else "32-true"
    strategy = "ddp" if devices * nodes > 1 else "auto"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # else it tells how it computes bfloat16, by its own name for it
    fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, strategy=strategy, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def _computes_in_bf16(accelerator: str) -> bool:
    if accelerator == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return machine.computes_in_bfloat16()


def compiled(network: nn.Module, device: torch.device) -> nn.Module:
    """On a GPU the compiled network, where there is the C compiler that this takes; on a CPU compiling made steps slower."""
    has_compiler = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    return cast(nn.Module, torch.compile(network)) if device.type == "cuda" and has_compiler else network


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"

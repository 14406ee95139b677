"""The machine that a measurement was made on, in a few words; no names of hosts, people or folders."""

import os
import platform
from pathlib import Path

import torch


def describe() -> dict[str, str | int]:
    """Processor, cores this process may use, memory in GiB, accelerator, and the versions that decide speed."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def computes_in_bfloat16() -> bool:
    """Whether this processor is made for it and oneDNN takes it; `service/inference/engine.py` has the same rule.

    torch's list of abilities knows neither the limits of oneDNN nor its masks; oneDNN counts processors that only imitate it.
    """
    made_for_it = any("bf16" in name for name, there in torch.cpu.get_capabilities().items() if there)
    in_onednn = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()  # type: ignore[no-untyped-call]
    return made_for_it and bool(in_onednn)


def _processor() -> str:
    """The processor's name and what of its instruction set matters to a network."""
    lines = _lines(Path("/proc/cpuinfo"))
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor() or "unknown")
    wide = [what for what, there in torch.cpu.get_capabilities().items() if there is True and what in ("avx2", "avx512_bf16", "amx_bf16")]
    return f"{name} ({', '.join(wide)})" if wide else name


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:  # not Linux
        return []

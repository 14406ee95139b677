"""The limit: the same network in this process, nothing around it. Prints JSON, images a second."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from common import MAX_BATCH, SIZE, arguments, infer, load

from models_store import pixels

OPTIONS = arguments()
SECONDS = 3.0


def rate(work: Callable[[], int]) -> float:
    """Images a second of `work`, which returns how many it did."""
    done, started = 0, time.monotonic()
    while time.monotonic() < started + SECONDS:
        done += work()
    return round(done / (time.monotonic() - started), 2)


def forward(module: object, size: int) -> Callable[[], int]:
    batch = np.random.default_rng(0).integers(0, 256, (size, 3, SIZE, SIZE), np.uint8)

    def work() -> int:
        infer(module, batch)
        return size

    return work


def with_decoding(module: object, body: bytes, size: int, pool: ThreadPoolExecutor) -> Callable[[], int]:
    def work() -> int:
        infer(module, np.stack(list(pool.map(pixels.decode, [body] * size))))
        return size

    return work


if __name__ == "__main__":
    module = load(OPTIONS.model)
    found = {f"forward_{size}": rate(forward(module, size)) for size in (1, MAX_BATCH)}
    with ThreadPoolExecutor(2) as pool:
        for image in sorted(Path(OPTIONS.style).glob("*")):  # the folder of the benchmark's images
            for size in (1, MAX_BATCH):
                found[f"{image.stem}_{size}"] = rate(with_decoding(module, image.read_bytes(), size, pool))
    print(json.dumps(found))

"""BentoML with adaptive batching of images."""

import os
import sys
from pathlib import Path

import numpy as np
from common import MAX_BATCH, answer, arguments, decode, infer, load, model_file

if __name__ == "__main__":
    options = arguments()
    os.chdir(Path(__file__).parent)
    serve = [sys.executable, "-m", "bentoml", "serve", "with_bentoml:Service", "--host", "127.0.0.1", "--port", str(options.port)]
    os.execv(sys.executable, serve)

import bentoml


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 256})
class Service:
    def __init__(self) -> None:
        self.module = load(model_file())

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=10_000)
    def predict(self, files: list[Path]) -> list[dict]:
        return [answer(row) for row in infer(self.module, np.stack([decode(file.read_bytes()) for file in files]))]

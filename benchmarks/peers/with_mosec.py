"""mosec: decoding in a stage of its own, inference in batches."""

import sys

import numpy as np
from common import MAX_BATCH, WAIT_S, answer, arguments, decode, infer, load, model_file
from mosec import Server, Worker


class Decode(Worker):
    def deserialize(self, data: bytes) -> bytes:
        return data

    def forward(self, data: bytes) -> np.ndarray:
        return np.ascontiguousarray(decode(data))


class Infer(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.module = load(model_file())

    def forward(self, data: list) -> list:
        return [answer(row) for row in infer(self.module, np.stack(data))]


if __name__ == "__main__":
    options = arguments()
    sys.argv = [sys.argv[0], "--port", str(options.port), "--address", "127.0.0.1", "--timeout", "60000", "--log-level", "error"]
    server = Server()
    server.append_worker(Decode, num=1)
    server.append_worker(Infer, num=1, max_batch_size=MAX_BATCH, max_wait_time=int(WAIT_S * 1000))
    server.run()

"""LitServe, batching as its documentation shows."""

import litserve
import numpy as np
from common import MAX_BATCH, WAIT_S, answer, arguments, decode, infer, load
from fastapi import Request

OPTIONS = arguments()


class Api(litserve.LitAPI):
    def setup(self, _: str) -> None:
        self.module = load(OPTIONS.model)

    def decode_request(self, request: Request) -> np.ndarray:
        return decode(request["file"].file.read())  # LitServe has read the form already

    def batch(self, inputs: list) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, pixels: np.ndarray) -> list:
        return infer(self.module, pixels)

    def unbatch(self, output: list) -> list:
        return output

    def encode_response(self, output: list) -> dict:
        return answer(output)


if __name__ == "__main__":
    server = litserve.LitServer(Api(max_batch_size=MAX_BATCH, batch_timeout=WAIT_S), accelerator="cpu")
    server.run(port=OPTIONS.port, host="127.0.0.1", log_level="warning", generate_client_file=False)

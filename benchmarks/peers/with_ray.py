"""Ray Serve with `serve.batch`."""

import signal

import numpy as np
import ray
from common import MAX_BATCH, WAIT_S, answer, arguments, decode, infer, load
from ray import serve
from starlette.requests import Request

OPTIONS = arguments()


@serve.deployment(max_ongoing_requests=256)
class Predict:
    def __init__(self, model: object) -> None:
        self.module = load(model)

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=WAIT_S)
    async def run(self, bodies: list) -> list:
        return [answer(row) for row in infer(self.module, np.stack([decode(body) for body in bodies]))]

    async def __call__(self, request: Request) -> dict:
        return await self.run(await request.body())


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": OPTIONS.port})
    serve.run(Predict.bind(OPTIONS.model), route_prefix="/predict")
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    serve.shutdown()
    ray.shutdown()

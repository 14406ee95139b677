"""Asks a service through KServe's own client, unchanged: run by `test_kserve.py` with an interpreter that has it.

python kserve_client.py http://127.0.0.1:8000 < pixels      uint8 [3, size, size]
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def main(url: str, pixels: np.ndarray) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    found = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model": await client.is_model_ready(url, "seedlings"),
    }
    for binary in (True, False):
        tensor = InferInput("images", [1, *pixels.shape], "UINT8")
        tensor.set_data_from_numpy(pixels[None], binary_data=binary)
        answer = await client.infer(url, InferRequest("seedlings", [tensor]), model_name="seedlings")
        found["binary" if binary else "json"] = answer.outputs[0].data
    sys.stdout.write(json.dumps(found) + "\n")


side = int(sys.argv[2])
asyncio.run(main(sys.argv[1], np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(3, side, side)))

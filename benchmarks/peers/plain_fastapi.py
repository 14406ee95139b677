"""FastAPI as in most tutorials: one image, one forward pass, in a `def` (thread pool) or an `async def` (event loop) route."""

import uvicorn
from common import answer, arguments, decode, infer, load
from fastapi import FastAPI, File

options = arguments()
module = load(options.model)
app = FastAPI()


def predict(file: bytes = File()) -> dict:
    return answer(infer(module, decode(file)[None])[0])


async def predict_async(file: bytes = File()) -> dict:
    return predict(file)


app.post("/predict")(predict_async if options.style == "async" else predict)
uvicorn.run(app, port=options.port, log_level="warning")

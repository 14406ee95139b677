"""The process of the shadow: it loads one version and answers the images that `service/inference/shadow.py` shows it, for nobody else.

`python -m service.inference.shadow_process HANDLE SETTINGS`: the handle of its end of the connection, and settings as JSON.
"""

import contextlib
import json
import logging
import os
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_LOADING, _ANSWERING = 10, 19  # how nice it is to all others


def main(arguments: list[str]) -> None:
    """Answer until the other end of the connection is closed."""
    connection, settings = Connection(int(arguments[0])), json.loads(arguments[1])
    _step_back()  # before threads begin: they inherit it
    from service.process import logs

    logs.configure(settings["log_format"], settings["log_level"])
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        _answer(connection, settings)


def _answer(connection: Connection, settings: dict[str, Any]) -> None:
    from models_store.manifest import Manifest
    from models_store.store import Opened
    from service.inference import engine
    from service.inference.registry import Model, Registry
    from service.process import memory

    def load(opened: Opened[Manifest], given_up: Any) -> engine.Engine:
        return engine.load(
            opened,
            device="cpu",
            threads=1,
            batch_size=1,
            precision=settings["precision"],
            runtime=settings["runtime"],
            brief=True,  # to measure would take time from what answers
            given_up=given_up,
        )

    registry: Registry[Model] = Registry(
        load,
        Path(settings["store"]),
        settings["model"],
        version=settings["shadow"],
        poll_s=settings["poll_s"],
        doing="comparing with",
        give_back_memory=memory.give_back,
    )
    registry.start()
    with contextlib.suppress(OSError):  # of this thread alone, which now begins to answer; not everywhere do threads have their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _ANSWERING)
    with contextlib.suppress(OSError, AttributeError):  # Linux: it runs on cores that nobody else has a use for
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True:
        asked, content = json.loads(connection.recv_bytes()), connection.recv_bytes()
        model = registry.current
        state: dict[str, Any] = {"version": None, "size": None, "error": registry.error, "probabilities": None}
        if model is not None:
            state |= {"version": model.version, "size": model.size}
            if asked["kind"] != "state":
                try:
                    state["probabilities"] = _probabilities(model, asked, content, settings["max_pixels"])
                except Exception:
                    logging.getLogger(__name__).exception("the shadow, version %s, gave no answer", model.version)
        connection.send_bytes(json.dumps(state).encode())


def _probabilities(model: Any, asked: dict[str, Any], content: bytes, max_pixels: int) -> dict[str, float]:
    """By species. Raises what decoding and the model raise, and ValueError for an answer that is no number."""
    import numpy as np

    from models_store import pixels

    if asked["kind"] == "pixels":
        image = np.frombuffer(content, np.uint8).reshape(3, model.size, model.size)
    else:
        with pixels.opened(content, max_pixels) as picture:
            image = picture.square(model.size, pixels.Crop(*asked["crop"])).pixels
    (row,), _ = model.predict_batch(image[None].copy(), True)
    if not np.isfinite(row).all():
        raise ValueError("the model's answer is not a number")
    return {species.name: float(value) for species, value in zip(model.manifest.species, row, strict=True)}


def _step_back() -> None:
    os.nice(_LOADING)
    with contextlib.suppress(OSError):  # where memory is short, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main(sys.argv[1:])

"""`model.onnx` by OpenVINO, on the processor."""

import threading
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from service.inference.runtimes.runtime import Outputs, Threads

# OpenVINO's Python part can deadlock when two threads use it for the first time at once: one holds the interpreter and waits for the
# other, which waits for the interpreter (seen with 2026.4). The service loads several models at once.
_FIRST_USE = threading.Lock()


class OpenVino:
    """A `Runtime`. A compiled model has its threads for life, so there are two where the share is not the whole."""

    def __init__(self, model: bytes, threads: Threads) -> None:
        """Raises whatever OpenVINO does of a file that is none, or too new for it."""
        with _FIRST_USE:
            core = openvino.Core()
            read = core.read_model(model)
            self._alone = _Compiled(core, read, threads.whole, 1)
            side_by_side = threads.whole // threads.share
            self._beside = self._alone if side_by_side == 1 else _Compiled(core, read, threads.whole, side_by_side)

    def __call__(self, images: NDArray[np.uint8], alone: bool) -> Outputs:
        """As `Runtime` has it."""
        return (self._alone if alone else self._beside).outputs(np.ascontiguousarray(images))


class _Compiled:
    """Of so many threads, for so many forward passes at a time."""

    def __init__(self, core: openvino.Core, model: openvino.Model, threads: int, streams: int) -> None:
        wanted: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": streams}
        # Else it rounds activations, to bfloat16 where a processor has it and to int8 in front of weights of int8: by up to 0.02.
        wanted |= {"EXECUTION_MODE_HINT": "ACCURACY", "INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
        self._model = core.compile_model(model, "CPU", wanted)
        self._requests = threading.local()  # one cannot be used by two threads at a time

    def outputs(self, images: NDArray[np.uint8]) -> Outputs:
        """uint8 [n,3,h,w] → all that the network gives."""
        request = getattr(self._requests, "own", None)
        if request is not None:
            return self._inferred(request, images)
        with _FIRST_USE:
            request = self._requests.own = self._model.create_infer_request()
            return self._inferred(request, images)

    def _inferred(self, request: openvino.InferRequest, images: NDArray[np.uint8]) -> Outputs:
        found = request.infer({0: images})
        return tuple(np.array(found[output], np.float32) for output in self._model.outputs)

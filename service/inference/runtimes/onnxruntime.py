"""`model.onnx` by ONNX Runtime, on the processor."""

import threading

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.inference.runtimes.runtime import Outputs, Threads

_ERRORS_ALONE = 3  # of its levels of logging


class OnnxRuntime:
    """A `Runtime`. A session has its threads for life, so there are two where the share is not the whole.

    The second one is made once two forward passes run side by side: who asks for one photo at a time needs neither its memory nor its time.
    """

    def __init__(self, model: bytes, threads: Threads) -> None:
        """Raises whatever ONNX Runtime does of a file that is none, or too new for it."""
        self._model, self._threads, self._making = model, threads, threading.Lock()
        self._alone = _session(model, threads.whole)
        self._beside = self._alone if threads.share == threads.whole else None

    def __call__(self, images: NDArray[np.uint8], alone: bool) -> Outputs:
        """As `Runtime` has it."""
        session = self._alone if alone else self._beside or self._made_beside()
        return tuple(session.run(None, {"images": np.ascontiguousarray(images)}))

    def _made_beside(self) -> onnxruntime.InferenceSession:
        with self._making:
            if self._beside is None:
                self._beside = _session(self._model, self._threads.share)
                self._model = b""
            return self._beside


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = _ERRORS_ALONE
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need the cores while it waits
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

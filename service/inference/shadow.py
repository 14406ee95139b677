"""Another version of the model beside the one in service: it sees a share of the images, and its answers are only compared.

It runs in a process of its own, at the lowest priority, with one thread, on the CPU. So neither Python's lock nor a fault of that version
can hold up an answer. It gets its next image when no worker answers anything, and none has for a moment. What it has no time for
is dropped.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import service
from service.inference.predictor import Prediction
from service.settings import Settings

log = logging.getLogger(__name__)
Outcome = Literal["agreed", "differed", "dropped", "failed"]
Report = Callable[[str, str, Outcome, float | None], None]  # version in service, shadow, outcome, distance of the probabilities
MAX_WAITING = 32
MAX_WAITING_BYTES = 32 * 2**20
_ROOT = Path(service.__file__).parents[1]
_LOOK_S, _STATE_S = 0.2, 1.0
_QUIET_S = 0.025  # since the last answer: whoever asks again at once comes first
_LOOK_QUIET_S = 0.005
_PAUSES_S = (5.0, 300.0)  # before a process that ended is started again: at first, and at most


@dataclass(frozen=True)
class _Image:
    version: str  # that answered
    species: str
    probability: float
    crop: tuple[float, ...]
    content: bytes  # an image file, or pixels
    is_pixels: bool


class Shadow:
    """Compares from `start` until `close`. `offer` is called on the event loop, and never waits.

    `busy` says whether an answer is being worked on; `draw` gives a number from 0 to 1, by chance if it is not given.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        busy: Callable[[], bool],
        report: Report,
        draw: Callable[[], float] | None = None,
        pauses_s: tuple[float, float] = _PAUSES_S,
    ) -> None:
        self._settings, self._busy, self._report, self._pauses_s = settings, busy, report, pauses_s
        self._draw = draw or np.random.default_rng().random
        self._waiting: deque[_Image] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="shadow", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._size: int | None = None  # pixels a side of what it takes
        self._pause_s = pauses_s[0]
        self._answered_s = 0.0  # monotonic: the last answer of the version in service
        self.loaded: str | None = None  # the version that it answers with; None while there is none
        self.error: str | None = None  # why nothing is compared, or no newer copy of the version

    def start(self) -> None:
        """Start the process, and the thread that speaks with it."""
        self._thread.start()

    def close(self) -> None:
        """End both."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        if self._process is not None:
            self._process.kill()  # it holds nothing of value
        if self._thread.is_alive():
            self._thread.join()

    def offer(self, prediction: Prediction, pixels: NDArray[np.uint8], image: bytes | NDArray[np.uint8]) -> None:
        """Perhaps show the image of an answer to the other version, too; `pixels` are those that the version in service saw."""
        try:
            self._offer(prediction, pixels, image)
        except Exception:
            log.exception("an image was not shown to the shadow; its answer was given")

    def _offer(self, prediction: Prediction, pixels: NDArray[np.uint8], image: bytes | NDArray[np.uint8]) -> None:
        self._answered_s = time.monotonic()
        shadow, version = self.loaded, prediction.model.version
        if shadow is None or self._draw() >= self._settings.shadow_share:
            return
        same_size = self._size == prediction.model.size
        content = pixels.tobytes() if same_size else image
        with self._changed:
            room = len(self._waiting) < MAX_WAITING and self._waiting_bytes + len(content) <= MAX_WAITING_BYTES
            if isinstance(content, bytes) and room:
                crop = prediction.crop
                probability = float(prediction.probabilities.max())
                where = (crop.x, crop.y, crop.width, crop.height)
                self._waiting.append(_Image(version, prediction.species.name, probability, where, content, same_size))
                self._waiting_bytes += len(content)
                self._changed.notify()
                return
        self._report(version, shadow, "dropped", None)

    # ---- the thread -------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self._speak()
            except Exception as error:  # whatever is wrong with it, answers go on without it
                if self._stop.is_set():
                    return
                self.loaded = None
                told = str(error) or type(error).__name__
                self.error = f"the process of the shadow ended: {told}; it is started again in {self._pause_s:g} s"
                log.error("%s", self.error)  # noqa: TRY400  (the traceback would be one of this thread)
                self._stop.wait(self._pause_s)
                self._pause_s = min(2 * self._pause_s, self._pauses_s[1])

    def _speak(self) -> None:
        """Start the process and show it images. Returns when this is closed; raises OSError or EOFError once the process has ended."""
        ours, theirs = Pipe()
        with contextlib.closing(ours), _started(theirs, self._settings) as self._process:
            theirs.close()
            while not self._stop.is_set():
                image = self._next()
                if image is None:
                    self._learn(self._ask(ours, {"kind": "state"}))
                    continue
                answer = self._ask(ours, {"kind": "pixels" if image.is_pixels else "file", "crop": image.crop}, image.content)
                self._learn(answer)
                self._compare(image, answer)

    def _next(self) -> _Image | None:
        """An image, once there is one and nothing is being answered; None after a while."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(_STATE_S)
        while self._waiting and not self._stop.is_set():
            if not self._busy() and time.monotonic() - self._answered_s >= _QUIET_S:
                with self._changed:
                    image = self._waiting.popleft()
                    self._waiting_bytes -= len(image.content)
                return image
            self._stop.wait(_LOOK_QUIET_S)
        return None

    def _ask(self, connection: Connection, header: dict[str, Any], content: bytes = b"") -> dict[str, Any]:
        connection.send_bytes(json.dumps(header).encode())
        connection.send_bytes(content)
        while not connection.poll(_LOOK_S):
            if self._stop.is_set():
                raise EOFError("closed")
        answer: dict[str, Any] = json.loads(connection.recv_bytes())
        return answer

    def _learn(self, state: dict[str, Any]) -> None:
        self._size, self.error = state["size"], state["error"]
        self.loaded = state["version"]
        if self.loaded is not None:
            self._pause_s = self._pauses_s[0]

    def _compare(self, image: _Image, answer: dict[str, Any]) -> None:
        shadow = answer["version"] or str(self._settings.shadow)
        if answer["probabilities"] is None:
            self._report(image.version, shadow, "failed", None)
            return
        probabilities: dict[str, float] = answer["probabilities"]
        outcome: Outcome = "agreed" if max(probabilities, key=lambda name: probabilities[name]) == image.species else "differed"
        self._report(image.version, shadow, outcome, abs(probabilities.get(image.species, 0.0) - image.probability))


def _started(theirs: Connection, settings: Settings) -> subprocess.Popen[bytes]:
    told = settings.model_dump_json(
        include={"store", "model", "shadow", "precision", "runtime", "max_pixels", "poll_s", "log_format", "log_level"}
    )
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    return _Process(
        [sys.executable, "-m", "service.inference.shadow_process", str(theirs.fileno()), told],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C is for the service, which ends this one
    )


class _Process(subprocess.Popen[bytes]):
    """A process that does not outlive its `with` block."""

    def __exit__(self, *error: Any) -> None:
        self.kill()
        super().__exit__(*error)

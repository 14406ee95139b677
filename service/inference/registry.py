"""Which version is served: the newest good one of the store, watched by a thread of its own.

A new version is verified, loaded and warmed beside the one in service and then takes its place; who holds the old one
goes on with it. A bad version is refused, reported once, and tried again only when its files change.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models_store import store
from models_store.manifest import Manifest

log = logging.getLogger(__name__)


class Model(Protocol):
    """What can be served."""

    @property
    def manifest(self) -> Manifest:
        """What the model says of itself."""

    @property
    def size(self) -> int:
        """Pixels a side of what `rows` takes."""

    @property
    def version(self) -> str:
        """The version, as it stands in answers."""

    @property
    def explainable(self) -> bool:
        """Whether `heat` works."""

    def rows(self, pixels: NDArray[np.uint8], alone: bool) -> NDArray[np.float32]:
        """uint8 [n, 3, size, size] → probabilities, and the distance from the images trained on: float32 [n, species + 1].

        `alone`: nothing else runs or waits. Raises ModelFailed.
        """

    def heat(self, pixels: NDArray[np.uint8], species: int, alone: bool) -> NDArray[np.float32]:
        """uint8 [n, 3, size, size] → what spoke for a species, float32 [n, h, w], 0–1. Raises ModelFailed."""


Load = Callable[[store.Opened, Callable[[], bool]], Model]  # the second argument tells when to give up


class Registry:
    """Holds the model in service as `current`, None until the first one is warm."""

    def __init__(
        self,
        load: Load,
        root: Path,
        name: str,
        *,
        version: int | None = None,  # serve this one only
        poll_s: float,
        fallback: Path = store.SHIPPED_STORE,  # served while `root` holds no version at all
        on_swap: Callable[[Model], None] | None = None,
        on_refusal: Callable[[], None] | None = None,
        give_back_memory: Callable[[], None] | None = None,
    ) -> None:
        self._load, self._root, self._name, self._version = load, root, name, version
        self._poll_s, self._fallback = poll_s, fallback
        self._on_swap, self._on_refusal, self._give_back_memory = on_swap, on_refusal, give_back_memory
        self._path: Path | None = None
        self._refused: dict[Path, object] = {}  # path → the state its files were refused in
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="registry", daemon=True)
        self.current: Model | None = None
        self.error: str | None = None  # why no better version is in service

    def start(self) -> None:
        """Begin loading and watching, in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching, and wait for a load in progress to give up."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Look once, and load the newest version that is good, if it is not the one in service."""
        paths = self._candidates()
        if not paths:
            self._complain(self._missing())
            return
        for path in paths:
            if path == self._path:
                return
            state = _state(path)
            if self._refused.get(path) == state:
                continue
            try:
                model = self._load(store.open_artifact(path), self._stop.is_set)
            except Exception as error:  # whatever is wrong with it, the service goes on without it
                self._refused[path] = state
                self._complain(str(error) or type(error).__name__)
                if self._on_refusal is not None:
                    self._on_refusal()
                continue
            if self._stop.is_set():
                return  # it may not be warm
            self.current, self._path, self.error = model, path, None
            log.info("serving %s version %s from %s", model.manifest.name, model.version, path)
            if self._on_swap is not None:
                self._on_swap(model)
            return

    def _candidates(self) -> list[Path]:
        """Versions that may be served, the best first."""
        root = self._root if store.versions(self._root, self._name) else self._fallback
        found = store.versions(root, self._name)
        return [root / self._name / str(version) for version in reversed(found) if self._version in (None, version)]

    def _missing(self) -> str:
        wanted = f"version {self._version}" if self._version else "version"
        return f"{self._root / self._name} holds no {wanted} of a model; publish one with 'python -m training export'"

    def _complain(self, message: str) -> None:
        if message != self.error:
            log.error("%s", message)
        self.error = message

    def _watch(self) -> None:
        looks_since_load = 2
        while not self._stop.is_set():
            before = self.current, len(self._refused)
            try:
                self.refresh()
            except Exception as error:  # a store that cannot be listed now may be there again later
                self._complain(str(error) or type(error).__name__)
            looks_since_load = 0 if (self.current, len(self._refused)) != before else looks_since_load + 1
            del before
            if looks_since_load <= 1 and self._give_back_memory is not None:
                self._give_back_memory()  # once for the load itself, once when the last user of the old version is gone
            self._stop.wait(self._poll_s)


def _state(path: Path) -> object:
    """Changes when the files of a version do."""
    found = []
    for name in (store.MODEL, store.MANIFEST):
        try:
            stat = (path / name).stat()
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)

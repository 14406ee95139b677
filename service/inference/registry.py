"""Which version is served: the newest good one of the store, watched by a thread of its own.

A new version is verified, loaded and warmed while the old one serves, and then takes its place. Batches that have begun end with the
old one. A version that is not good is refused. If its files are to blame, it is tried again when they change. If the machine or the disk
is to blame, it is tried again after pauses, which grow.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models_store import store
from models_store.artifact import Answer
from models_store.manifest import AnyManifest, Manifest

log = logging.getLogger(__name__)


class Version(Protocol):
    """A version of any model."""

    @property
    def manifest(self) -> AnyManifest:
        """What it says of itself."""


class Model(Protocol):
    """A classifier that can be served."""

    @property
    def manifest(self) -> Manifest:
        """What the model says of itself."""

    @property
    def size(self) -> int:
        """Pixels a side of what `predict_batch` takes."""

    @property
    def version(self) -> str:
        """The version, as it stands in answers."""

    @property
    def runtime(self) -> str:
        """What runs the network, as SEEDLINGS_RUNTIME names it."""

    @property
    def explainable(self) -> bool:
        """Whether `saliency` works."""

    def predict_batch(self, pixels: NDArray[np.uint8], alone: bool) -> Answer[NDArray[np.float32]]:
        """uint8 [n, 3, size, size] → probabilities [n, species], distances [n]. `alone`: nothing else runs or waits. Raises ModelFailed."""

    def saliency(self, pixels: NDArray[np.uint8], species: Sequence[int], alone: bool) -> NDArray[np.float32]:
        """uint8 [n, 3, size, size] → what spoke for a species of each image, float32 [n, h, w], 0–1. Raises ModelFailed."""


@dataclass(frozen=True)
class Refusal:
    """A version of the store that is not served, and why."""

    version: str
    reason: str
    transient: bool  # tried again by itself; else when its files change


_State = tuple[tuple[int, int, int, int] | None, ...]  # what the files of a version are known by; None: the file is not there


@dataclass(frozen=True)
class _Refused:
    refusal: Refusal
    state: _State  # of its files
    pause_s: float  # until it is tried again, where that is worth trying
    again_at: float  # monotonic clock


_LONGEST_PAUSE_S = 300.0
_PATIENCE_S = 10.0  # for a load to give up; a disk that hangs does not let it
_FORMATS = ("model.onnx", "model.pt2", "model.int8.onnx")  # which a version may have beside model.pt
_NO_FORMAT = (0, 0, 0, 0)  # it need not be there
_PUBLISHING = {"classification": "python -m training export", "segmentation": "python -m training photo-segmenter export"}  # by task
_FAULTS_OF_FILES = (store.ArtifactCorrupt, store.ArtifactMissing, store.ArtifactUnsuitable, store.SchemaTooNew)

Served = TypeVar("Served", bound=Version)
Load = Callable[[store.Opened[Any], Callable[[], bool]], Served]  # the second argument tells when to give up


class Registry(Generic[Served]):
    """Holds the model in service as `current`, None until the first one is warm."""

    def __init__(
        self,
        load: Load[Served],
        root: Path,
        name: str,
        *,
        version: int | None = None,  # serve this one only
        poll_s: float,
        fallback: Path = store.SHIPPED_STORE,  # served while `root` holds no version at all, unless one is pinned
        read: Callable[[Path], store.Opened[Any]] = store.open_artifact,
        task: str = "classification",  # of what `read` opens; models for another one are nothing to name here
        setting: str = "SEEDLINGS_MODEL",  # which names the model
        expected: bool = True,  # `root` is to hold the model; else it is no error that the fallback is served
        beside: "Registry[Any] | None" = None,  # of the store that this one serves from, and no other; no version there is no error
        doing: str = "serving",  # with a version, as the log calls it
        on_swap: Callable[[Served], None] | None = None,
        on_withdrawal: Callable[[Served], None] | None = None,
        on_refusal: Callable[[], None] | None = None,
        give_back_memory: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._load, self._read, self._root, self._name, self._version = load, read, root, name, version
        self._task, self._expected, self._setting, self._doing, self._beside = task, expected, setting, doing, beside
        self._poll_s, self._fallback, self._clock, self._patience_s = poll_s, fallback, clock, patience_s
        self._on_swap, self._on_withdrawal, self._on_refusal = on_swap, on_withdrawal, on_refusal
        self._give_back_memory = give_back_memory
        self._in_service: tuple[Served, Path] | None = None
        self._state: _State = ()  # of the files in `path` when they were loaded
        self._own_served = False  # a version of `root` was in service: from then on the fallback never is
        self._refused: dict[Path, _Refused] = {}
        self._loads = 0
        self._stop, self._again = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="registry", daemon=True)
        self.looked = False  # once to the end: what there was is in service, or refused
        self.error: str | None = None  # why no better version is in service
        self.refused: tuple[Refusal, ...] = ()  # the versions of the store that are not served for a fault, newest first

    @property
    def in_service(self) -> tuple[Served, Path] | None:
        """The version in service and its folder, both of one moment."""
        return self._in_service

    @property
    def current(self) -> Served | None:
        """The version in service; None until the first one is warm."""
        return None if self._in_service is None else self._in_service[0]

    @property
    def path(self) -> Path | None:
        """The folder of the version in service."""
        return None if self._in_service is None else self._in_service[1]

    def start(self) -> None:
        """Begin loading and watching, in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching, and wait for a load in progress to give up, but not for ever."""
        self._stop.set()
        self.look_again()
        if self._thread.is_alive():
            self._thread.join(self._patience_s)

    def look_again(self) -> None:
        """Look for versions at once, not after the pause."""
        self._again.set()

    def refresh(self) -> None:
        """Look once, and load the newest version that is good, if it is not the one in service."""
        try:
            paths = self._candidates()
        except store.StoreError as error:  # it cannot be listed now, and may be there again later
            self._report(_words(error))
            return
        self._refused = {path: refused for path, refused in self._refused.items() if path in paths and _state(path) == refused.state}
        for path in paths:
            state = _state(path)
            served = path == self.path
            if served and _written(state) == _written(self._state):
                break
            refused = self._refused.get(path)
            if refused is None:
                self._forget()
            if refused is None or (refused.refusal.transient and self._clock() >= refused.again_at):
                if self._take(path, state):
                    break
                if self._stop.is_set():
                    return
            if served:  # its files were changed to something worse: what is in memory is still the best
                break
        self._withdraw_strays()
        better = paths[: paths.index(self.path) + 1] if self.path in paths else paths
        reasons = [self._refused[path].refusal.reason for path in better if path in self._refused]
        self.refused = tuple(self._refused[path].refusal for path in paths if path in self._refused)
        self._report(reasons[0] if reasons else self._missing(paths))

    def _forget(self) -> None:
        """Tell no longer what was wrong with files that have changed, while a version is being loaded."""
        known = {refused.refusal for refused in self._refused.values()}
        self.refused = tuple(one for one in self.refused if one in known)
        if self.error not in {one.reason for one in known}:
            self.error = None

    def _take(self, path: Path, state: _State) -> bool:
        """Load a version and put it into service, or refuse it; whether it is in service now."""
        self._loads += 1
        try:
            model = self._load(self._read(path), self._stop.is_set)
        except Exception as error:  # whatever is wrong with it, the service goes on without it
            self._refuse(path, state, error)
            return False
        if self._stop.is_set():
            return False  # it may not be warm
        self._refused.pop(path, None)
        self._in_service, self._state = (model, path), state
        self._own_served = self._own_served or _store(path) == self._root
        log.info("%s %s version %s from %s", self._doing, model.manifest.name, model.manifest.version, path)
        if (on_swap := self._on_swap) is not None:
            _guarded(lambda: on_swap(model))
        return True

    def _withdraw_strays(self) -> None:
        """Serve no version any more that lies in another store than what it stands beside."""
        first, served = None if self._beside is None else self._beside.path, self._in_service
        if first is None or served is None or _store(first) == _store(served[1]):
            return
        self._in_service, self._state = None, ()
        self._loads += 1  # its memory is given back as after a load
        log.info("no longer %s %s: %s holds none", self._doing, served[0].manifest.name, _store(first))
        if (on_withdrawal := self._on_withdrawal) is not None:
            _guarded(lambda: on_withdrawal(served[0]))

    def _refuse(self, path: Path, state: _State, error: Exception) -> None:
        lasting = isinstance(error, _FAULTS_OF_FILES) and state == _state(path)  # else they changed while they were read
        if isinstance(error, store.ArtifactMissing) and None not in state:
            lasting = False  # it was there: a disk that comes and goes
        before = self._refused.get(path)
        pause_s = self._poll_s if before is None else min(2 * before.pause_s, _LONGEST_PAUSE_S)
        reason = f"{path} needs more memory than there is now" if isinstance(error, MemoryError) else _words(error)
        refusal = Refusal(path.name, reason, transient=not lasting)
        self._refused[path] = _Refused(refusal, state, pause_s, self._clock() + pause_s)
        log.error("%s; %s", refusal.reason, "tried again when its files change" if lasting else f"tried again in {pause_s:.1f} s")
        if self._on_refusal is not None:
            _guarded(self._on_refusal)

    def _candidates(self) -> list[Path]:
        """Versions that may be served, the best first."""
        root = self._root
        if self._beside is not None:
            if (first := self._beside.path) is None:
                return []
            root = _store(first)
        found = store.versions(root, self._name)
        if self._beside is None and not found and self._version is None and not self._own_served:
            root, found = self._fallback, store.versions(self._fallback, self._name)
        return [root / self._name / str(version) for version in reversed(found) if self._version in (None, version)]

    def _missing(self, paths: list[Path]) -> str | None:
        """What the store lacks of what it was named for; None if it lacks nothing, or waits for its first version."""
        if self._beside is not None or (paths and not self._expected):
            return None
        if paths and self._root in (self._fallback, _store(paths[0])):
            return None
        goes_on = f"; {self.current.manifest.name} {self.current.manifest.version} goes on being served" if self.current is not None else ""
        if not os.path.isdir(self._root):  # unlike Path's, it never raises
            return f"{self._root} is not there; mount or create it{goes_on}"
        there = store.models(self._root)
        there = there if self._name in there else {name: found for name, found in there.items() if self._is_for_task(name, found[-1])}
        if there and self._name not in there:
            return f"{self._root} holds no version of {self._name}, but of {', '.join(there)}; name one in {self._setting}{goes_on}"
        if paths:
            return None
        wanted = f"version {self._version}" if self._version else "version"
        return f"{self._root / self._name} holds no {wanted} of a model; publish one with '{_PUBLISHING[self._task]}'{goes_on}"

    def _is_for_task(self, name: str, version: int) -> bool:
        """Whether a version of the store is, or may be, a model for the task that is wanted."""
        try:
            return store.read_any_manifest(self._root / name / str(version)).task == self._task
        except store.ArtifactUnsuitable:
            return False
        except store.StoreError:
            return True

    def _report(self, error: str | None) -> None:
        told = {refused.refusal.reason for refused in self._refused.values()}  # in the log when they were refused
        if error is not None and error != self.error and error not in told:
            log.error("%s", error)
        self.error = error

    def _watch(self) -> None:
        looks_since_load = 2
        while not self._stop.is_set():
            loads = self._loads
            to_the_end = self._beside is None or self._beside.in_service is not None
            try:
                self.refresh()
            except Exception as error:  # this thread is the only one that looks
                self._report(_words(error))
            self.looked = self.looked or to_the_end
            looks_since_load = 0 if self._loads != loads else looks_since_load + 1
            if looks_since_load <= 1 and self._give_back_memory is not None:
                _guarded(self._give_back_memory)  # once for the load itself, once when the last user of the old version is gone
            self._again.wait(self._poll_s)
            self._again.clear()


def _guarded(call: Callable[[], object]) -> None:
    """What is only told or tidied may fail, on a full disk for one, and nothing else is to fail with it."""
    try:
        call()
    except Exception:
        log.exception("what goes with a change of versions failed; the change did not")


def _store(version: Path) -> Path:
    return version.parent.parent


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _state(path: Path) -> _State:
    """Changes when the files of a version do: by their contents, or their owners and permissions alone."""
    found: list[tuple[int, int, int, int] | None] = []
    for name in (store.MODEL, store.MANIFEST, *_FORMATS):
        try:
            stat = (path / name).stat()
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_ctime_ns))
        except OSError:
            found.append(_NO_FORMAT if name in _FORMATS else None)
    return tuple(found)


def _written(state: _State) -> list[tuple[int, int, int] | None]:
    """The part of a state that new owners and permissions leave as it is; for a version that is loaded they change nothing."""
    return [one and one[:3] for one in state]

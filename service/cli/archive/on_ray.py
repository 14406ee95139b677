"""The engine of a Ray cluster: an actor with a model for some cores each, and this process, which alone writes the parts.

A block is handed to one actor. Where the actor or its node ends before the rows are here, the block is handed to another one. A part is
written once, by its number. So each photo is answered exactly once, whatever ends. Why these are Ray's actors and not Ray Data:
docs/archives.md.
"""

import contextlib
import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from models_store import threads
from service.cli.archive.engines import LANES, Cluster, Engine, Failed, Identity, Task, Work
from service.cli.archive.photos import Photos
from service.cli.archive.reading import scheme
from service.cli.archive.results import Part
from service.errors import ServiceError
from service.process import cores
from service.settings import Settings

_WORKER_CPUS = 2
_CONNECT_S = 10.0
_TRIES = "1"  # of Ray to reach a cluster, where somebody listens: 40 seconds; else they are 20
_POLL_S = 0.5
_LOOK_S = 5.0  # between two looks at the nodes of the cluster
_PATIENCE_S = 15.0  # for a first worker, before the user is told what is waited for
_SAMPLES = 8  # photos that a new worker looks for
_MOST_ENDS = 5  # of workers that had the same block, or of workers that never began


class Actor:
    """A worker in a process of its own on some node. It imports torch once its threads are told to sleep."""

    def __init__(self, settings: Settings, task: Task) -> None:
        threads.let_sleep(os.environ)
        from service.cli.archive.worker import Worker

        self._worker, self._base = Worker(settings, task), task.base

    async def models(self, there: Sequence[str]) -> Identity:
        """Raises Failed where none of these photos is, which the command sees: each row of this node would be a problem."""
        if there and not any(os.path.exists(os.path.join(self._base, name)) for name in there):
            raise Failed(f"{socket.gethostname()} has no {there[0]}; all nodes need the same paths: a shared disk, or an object store")
        return await self._worker.open()

    async def part(self, photos: Sequence[str]) -> Part:
        return await self._worker.part(photos)


def on(cluster: Cluster) -> Engine:
    """The engine of this cluster."""

    def run(settings: Settings, task: Task, photos: Photos, work: Work) -> None:
        with _connected(cluster.address) as ray:
            try:
                _Pool(ray, cluster, settings, task, photos, work).run()
            except ray.exceptions.RayError as error:
                raise Failed(f"the Ray cluster no longer answers ({_squeezed(error)}); the same command goes on after the parts") from None

    return run


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster. Raises Failed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing of an archive goes to Ray's makers
    found = _found(address)
    import ray

    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    own: dict[str, Any] = common | {"num_cpus": cores.available(), "include_dashboard": False}
    try:
        ray.init(found or "local", **(common if found else own))
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise Failed(f"no Ray cluster can be used at {found or 'this machine'} ({_squeezed(error)}); see 'ray status' there") from None
    try:
        yield ray
    except KeyboardInterrupt:
        raise  # leaving within a second: Ray ends what belongs to a driver that is gone
    except BaseException:
        ray.shutdown()
        raise
    ray.shutdown()


def _found(address: str | None) -> str | None:
    """Where the cluster is, found as Ray finds it; None: one is to be started. Raises Failed where nobody answers."""
    named, whence = address, ""
    if address in (None, "auto") and os.environ.get("RAY_ADDRESS"):
        named, whence = os.environ["RAY_ADDRESS"], ", which RAY_ADDRESS names"
    if named in (None, "auto"):
        from ray._private import services

        try:
            found: str | None = services.canonicalize_bootstrap_address("auto")
        except (ConnectionError, ValueError):
            if named is None:
                return None
            raise Failed(
                "no Ray cluster runs on this machine; run 'ray start --head', or leave out --address, and one is started"
            ) from None
        named, whence = found, ", which 'ray start' noted on this machine: 'ray stop' forgets it"
    if named is None or named == "local":
        return None
    _check_answers(named, whence)
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", _TRIES)  # read when Ray is imported
    return named


def _check_answers(address: str, whence: str) -> None:
    """Whether somebody listens at `HOST:PORT`: Ray itself tries for minutes. Raises Failed."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdigit():
        raise Failed(f"{address} is no address of a Ray cluster{whence}; give it as HOST:PORT, as 'ray start' prints it")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise Failed(f"no Ray cluster answers at {address} ({said}){whence}; see 'ray status' there") from None


class _Pool:
    """The actors, and which blocks they have."""

    def __init__(self, ray: Any, cluster: Cluster, settings: Settings, task: Task, photos: Photos, work: Work) -> None:
        self._ray, self._cluster, self._task, self._photos, self._work = ray, cluster, task, photos, work
        self._cpus = cluster.worker_cpus or min(_WORKER_CPUS, max(1, *self._cores_of_nodes()))
        self._settings = settings.model_copy(update={"threads": self._cpus, "decode_threads": None})
        self._there = _samples(photos, task.base)
        self._models: Identity | None = None  # of the first actor, and so of all
        self._starting: dict[Any, Any] = {}  # what tells the models of an actor → the actor
        self._flying: dict[Any, tuple[int, Any]] = {}  # what will be a part → its block and its actor
        self._ready: list[Any] = []  # actors that have a model
        self._waiting: deque[int] = deque()
        self._ends = Counter[int]()  # by block: workers that ended while they had it
        self._early_ends = 0  # workers that ended before they began
        self._left = -1  # blocks whose parts are not written; -1: not known yet

    def run(self) -> None:
        """Until all parts are written."""
        begun = looked = time.monotonic()
        told = False
        self._hire()
        while self._left:
            asked = [*self._starting, *self._flying]
            if not asked:
                time.sleep(_POLL_S)
            for reference in self._ray.wait(asked, num_returns=1, timeout=_POLL_S)[0] if asked else ():
                if reference in self._starting:
                    self._begun(reference)
                elif reference in self._flying:
                    self._done(reference)
            self._hand_out()
            now = time.monotonic()
            if now - looked > _LOOK_S:
                looked = now
                self._hire()
            if not (told or self._ready) and now - begun > _PATIENCE_S:
                told = True
                largest = max(self._cores_of_nodes())
                self._work.tell(
                    f"waiting for a worker: it needs a node with {self._cpus} free cores (the largest has {largest}), and loads the model"
                )

    def _begun(self, reference: Any) -> None:
        """An actor tells its models, or has ended."""
        actor = self._starting.pop(reference)
        try:
            models = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        except self._ray.exceptions.RayError as error:
            self._early_ends += 1
            if self._early_ends >= _MOST_ENDS:
                raise Failed(f"{_MOST_ENDS} workers ended while they began; the last one: {_squeezed(error)}") from None
            return  # the next one is hired after a pause: memory may be wanting for a moment
        self._early_ends = 0
        if self._models is None:
            self._models = models
            self._waiting.extend(self._work.begin(models))
            self._left = len(self._waiting)
        elif models != self._models:
            raise Failed(
                f"the nodes hold different models: {self._models} and {models}; give all of them the same store,"
                " or name a version that all have: SEEDLINGS_VERSION"
            )
        self._ready.append(actor)

    def _done(self, reference: Any) -> None:
        """A block is a part, or its actor has ended."""
        number, actor = self._flying.pop(reference)
        try:
            part = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        except self._ray.exceptions.RayError as error:
            self._ends[number] += 1
            if self._ends[number] >= _MOST_ENDS:
                names = self._photos.block(number)
                raise Failed(
                    f"{_MOST_ENDS} workers ended over the photos from {names[0]} to {names[-1]}, perhaps for lack of memory:"
                    f" {_squeezed(error)}. Give workers more memory, or try a smaller --block"
                ) from None
            self._waiting.appendleft(number)
            self._dismiss(actor)
            return
        self._work.write(number, part)
        self._work.step(self._photos.size(number))
        self._left -= 1

    def _dismiss(self, actor: Any) -> None:
        """An actor that ended, or whose node cannot be reached, is no longer asked; another one takes its place."""
        if actor in self._ready:
            self._ready.remove(actor)
            self._ray.kill(actor)
            self._hire()

    def _hand_out(self) -> None:
        had = Counter(actor for _, actor in self._flying.values())
        for _ in range(LANES):
            for actor in self._ready:
                if self._waiting and had[actor] < LANES:
                    had[actor] += 1
                    number = self._waiting.popleft()
                    self._flying[actor.part.remote(self._photos.block(number))] = (number, actor)

    def _hire(self) -> None:
        """Actors for all cores of the cluster, or as many as are asked for; they begin once there is room for them."""
        room = sum(count // self._cpus for count in self._cores_of_nodes())
        wanted = self._cluster.workers or max(1, room)
        hired = self._ray.remote(num_cpus=self._cpus, max_restarts=0, max_concurrency=LANES + 1, scheduling_strategy="SPREAD")(Actor)
        for _ in range(wanted - len(self._ready) - len(self._starting)):
            actor = hired.remote(self._settings, self._task)
            self._starting[actor.models.remote(self._there)] = actor

    def _cores_of_nodes(self) -> list[int]:
        return [int(node["Resources"].get("CPU", 0)) for node in self._ray.nodes() if node["Alive"]] or [0]


def _samples(photos: Photos, base: str) -> list[str]:
    """Some photos of the archive that are files, and are there."""
    firsts = [photos.block(number)[0] for number in range(0, photos.blocks, -(-photos.blocks // _SAMPLES))]
    return [name for name in firsts if scheme(name) is None and os.path.exists(os.path.join(base, name))]


def _cause(error: Any) -> BaseException:
    """What an actor raised, in place of the page that Ray makes of it."""
    return error.cause if isinstance(error.cause, ServiceError | Failed) else Failed(f"a worker failed: {_last_line(error)}")


def _squeezed(error: object) -> str:
    return " ".join(str(error).split())[:400]


def _last_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__

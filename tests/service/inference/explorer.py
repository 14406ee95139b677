"""Every state that a `BatchScheduler` can get into, with its callers and streams, by breadth-first search.

All that threads do with a queue happens under one lock, so one step here is what is done while the lock is held once, and
all orders of these steps are all interleavings. Time is a number that a step of its own moves on. What the streams do
beside the queue is modelled: one at a time has the turn, and sleeps as long as `sleep_s` says, or until `wakes` is true.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from service.inference.batch_scheduler import Batch, BatchScheduler

WAIT_S = 1  # of the queue
TICK_S = 1


class Fault(Exception):
    """A state that may not be; the message tells the steps that lead there."""


@dataclass(frozen=True)
class Bounds:
    """How much of the world is looked at."""

    items: int
    streams: int
    batch_size: int
    ticks: int
    wait_s: int = WAIT_S
    kinds: str = "ab"


@dataclass(frozen=True)
class World:
    """One state. `streams`: a "free" one wants the turn; the one that has it is "asleep" or "woken"; others run a batch."""

    queue: BatchScheduler[str, int]
    streams: tuple[str | tuple[int, ...], ...]  # sorted, since they are alike
    kinds: tuple[str, ...] = ()  # of the items submitted, which are counted from 0
    places: int = 0  # given in all
    now_s: int = 0
    heard_s: tuple[int, ...] = ()  # of each item: when it came, or later, when a stream first looked and saw it
    seen: frozenset[int] = frozenset()  # items that a stream has looked at
    waiting: tuple[int, ...] = ()  # what should stand in the queue
    announced: int = 0
    running: tuple[Batch[str, int], ...] = field(default=(), compare=False)

    def key(self) -> Any:
        """Equal for equal states."""
        inside = tuple(tuple(value.items()) if isinstance(value, dict) else value for value in vars(self.queue).values())
        return inside, self.streams, self.kinds, self.places, self.now_s, self.heard_s, self.seen, self.waiting, self.announced


def explore(kind_of_queue: type[BatchScheduler[str, int]], bounds: Bounds) -> int:
    """The number of states that can be reached. Raises Fault for the first bad one, by the shortest way there."""
    queue = kind_of_queue(batch_size=bounds.batch_size, streams=bounds.streams, wait_s=bounds.wait_s)
    start = World(queue, ("free",) * bounds.streams)
    came: dict[Any, tuple[Any, str]] = {start.key(): (None, "")}
    layer = [start]
    while layer:
        following = []
        for world in layer:
            key, ends = world.key(), True
            try:
                _check(world, bounds)
                for step, reached in _steps(world, bounds):
                    ends = ends and step == "tick"
                    if (new := reached.key()) not in came:
                        came[new] = (key, step)
                        following.append(reached)
                _demand(not ends or not world.waiting, "nobody will ever run what waits")
            except Fault as fault:
                raise Fault(f"{fault} after: {', '.join(_way(came, key))}") from None
        layer = following
    return len(came)


def _way(came: dict[Any, tuple[Any, str]], key: Any) -> list[str]:
    steps: list[str] = []
    while key is not None:
        key, step = came[key]
        steps.insert(0, step)
    return steps[1:]


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Fault(otherwise)


def _check(world: World, bounds: Bounds) -> None:
    """What holds in every state."""
    queue = world.queue
    _demand(len(queue) == world.announced + len(world.waiting), "places are miscounted")
    if "asleep" not in world.streams:
        return
    sleep_s = queue.sleep_s(world.now_s)
    until_s = math.inf if sleep_s is None else world.now_s + sleep_s
    _demand(not queue.closed, "a stream sleeps on beside a closed queue")
    if world.waiting:
        patient_s = world.heard_s[world.waiting[0]] + bounds.wait_s
        due = until_s <= max(patient_s, world.now_s)
        _demand(due or bool(world.running), "an item waits, nothing runs, and the stream sleeps on")
        _demand(due or bool(world.announced), "an item waits for company that does not come")
        _demand(len(world.waiting) < bounds.batch_size, "a full batch waits")
        _demand(bool(world.running) or bool(world.announced), "an item waits alone")


def _steps(world: World, bounds: Bounds) -> Iterator[tuple[str, World]]:
    """All that can happen next."""
    if not world.queue.closed:
        if world.places < bounds.items:
            yield "admit", _changed(world, BatchScheduler.announce, places=world.places + 1, announced=world.announced + 1)
        for kind in bounds.kinds[: len(set(world.kinds)) + 1] if world.announced else ():  # the names of kinds do not matter
            item = len(world.kinds)
            yield (
                f"submit {kind}{item}",
                _changed(
                    world,
                    lambda queue, item=item, kind=kind: queue.add(item, kind),
                    kinds=(*world.kinds, kind),
                    heard_s=(*world.heard_s, world.now_s),
                    waiting=(*world.waiting, item),
                    announced=world.announced - 1,
                ),
            )
        yield "close", _changed(world, BatchScheduler.close, waiting=())
    if world.announced:
        yield "leave", _changed(world, BatchScheduler.withdraw, announced=world.announced - 1)
    for item in {*world.waiting, *(item for batch in world.running for item in batch.entries)}:
        left = tuple(other for other in world.waiting if other != item)
        yield f"cancel {item}", _changed(world, lambda queue, item=item: queue.remove(item), waiting=left)
    if world.now_s < bounds.ticks:
        yield "tick", replace(world, now_s=world.now_s + TICK_S)
    yield from _steps_of_streams(world, bounds)


def _steps_of_streams(world: World, bounds: Bounds) -> Iterator[tuple[str, World]]:
    for batch in world.running:
        running = tuple(other for other in world.running if other is not batch)
        streams = _replaced(world.streams, tuple(batch.entries), "free")
        yield f"finish {batch.entries}", _changed(world, lambda queue, batch=batch: queue.finish(batch), running=running, streams=streams)
    if "asleep" in world.streams and world.queue.sleep_s(world.now_s) == 0:
        yield "look again", _looked(world, "asleep", bounds)
    elif "woken" in world.streams:
        yield "look", _looked(world, "woken", bounds)
    elif "asleep" not in world.streams and "free" in world.streams:
        yield "take the turn", _looked(world, "free", bounds)


def _looked(world: World, stream: str, bounds: Bounds) -> World:
    queue = _copied(world.queue)
    if queue.closed:
        return replace(world, queue=queue, streams=_replaced(world.streams, stream, "ended"))
    batch = queue.take(world.now_s)
    if batch is None:
        new = set(world.waiting) - world.seen
        heard_s = tuple(world.now_s if item in new else heard for item, heard in enumerate(world.heard_s))
        return replace(world, queue=queue, heard_s=heard_s, seen=world.seen | new, streams=_replaced(world.streams, stream, "asleep"))
    entries = batch.entries
    alike = [item for item in world.waiting if world.kinds[item] == batch.kind]
    there = len(world.waiting) + world.announced + sum(len(other.entries) for other in world.running)
    _demand(bool(entries) and len(entries) <= bounds.batch_size, "a batch has a wrong size")
    _demand(entries == alike[: len(entries)] and entries[0] == world.waiting[0], "a batch is not of the oldest item and its kind")
    _demand(len(entries) >= min(len(alike), bounds.batch_size, -(-there // bounds.streams)), "a batch leaves out what could go with it")
    _demand(batch.alone == (there == len(entries)), "a batch is wrong about being alone")
    return replace(
        world,
        queue=queue,
        seen=frozenset(),  # each batch waits anew
        streams=_replaced(world.streams, stream, tuple(entries)),
        waiting=tuple(item for item in world.waiting if item not in entries),
        running=(*world.running, batch),
    )


def _changed(world: World, change: Any, **values: Any) -> World:
    """After a change of the queue; as the batcher does, it wakes the stream that sleeps where that is said to be due."""
    queue = _copied(world.queue)
    change(queue)
    streams = values.pop("streams", world.streams)
    return replace(world, queue=queue, streams=_replaced(streams, "asleep", "woken") if queue.wakes() else streams, **values)


def _copied(queue: BatchScheduler[str, int]) -> BatchScheduler[str, int]:
    new = copy.copy(queue)
    vars(new).update({name: dict(value) for name, value in vars(queue).items() if isinstance(value, dict)})
    return new


def _replaced(streams: tuple[Any, ...], old: Any, new: Any) -> tuple[Any, ...]:
    left = list(streams)
    left[left.index(old)] = new
    return tuple(sorted(left, key=str))

"""Many callers, one runner: items wait in a bounded queue and go through `run` in batches.

A few threads, the streams, run the batches. While they run, the next one forms in the queue; a stream takes its share of
what is there the moment it is free, so an item that comes alone never waits for company. Everything a caller can do ends
in its own answer, its own error or its cancellation:

    with batcher.admit() as place:             # QueueFull at once, before anything was spent on the item
        item = await decode(...)               # the queue counts it already
        served = await place.submit(kind, item)

A cancelled caller (gone, or out of time) gives its place back, and its item is not run unless it is running already.
"""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

from service.errors import ModelFailed, NotReady, QueueFull

Kind = TypeVar("Kind")
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Served(Generic[Answer]):
    """An answer, and what it took."""

    answer: Answer
    queue_s: float  # from submission to the start of its batch
    inference_s: float  # its whole batch
    batch_size: int


@dataclass(frozen=True)
class Ran:
    """One batch, as reported to `on_batch` from the thread that ran it."""

    size: int
    inference_s: float
    failures: tuple[Exception, ...]


@dataclass(eq=False)
class _Entry(Generic[Kind, Item, Answer]):
    kind: Kind
    item: Item
    future: asyncio.Future[Served[Answer]]
    submitted: float = field(default_factory=time.monotonic)


class Batcher(Generic[Kind, Item, Answer]):
    """Runs at most `max_batch` items at a time, in batches of one kind, begun in the order of their arrival.

    `run(kind, items, alone)` gives one answer, or one exception, for each item; it is called from `streams` threads at a
    time, `alone` when nothing else runs or waits as it begins. If it raises, or gives another number of answers, each item
    is run again by itself, so that a bad one fails alone. At most `max_queue` places are given. `wait_s` is how long an
    unfilled batch waits for places whose item was not submitted yet; while another one runs, also to be worth it.
    """

    def __init__(
        self,
        run: Callable[[Kind, list[Item], bool], Sequence[Answer | Exception]],
        *,
        max_batch: int,
        max_queue: int,
        streams: int = 1,
        wait_s: float = 0.0,
        on_batch: Callable[[Ran], None] | None = None,
    ) -> None:
        self._run = run
        self._max_queue, self._wait_s = max_queue, wait_s
        self._most = -(-max_batch // streams)  # items of a batch
        self._enough = -(-self._most // 2)  # items of a batch that are worth running beside another one
        self._on_batch = on_batch
        self._turn = threading.Lock()  # of the one free stream that forms the next batch; the others wait for it
        self._changed = threading.Condition(threading.Lock())  # held around all of the following
        self._entries: dict[_Entry[Kind, Item, Answer], None] = {}  # in order of submission; a dict, to remove from its middle
        self._announced = 0  # places given whose item was not submitted yet
        self._running = 0  # items in batches that run
        self._idle = False  # the stream whose turn it is waits for a first item
        self._closed = False
        self._item_s = 0.1  # smoothed seconds an item takes, for Retry-After
        self._threads = [threading.Thread(target=self._serve, name=f"inference-{n}", daemon=True) for n in range(streams)]

    def start(self) -> None:
        """Start the streams."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Answer what waits with NotReady, and end the streams after the batches they are running."""
        with self._changed:
            self._closed = True
            left = list(self._entries)
            self._entries.clear()
            self._changed.notify()
        self._deliver([(entry, NotReady("the service is shutting down")) for entry in left])
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def __len__(self) -> int:
        """Places taken: items admitted and not yet running."""
        return self._announced + len(self._entries)

    def admit(self) -> "Place[Kind, Item, Answer]":
        """Take a place in the queue, to be used as a context manager. Raises QueueFull."""
        with self._changed:
            self.check_room()
            self._announced += 1
        return Place(self)

    def check_room(self) -> None:
        """Raises QueueFull if no place could be taken at this moment."""
        taken = len(self)
        if taken >= self._max_queue:
            raise QueueFull(f"{taken} images are waiting already; try again later", retry_after_s=taken * self._item_s)

    def _leave(self) -> None:
        with self._changed:
            self._announced -= 1
            self._wake()

    def _wake(self) -> None:
        """Wake the stream whose turn it is if there is something for it to do; waking it for nothing costs as much as a request."""
        if self._entries and (self._idle or not self._announced or len(self._entries) >= self._wanted()):
            self._changed.notify()

    def _share(self) -> int:
        """Items for the next batch: all that wait, or with those that run a stream's part, where each stream gets enough of them."""
        streams, there = len(self._threads), len(self) + self._running
        most = -(-there // streams) if there >= streams * self._enough else there
        return min(self._most, len(self), most)

    def _wanted(self) -> int:
        """Items for which the next batch does not wait any longer."""
        return max(self._share(), self._enough) if self._running else self._share()

    async def _submit(self, kind: Kind, item: Item) -> Served[Answer]:
        entry = _Entry[Kind, Item, Answer](kind, item, asyncio.get_running_loop().create_future())
        with self._changed:
            self._announced -= 1
            if self._closed:
                raise NotReady("the service is shutting down")
            self._entries[entry] = None
            self._wake()
        try:
            return await entry.future
        finally:
            with self._changed:
                self._entries.pop(entry, None)

    def _serve(self) -> None:
        while True:
            with self._turn:
                batch, alone = self._next_batch()
            if not batch:
                return
            started = time.monotonic()
            answers = self._answers(batch[0].kind, [entry.item for entry in batch], alone)
            inference_s = time.monotonic() - started
            with self._changed:
                self._item_s += 0.1 * (inference_s / self._running - self._item_s)
                self._running -= len(batch)
                if self._entries:
                    self._changed.notify()  # what waited for company beside this batch need not any longer
            self._deliver(
                [
                    (entry, answer if isinstance(answer, Exception) else Served(answer, started - entry.submitted, inference_s, len(batch)))
                    for entry, answer in zip(batch, answers, strict=True)
                ]
            )
            if self._on_batch is not None:
                self._on_batch(Ran(len(batch), inference_s, tuple(answer for answer in answers if isinstance(answer, Exception))))
            del batch, answers  # else the last batch stays alive while the thread waits

    def _next_batch(self) -> tuple[list[_Entry[Kind, Item, Answer]], bool]:
        """Wait for items and take a batch of one kind from the head of the queue, and whether it is alone; empty once closed."""
        with self._changed:
            while not self._closed:
                if not self._entries:
                    self._idle = True
                    self._changed.wait()
                    self._idle = False
                    continue
                self._wait_for_company()
                if batch := self._head():
                    for entry in batch:
                        del self._entries[entry]
                    self._running += len(batch)
                    return batch, self._running == len(batch) and not len(self)
        return [], False

    def _wait_for_company(self) -> None:
        until = time.monotonic() + self._wait_s
        while 0 < len(self._entries) < self._wanted() and not self._closed:
            left_s = until - time.monotonic()
            if left_s > 0:
                self._changed.wait(left_s)
            elif self._running and self._announced:
                self._changed.wait()  # decoding has use for the core, until the batch that runs is done
            else:
                break

    def _head(self) -> list[_Entry[Kind, Item, Answer]]:
        entries = iter(self._entries)
        if (first := next(entries, None)) is None:
            return []
        same = itertools.takewhile(lambda entry: entry.kind == first.kind, entries)
        return [first, *itertools.islice(same, self._share() - 1)]

    def _answers(self, kind: Kind, items: list[Item], alone: bool) -> Sequence[Answer | Exception]:
        try:
            answers = self._run(kind, items, alone)
            if len(answers) == len(items):
                return answers
            failure: Exception = ModelFailed(f"the model gave {len(answers)} answers to {len(items)} images")
        except Exception as error:
            failure = error
        if len(items) == 1:
            return [failure]
        return [self._answers(kind, [item], alone)[0] for item in items]  # the bad one fails alone

    def _deliver(self, outcomes: list[tuple[_Entry[Kind, Item, Answer], Served[Answer] | Exception]]) -> None:
        """Hand outcomes to the callers' event loop, all in one wake-up of it."""
        if not outcomes:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it every caller
            outcomes[0][0].future.get_loop().call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: list[tuple[_Entry[Kind, Item, Answer], Served[Answer] | Exception]]) -> None:
    for entry, outcome in outcomes:
        if entry.future.done():  # its caller has gone
            continue
        if isinstance(outcome, Exception):
            entry.future.set_exception(outcome)
        else:
            entry.future.set_result(outcome)


class Place(Generic[Kind, Item, Answer]):
    """A place in the queue, given back on leaving the `with` block if no item was submitted."""

    def __init__(self, batcher: Batcher[Kind, Item, Answer]) -> None:
        self._batcher = batcher
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._open:
            self._open = False
            self._batcher._leave()

    async def submit(self, kind: Kind, item: Item) -> Served[Answer]:
        """Queue the item and wait for its answer; cancelling this takes the item out again.

        Raises what `run` raised for this very item, or NotReady when the batcher closes.
        """
        if not self._open:
            raise RuntimeError("a place takes one item")
        self._open = False
        return await self._batcher._submit(kind, item)

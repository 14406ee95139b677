"""Many callers, one runner: items wait in a bounded queue and go through `run` in batches.

A few threads, the streams, run the batches. Meanwhile the next batch forms in the queue. A stream that is free at once takes its
share of what is there, so an item that comes alone never waits for others. Each caller gets its own answer or its own error, or is
cancelled:

    with batcher.admit() as place:             # QueueFull at once, before anything was spent on the item
        item = await decode(...)               # the queue counts it already
        served = await place.submit(kind, item)

A cancelled caller (gone, or out of time) gives its place back, and its item is not run unless it is running already.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

from service.errors import ModelFailed, NotReady, QueueFull
from service.inference.batch_scheduler import Batch, BatchScheduler
from service.process import tracing

log = logging.getLogger(__name__)
STREAM_ENDED = "an inference thread has ended; restart the service"
_CLOSED = "the service is shutting down"
Kind = TypeVar("Kind")
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class BatchedAnswer(Generic[Answer]):
    """An answer, and what it took."""

    answer: Answer
    queue_s: float  # from submission to the start of its batch
    inference_s: float  # its whole batch
    batch_size: int


@dataclass(frozen=True)
class BatchReport:
    """One batch, as reported to `on_batch` from the thread that ran it."""

    size: int
    inference_s: float
    failures: tuple[Exception, ...]


@dataclass(eq=False)
class _Entry(Generic[Item, Answer]):
    item: Item
    future: asyncio.Future[BatchedAnswer[Answer]]
    submitted: float = field(default_factory=time.monotonic)
    started: float | None = None  # when its batch began


class Batcher(Generic[Kind, Item, Answer]):
    """Runs items in batches of one kind, of at most `batch_size`, each begun for the oldest item that waits.

    `run(kind, items, alone)` gives one answer, or one exception, for each item; it is called from `streams` threads at a
    time, `alone` when nothing else runs or waits as it begins. If it raises, or gives another number of answers, each item
    is run again by itself, so that a bad one fails alone. The answer None says that the item is to have another turn. At
    most `max_queue` places are given. `wait_s` is how long an unfilled batch waits for places whose item was not submitted
    yet; while another one runs, also to be worth it. What `on_batch` raises is logged: a report that cannot be kept ends no
    stream. `network` is its name in traces.
    """

    def __init__(
        self,
        run: Callable[[Kind, list[Item], bool], Sequence[Answer | Exception]],
        *,
        batch_size: int,
        max_queue: int,
        streams: int = 1,
        wait_s: float = 0.0,
        on_batch: Callable[[BatchReport], None] | None = None,
        network: str = "classifier",
    ) -> None:
        self._network = network
        self._run, self._max_queue, self._on_batch = run, max_queue, on_batch
        self._turn = threading.Lock()  # of the one free stream that forms the next batch; the others wait for it
        self._changed = threading.Condition(threading.Lock())  # held around all use of the scheduler
        self._scheduler = BatchScheduler[Kind, _Entry[Item, Answer]](batch_size=batch_size, streams=streams, wait_s=wait_s)
        self._item_s = 0.1  # smoothed seconds that an item takes, all its turns together, for Retry-After
        self._since_s = 0.0  # spent since the last item was done
        self._threads = [threading.Thread(target=self._serve, name=f"inference-{n}", daemon=True) for n in range(streams)]

    def start(self) -> None:
        """Start the streams."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Answer what waits with NotReady, and end the streams after the batches they are running."""
        with self._change() as scheduler:
            left = scheduler.close()
        self._deliver([(entry, NotReady(_CLOSED)) for entry in left])
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    @property
    def alive(self) -> bool:
        """Whether all streams run: started, not closed, and none has died."""
        return all(thread.is_alive() for thread in self._threads)

    def __len__(self) -> int:
        """Places taken: items admitted and not yet running."""
        return len(self._scheduler)

    @property
    def busy(self) -> bool:
        """Whether an item is admitted, waits or runs."""
        return self._scheduler.busy

    def admit(self, *, again: bool = False) -> "QueueSlot[Kind, Item, Answer]":
        """Take a place in the queue, to be used as a context manager. Raises QueueFull, or NotReady where nothing is run any more.

        again: for an item that was let in before and is to run once more: there is always room for it.
        """
        with self._change() as scheduler:
            if again:
                self._check_runs()
            else:
                self.check_room()
            scheduler.announce()
        return QueueSlot(self)

    def check_room(self) -> None:
        """Raises QueueFull if no place could be taken at this moment, NotReady where nothing is run any more."""
        self._check_runs()
        taken = len(self)
        if taken >= self._max_queue:
            raise QueueFull(f"{taken} images are waiting already; try again later", retry_after_s=taken * self._item_s)

    def _check_runs(self) -> None:
        if self._scheduler.closed:
            raise NotReady(_CLOSED)
        if not self.alive:
            raise NotReady(STREAM_ENDED)

    @contextlib.contextmanager
    def _change(self) -> Iterator[BatchScheduler[Kind, _Entry[Item, Answer]]]:
        """The scheduler, to be changed; the stream that sleeps hears of it."""
        with self._changed:
            try:
                yield self._scheduler
            finally:
                if self._scheduler.wakes():
                    self._changed.notify()

    def _leave(self) -> None:
        with self._change() as scheduler:
            scheduler.withdraw()

    async def _submit(self, kind: Kind, item: Item) -> BatchedAnswer[Answer]:
        entry = _Entry[Item, Answer](item, asyncio.get_running_loop().create_future())
        with self._change() as scheduler:
            if scheduler.closed:
                scheduler.withdraw()
                raise NotReady(_CLOSED)
            scheduler.add(entry, kind)
        error: BaseException | None = None
        try:
            return await entry.future
        except BaseException as raised:
            error = raised
            raise
        finally:
            with self._change() as scheduler:
                scheduler.remove(entry)
            self._trace(entry, error)

    def _trace(self, entry: _Entry[Item, Answer], error: BaseException | None) -> None:
        now = time.monotonic()
        if entry.started is None:
            tracing.record("queue", entry.submitted, now, error, network=self._network)
            return
        tracing.record("queue", entry.submitted, entry.started, network=self._network)
        if entry.future.done() and error is None:
            served = entry.future.result()
            tracing.record(
                "inference", entry.started, entry.started + served.inference_s, network=self._network, batch_size=served.batch_size
            )
        else:
            tracing.record("inference", entry.started, now, error, network=self._network)

    def _serve(self) -> None:
        while batch := self._next_batch():
            self._run_batch(batch)
            del batch  # else it stays alive while the thread waits

    def _next_batch(self) -> Batch[Kind, _Entry[Item, Answer]] | None:
        """Wait for a batch; None once closed."""
        with self._turn, self._changed:
            while not self._scheduler.closed:
                if batch := self._scheduler.take(time.monotonic()):
                    return batch
                self._changed.wait(self._scheduler.sleep_s(time.monotonic()))
        return None

    def _run_batch(self, batch: Batch[Kind, _Entry[Item, Answer]]) -> None:
        started = time.monotonic()
        for entry in batch.entries:
            entry.started = started
        answers = self._answers(batch.kind, [entry.item for entry in batch.entries], batch.alone)
        inference_s, size = time.monotonic() - started, len(batch.entries)
        with self._change() as scheduler:
            self._since_s += inference_s / scheduler.finish(batch)
            if any(answer is not None for answer in answers):
                self._item_s += 0.1 * (self._since_s - self._item_s)
                self._since_s = 0.0
        self._deliver(
            [
                (entry, answer if isinstance(answer, Exception) else BatchedAnswer(answer, started - entry.submitted, inference_s, size))
                for entry, answer in zip(batch.entries, answers, strict=True)
            ]
        )
        if self._on_batch is not None:
            try:
                self._on_batch(BatchReport(size, inference_s, tuple(answer for answer in answers if isinstance(answer, Exception))))
            except Exception:
                log.exception("the report of a batch failed; its answers were given")

    def _answers(self, kind: Kind, items: list[Item], alone: bool) -> Sequence[Answer | Exception]:
        try:
            answers = self._run(kind, items, alone)
            if len(answers) == len(items):
                return answers
            failure: Exception = ModelFailed(f"the model gave {len(answers)} answers to {len(items)} images")
        except Exception as error:
            failure = error
        except BaseException as error:  # a thread has no other use for them, and the callers wait
            failure = ModelFailed(f"the model ended with {type(error).__name__}")
        if len(items) == 1:
            return [failure]
        return [self._answers(kind, [item], alone)[0] for item in items]  # the bad one fails alone

    def _deliver(self, outcomes: list[tuple[_Entry[Item, Answer], BatchedAnswer[Answer] | Exception]]) -> None:
        """Hand outcomes to the callers' event loop, all in one wake-up of it."""
        if not outcomes:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it every caller
            outcomes[0][0].future.get_loop().call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: list[tuple[_Entry[Item, Answer], BatchedAnswer[Answer] | Exception]]) -> None:
    for entry, outcome in outcomes:
        if entry.future.done():  # its caller has gone
            continue
        if isinstance(outcome, Exception):
            entry.future.set_exception(outcome)
        else:
            entry.future.set_result(outcome)


class QueueSlot(Generic[Kind, Item, Answer]):
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

    async def submit(self, kind: Kind, item: Item) -> BatchedAnswer[Answer]:
        """Queue the item and wait for its answer; cancelling this takes the item out again.

        Raises what `run` raised for this very item, or NotReady when the batcher closes.
        """
        if not self._open:
            raise RuntimeError("a place takes one item")
        self._open = False
        return await self._batcher._submit(kind, item)

"""Which images form the next batch, and when it begins: the decisions of the batcher, without threads or a clock.

The caller holds a lock around each call, gives the time, and asks `wakes` after each change. One rule, `due_s`, decides both
when a batch begins and when a sleeping stream is woken, so no change can make a batch due unheard.
"""

import itertools
import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Kind = TypeVar("Kind")
Entry = TypeVar("Entry", bound=Hashable)


@dataclass(frozen=True)
class Batch(Generic[Kind, Entry]):
    """Entries of one kind that run together."""

    kind: Kind
    entries: list[Entry]
    alone: bool  # nothing else runs or waits


class BatchScheduler(Generic[Kind, Entry]):
    """A queue out of which `streams` take batches of one kind, of at most `batch_size` entries, one stream at a time.

    The oldest entry decides the kind of the next batch, and all that wait of its kind may go with it. So no kind waits for
    ever, and kinds that alternate run in full batches. `wait_s` is how long an unfilled batch waits for entries that are
    announced; while another batch runs, also to be worth running beside it.
    """

    def __init__(self, *, batch_size: int, streams: int, wait_s: float) -> None:
        self._batch_size, self._streams, self._wait_s = batch_size, streams, wait_s
        self._enough = -(-batch_size // 2)  # entries of a batch that are worth running beside another one
        self._entries: dict[Entry, Kind] = {}  # in order of arrival; a dict, to remove from its middle
        self._announced = 0  # entries to come
        self._running = 0  # entries in batches that run
        self._forming_since_s: float | None = None  # when a stream first looked at what waits now
        self._sleeps_until_s: float | None = None  # of the stream whose turn it is; None: it is awake, or there is none
        self.closed = False

    def __len__(self) -> int:
        """Entries announced or waiting."""
        return self._announced + len(self._entries)

    @property
    def busy(self) -> bool:
        """Whether an entry is announced, waits or runs."""
        return bool(self._running or len(self))

    def announce(self) -> None:
        """An entry will be added, or withdrawn."""
        self._announced += 1

    def withdraw(self) -> None:
        """An announced entry does not come."""
        self._announced -= 1

    def add(self, entry: Entry, kind: Kind) -> None:
        """An announced entry is there."""
        self._announced -= 1
        self._entries[entry] = kind

    def remove(self, entry: Entry) -> None:
        """An entry needs no answer any longer; nothing happens if it runs already."""
        self._entries.pop(entry, None)
        if not self._entries:
            self._forming_since_s = None

    def take(self, now_s: float) -> Batch[Kind, Entry] | None:
        """The next batch, if it is due. If not, the stream sleeps for `sleep_s`, or until `wakes` is true."""
        if self._entries and self._forming_since_s is None:
            self._forming_since_s = now_s
        due_s = self.due_s()
        if self.closed or due_s > now_s:
            self._sleeps_until_s = due_s
            return None
        self._sleeps_until_s = self._forming_since_s = None
        kind, entries = self._head()
        for entry in entries:
            del self._entries[entry]
        self._running += len(entries)
        return Batch(kind, entries, alone=self._running == len(entries) and not len(self))

    def sleep_s(self, now_s: float) -> float | None:
        """How long the stream that got nothing from `take` may sleep; None: until it is woken."""
        until_s = math.inf if self._sleeps_until_s is None else self._sleeps_until_s
        return None if until_s == math.inf else max(0.0, until_s - now_s)

    def wakes(self) -> bool:
        """Whether the sleeping stream is to be woken for what has changed; true once. Waking it for nothing costs as much as a request."""
        if self._sleeps_until_s is None or self.due_s() >= self._sleeps_until_s:
            return False
        self._sleeps_until_s = None
        return True

    def finish(self, batch: Batch[Kind, Entry]) -> int:
        """A batch has run. Returns how many entries were running, itself included."""
        running = self._running
        self._running -= len(batch.entries)
        return running

    def close(self) -> list[Entry]:
        """Give no batch any more. Returns the entries that waited."""
        self.closed = True
        left = list(self._entries)
        self._entries.clear()
        return left

    def due_s(self) -> float:
        """When the stream whose turn it is has something to do: -inf for at once, inf where only a change can tell."""
        if self.closed:
            return -math.inf
        if not self._entries:
            return math.inf
        if self._forming_since_s is None or len(self._entries) >= self._wanted():
            return -math.inf
        if self._running and self._announced:
            return math.inf  # decoding has use for the core, until the batch that runs is done
        return self._forming_since_s + self._wait_s

    def _share(self) -> int:
        """Entries for the next batch: all there are, or with those that run a stream's part, where each stream gets enough of them."""
        there = len(self) + self._running
        most = -(-there // self._streams) if there >= self._streams * self._enough else there
        return min(self._batch_size, len(self), most)

    def _wanted(self) -> int:
        """Entries for which the next batch does not wait any longer."""
        return max(self._share(), self._enough) if self._running else self._share()

    def _head(self) -> tuple[Kind, list[Entry]]:
        kind = next(iter(self._entries.values()))
        same = (entry for entry, other in self._entries.items() if other == kind)
        return kind, list(itertools.islice(same, self._share()))

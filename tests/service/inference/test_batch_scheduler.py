"""The batcher's decisions, in every state that a few items and streams can get it into; and faults, the old ones among them, are found."""

import itertools

import pytest

from service.inference.batch_scheduler import BatchScheduler
from tests.service.inference.explorer import Bounds, Fault, explore

ONE_STREAM = Bounds(items=3, streams=1, batch_size=2, ticks=2)
TWO_STREAMS = Bounds(items=3, streams=2, batch_size=3, ticks=2)


@pytest.mark.parametrize(
    "bounds",
    [
        ONE_STREAM,
        TWO_STREAMS,
        Bounds(items=4, streams=2, batch_size=2, ticks=1, kinds="a"),
        Bounds(items=4, streams=2, batch_size=4, ticks=0, wait_s=0),
        Bounds(items=3, streams=3, batch_size=2, ticks=1),
    ],
    ids=str,
)
def test_no_state_is_bad(bounds: Bounds) -> None:
    assert explore(BatchScheduler, bounds) > 1000


class LosesWakeUps(BatchScheduler[str, int]):
    """As it once was: a stream that waited for company did not hear that the last item had left, and so not of the next one."""

    def remove(self, entry: int) -> None:
        self._entries.pop(entry, None)

    def wakes(self) -> bool:
        idle = self._forming_since_s is None
        due = bool(self._entries) and (idle or not self._announced or len(self._entries) >= self._wanted())
        if self._sleeps_until_s is None or not (due or self.closed):
            return False
        self._sleeps_until_s = None
        return True


class LeavesOutOtherKinds(BatchScheduler[str, int]):
    """As it once was: a batch ended at the first item of another kind."""

    def _head(self) -> tuple[str, list[int]]:
        kind = next(iter(self._entries.values()))
        same = itertools.takewhile(lambda entry: self._entries[entry] == kind, self._entries)
        return kind, list(itertools.islice(same, self._share()))


class StartsItsWaitAnew(BatchScheduler[str, int]):
    """Each item that comes lets the first one wait longer."""

    def add(self, entry: int, kind: str) -> None:
        super().add(entry, kind)
        self._forming_since_s = None


class ForgetsWhatRuns(BatchScheduler[str, int]):
    """A batch that has run is not heard of."""

    def finish(self, batch) -> int:
        running = super().finish(batch)
        self._sleeps_until_s = None
        return running


@pytest.mark.parametrize(
    ("faulty", "bounds", "told"),
    [
        (LosesWakeUps, TWO_STREAMS, "an item waits, nothing runs, and the stream sleeps on"),
        (LeavesOutOtherKinds, ONE_STREAM, "a batch leaves out what could go with it"),
        (StartsItsWaitAnew, ONE_STREAM, "an item waits, nothing runs, and the stream sleeps on"),
        (ForgetsWhatRuns, TWO_STREAMS, "a stream sleeps on beside a closed queue"),
    ],
)
def test_a_fault_is_found(faulty: type[BatchScheduler[str, int]], bounds: Bounds, told: str) -> None:
    with pytest.raises(Fault, match=told):
        explore(faulty, bounds)

"""The batcher by itself: random payloads, cancellations and errors; every answer reaches its own caller."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import ModelFailed, NotReady, QueueFull
from service.inference.batcher import BatchedAnswer, Batcher, BatchReport

Run = Callable[[str, list[int], bool], Sequence[int | Exception]]


def doubled(_: str, items: list[int], alone: bool = True) -> list[int]:
    return [2 * item for item in items]


@contextmanager
def running(run: Run, **values: Any):
    batcher = Batcher(run, **({"batch_size": 4, "max_queue": 1000} | values))
    batcher.start()
    try:
        yield batcher
    finally:
        batcher.close()


async def ask(batcher: Batcher, item: int, kind: str = "a") -> BatchedAnswer:
    with batcher.admit() as place:
        return await place.submit(kind, item)


def in_loop(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 60))


class Gate:
    """A runner that holds its batches until told to go on."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []
        self.alone: list[bool] = []

    def __call__(self, kind: str, items: list[int], alone: bool) -> list[int]:
        self.batches.append(items)
        self.alone.append(alone)
        self.entered.set()
        assert self.go.wait(60)
        return doubled(kind, items)


@dataclass
class Caller:
    """One random caller."""

    item: int
    fate: str  # what `run` makes of the item: fine, raises (the whole batch), refused (by itself), short (too few answers)
    leaves: bool  # cancelled while waiting
    kind: str


CALLERS = st.lists(
    st.builds(
        Caller,
        item=st.integers(),
        fate=st.sampled_from(["fine", "fine", "fine", "raises", "refused", "short"]),
        leaves=st.booleans(),
        kind=st.sampled_from("ab"),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(callers=CALLERS, batch_size=st.integers(1, 8), wait_s=st.sampled_from([0, 0.001]), streams=st.integers(1, 3))
def test_every_answer_reaches_its_own_caller(callers: list[Caller], batch_size: int, wait_s: float, streams: int) -> None:
    def run(kind: str, numbers: list[int], alone: bool) -> list[Any]:
        assert 1 <= len(numbers) <= batch_size
        batch = [callers[number] for number in numbers]
        assert {caller.kind for caller in batch} == {kind}  # no batch mixes kinds
        if any(caller.fate == "raises" for caller in batch):
            raise ValueError(f"raised for {batch[0].item}")
        answers: list[Any] = [ValueError(f"refused {c.item}") if c.fate == "refused" else (kind, c.item) for c in batch]
        return answers[1:] if any(caller.fate == "short" for caller in batch) else answers

    async def everyone() -> list[Any]:
        with running(run, batch_size=batch_size, wait_s=wait_s, streams=streams) as batcher:
            tasks = [asyncio.ensure_future(ask(batcher, number, caller.kind)) for number, caller in enumerate(callers)]
            await asyncio.sleep(0)
            for task, caller in zip(tasks, callers, strict=True):
                if caller.leaves:
                    task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert len(batcher) == 0
        return outcomes

    for caller, outcome in zip(callers, in_loop(everyone()), strict=True):
        if caller.leaves and isinstance(outcome, asyncio.CancelledError):
            continue
        match caller.fate:
            case "fine":
                assert outcome.answer == (caller.kind, caller.item)
            case "raises":
                assert str(outcome) == f"raised for {caller.item}"
            case "refused":
                assert str(outcome) == f"refused {caller.item}"
            case "short":
                assert isinstance(outcome, ModelFailed)


def test_a_batch_forms_while_the_last_one_runs() -> None:
    gate = Gate()

    async def scenario() -> list[BatchedAnswer]:
        with running(gate) as batcher:
            first = asyncio.ensure_future(ask(batcher, 0))
            await asyncio.to_thread(gate.entered.wait)
            rest = [asyncio.ensure_future(ask(batcher, item)) for item in range(1, 7)]
            await asyncio.sleep(0)
            gate.go.set()
            return await asyncio.gather(first, *rest)

    served = in_loop(scenario())
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert [one.answer for one in served] == [0, 2, 4, 6, 8, 10, 12]
    assert [one.batch_size for one in served] == [1, 4, 4, 4, 4, 2, 2]
    assert all(one.queue_s >= 0 and one.inference_s >= 0 for one in served)


def test_two_streams_share_what_there_is() -> None:
    gate = Gate()

    async def scenario() -> list[BatchedAnswer]:
        with running(gate, streams=2, batch_size=8, wait_s=30) as batcher:
            tasks = [asyncio.ensure_future(ask(batcher, 0))]
            await asyncio.to_thread(gate.entered.wait)
            assert gate.alone == [True]
            gate.entered.clear()
            with batcher.admit() as last:  # "decoding": the share is of all that were admitted
                tasks += [asyncio.ensure_future(ask(batcher, item)) for item in range(1, 7)]
                await asyncio.to_thread(gate.entered.wait)
                tasks.append(asyncio.ensure_future(last.submit("a", 7)))
                await asyncio.sleep(0)
            gate.go.set()
            return await asyncio.gather(*tasks)

    served = in_loop(scenario())
    assert gate.batches[:2] == [[0], [1, 2, 3, 4]]  # half of the eight there are, while the first one runs
    assert sorted(item for batch in gate.batches[2:] for item in batch) == [5, 6, 7]
    assert gate.alone[:2] == [True, False]
    assert [one.answer for one in served] == [2 * item for item in range(8)]


def test_what_waits_beside_a_batch_waits_no_longer_than_it() -> None:
    gate = Gate()

    async def scenario() -> None:
        with running(gate, streams=2, batch_size=8, wait_s=0.01) as batcher:
            first = asyncio.ensure_future(ask(batcher, 0))
            await asyncio.to_thread(gate.entered.wait)
            with batcher.admit():  # never submitted
                second = asyncio.ensure_future(ask(batcher, 1))
                await asyncio.sleep(0.05)
                assert gate.batches == [[0]]  # one item is not worth running beside another
                gate.go.set()
                assert [one.answer for one in await asyncio.gather(first, second)] == [0, 2]

    in_loop(scenario())


def test_alone_there_is_no_waiting() -> None:
    async def scenario() -> None:
        with running(doubled, wait_s=30) as batcher:
            assert (await ask(batcher, 1)).answer == 2

    in_loop(scenario())  # would run into its time limit


def test_a_batch_waits_for_what_was_admitted() -> None:
    batches: list[int] = []

    def run(kind: str, items: list[int], alone: bool) -> list[int]:
        batches.append(len(items))
        return doubled(kind, items)

    async def scenario() -> None:
        with running(run, wait_s=30) as batcher, batcher.admit() as place:
            first = asyncio.ensure_future(ask(batcher, 1))
            await asyncio.sleep(0.05)  # "decoding"
            await place.submit("a", 2)
            await first

    in_loop(scenario())
    assert batches == [2]


def test_a_batch_does_not_wait_for_one_that_left() -> None:
    async def scenario() -> None:
        with running(doubled, wait_s=50) as batcher:
            with batcher.admit():
                first = asyncio.ensure_future(ask(batcher, 1))
                await asyncio.sleep(0.02)
                assert not first.done()
            assert (await first).answer == 2

    in_loop(scenario())


def test_a_full_queue_refuses_at_once() -> None:
    gate = Gate()

    async def scenario() -> None:
        with running(gate, max_queue=2) as batcher:
            tasks = [asyncio.ensure_future(ask(batcher, 0))]
            await asyncio.to_thread(gate.entered.wait)
            tasks += [asyncio.ensure_future(ask(batcher, item)) for item in (1, 2)]
            await asyncio.sleep(0)
            before = time.monotonic()
            with pytest.raises(QueueFull) as refusal:
                batcher.admit()
            assert time.monotonic() - before < 1
            assert refusal.value.retry_after_s
            tasks.pop().cancel()  # a caller that leaves makes room
            await asyncio.sleep(0)
            tasks.append(asyncio.ensure_future(ask(batcher, 3)))
            await asyncio.sleep(0)
            gate.go.set()
            await asyncio.gather(*tasks)

    in_loop(scenario())
    assert gate.batches == [[0], [1, 3]]  # and the one that left was not run


def test_a_place_is_given_back_when_decoding_fails() -> None:
    async def scenario() -> None:
        with running(doubled, max_queue=1) as batcher:
            for _ in range(3):
                with pytest.raises(ValueError, match="broken"), batcher.admit():
                    raise ValueError("broken")
            assert len(batcher) == 0
            assert (await ask(batcher, 1)).answer == 2

    in_loop(scenario())


def test_one_bad_item_fails_alone_and_is_reported() -> None:
    reports: list[BatchReport] = []
    gate = threading.Event()

    def run(_: str, items: list[int], alone: bool) -> list[float]:
        gate.wait(60)
        return [1 / item for item in items]

    async def scenario() -> list[Any]:
        with running(run, on_batch=reports.append) as batcher:
            tasks = [asyncio.ensure_future(ask(batcher, item)) for item in (1, 2, 0, 4, 5)]
            await asyncio.sleep(0)
            gate.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = in_loop(scenario())
    assert [getattr(outcome, "answer", None) for outcome in outcomes] == [1, 0.5, None, 0.25, 0.2]
    assert isinstance(outcomes[2], ZeroDivisionError)
    assert sum(ran.size for ran in reports) == 5
    assert sum(len(ran.failures) for ran in reports) == 1


@pytest.mark.parametrize("streams", [1, 2])
def test_closing_answers_everyone(streams: int) -> None:
    gate = Gate()

    async def scenario() -> list[Any]:
        batcher = Batcher(gate, batch_size=1, max_queue=9, streams=streams)
        batcher.start()
        tasks = [asyncio.ensure_future(ask(batcher, item)) for item in range(3)]
        while len(gate.batches) < streams:
            await asyncio.sleep(0.001)
        closing = asyncio.ensure_future(asyncio.to_thread(batcher.close))
        while len(batcher):
            await asyncio.sleep(0.001)
        gate.go.set()
        await closing
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(NotReady):
            await ask(batcher, 1)
        return outcomes

    outcomes = in_loop(scenario())
    assert [outcome.answer for outcome in outcomes[:streams]] == [0, 2][:streams]
    assert all(isinstance(outcome, NotReady) for outcome in outcomes[streams:])


def test_kinds_that_alternate_run_in_full_batches() -> None:
    gate = Gate()

    async def scenario() -> list[BatchedAnswer]:
        with running(gate, batch_size=6) as batcher:
            tasks = [asyncio.ensure_future(ask(batcher, 0))]
            await asyncio.to_thread(gate.entered.wait)
            tasks += [asyncio.ensure_future(ask(batcher, item, "ab"[item % 2])) for item in range(1, 13)]
            await asyncio.sleep(0)
            gate.go.set()
            return await asyncio.gather(*tasks)

    in_loop(scenario())
    assert gate.batches == [[0], [1, 3, 5, 7, 9, 11], [2, 4, 6, 8, 10, 12]]


def test_an_item_that_leaves_beside_a_batch_holds_up_no_later_one() -> None:
    gate = Gate()

    async def scenario() -> None:
        with running(gate, streams=2, batch_size=8, wait_s=0.01) as batcher:
            first = asyncio.ensure_future(ask(batcher, 0))
            await asyncio.to_thread(gate.entered.wait)
            with batcher.admit():  # "decoding", for ever
                leaving = asyncio.ensure_future(ask(batcher, 1))
                await asyncio.sleep(0.05)
                leaving.cancel()
                await asyncio.wait([leaving])
                gate.go.set()
                await first
                assert (await asyncio.wait_for(ask(batcher, 2), 20)).answer == 4  # nothing runs, so it waits 0.01 s for company

    in_loop(scenario())


def test_a_report_that_cannot_be_kept_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def full_disk(_: BatchReport) -> None:
        raise OSError(28, "No space left on device")

    async def scenario() -> None:
        with running(doubled, on_batch=full_disk) as batcher:
            for item in range(3):
                assert (await ask(batcher, item)).answer == 2 * item
            assert batcher.alive

    in_loop(scenario())
    assert "No space left on device" in caplog.text


def test_what_would_end_a_thread_is_a_failure_of_the_model() -> None:
    async def scenario() -> None:
        with running(lambda kind, items, alone: sys.exit("no")) as batcher:
            for _ in range(2):
                with pytest.raises(ModelFailed, match="SystemExit"):
                    await ask(batcher, 1)
            assert batcher.alive

    in_loop(scenario())


def test_retry_after_counts_all_turns_of_an_item() -> None:
    def turn(_: str, turns_left: list[int], alone: bool) -> list[int | None]:
        time.sleep(0.05)
        return [left or None for left in turns_left]

    async def scenario() -> None:
        with running(turn, batch_size=1, max_queue=1) as batcher:
            for _ in range(3):  # items of ten turns, half a second each
                for left in [0] * 9 + [1]:
                    await ask(batcher, left)
            with batcher.admit(), pytest.raises(QueueFull) as refusal:
                batcher.admit()
        assert refusal.value.retry_after_s is not None
        assert refusal.value.retry_after_s > 0.2  # 0.5 is approached from 0.1; one turn is 0.05

    in_loop(scenario())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is meant
def test_a_stream_that_died_is_told_and_nobody_hangs() -> None:
    async def scenario() -> None:
        with running(doubled, on_batch=lambda _: sys.exit()) as batcher:
            assert batcher.alive
            assert (await ask(batcher, 1)).answer == 2
            while batcher.alive:
                await asyncio.sleep(0.001)
            with pytest.raises(NotReady, match="restart"):
                await ask(batcher, 2)

    in_loop(scenario())

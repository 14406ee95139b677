"""Damaged images on every route, over HTTP: the small form of `benchmarks.fuzz`."""

import functools
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from benchmarks import fuzz_cases, mutations
from tests import drawn, fakes
from tests.service.conftest import Start

CASES = 300


@functools.cache
def files() -> list[bytes]:
    """The images that cases damage."""
    return [file for species in range(3) for file in mutations.files(drawn.plant(species, 0, side=48))]


@pytest.mark.filterwarnings("ignore")  # decoders warn of what is wrong with a file they read all the same
def test_every_request_is_answered_as_promised(start: Start, publish_in) -> None:
    publish_in(fakes.Halves)
    service = start(max_pixels=10**6)

    def ask(case: int) -> tuple[int, int, str | None]:
        made = fuzz_cases.make(Random(case), files())
        answer = service.client.post(made.path, content=made.body, headers=made.headers)
        return case, answer.status_code, fuzz_cases.fault(made, answer.status_code, answer.headers, answer.content)

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(ask, range(CASES)))
    assert [outcome for outcome in outcomes if outcome[2] is not None] == []
    assert {200, 400, 415, 422} <= {status for _, status, _ in outcomes}  # there are good ones among them, and each kind of bad
    assert service.services.uploads.buffered_bytes == 0
    service.wait_for(lambda: service.client.get("/health").json()["queued"] == 0, "an empty queue")
    assert service.client.get("/health").status_code == 200


def test_a_case_is_always_the_same() -> None:
    assert fuzz_cases.make(Random(7), files()) == fuzz_cases.make(Random(7), files())


@pytest.mark.parametrize(
    ("path", "status", "kind", "content"),
    [
        ("/predict", 500, "application/problem+json", b'{"type": "a", "title": "b", "status": 500, "detail": "c"}'),
        ("/predict", 422, "application/json", b'{"type": "a", "title": "b", "status": 422, "detail": "c"}'),
        ("/predict", 422, "application/problem+json", b'{"type": "a", "title": "b", "status": 415, "detail": "c"}'),
        ("/predict", 422, "application/problem+json", b"Internal Server Error"),
        ("/predict", 200, "application/json", b'{"species": "a", "probability": 0.4, "probabilities": {"a": 0.4}}'),
        ("/explain", 200, "image/png", b"no picture"),
        ("/v2/models/seedlings/infer", 400, "application/json", b'{"detail": "c"}'),
    ],
)
def test_a_wrong_answer_is_told(path: str, status: int, kind: str, content: bytes) -> None:
    made = fuzz_cases.Case(path, {}, b"")
    assert fuzz_cases.fault(made, status, {"content-type": kind}, content)

"""Query parameters, read by hand. What they do to answers is tested with the routes."""

import pytest
from starlette.requests import Request

from models_store.pixels import Crop
from service.answers import AnswerOptions
from service.errors import MalformedRequest
from service.http.queries import answer_options


def asked(query: str) -> Request:
    return Request({"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": query.encode()})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", AnswerOptions(None, 0)),
        ("top_k=3", AnswerOptions(3, 0)),
        ("threshold=0.95", AnswerOptions(None, 0.95)),
        ("threshold=1&top_k=10000", AnswerOptions(10_000, 1)),
        ("crop=auto", AnswerOptions(crop="auto")),
        ("crop=centre", AnswerOptions()),
        ("crop=1,2.5,30,40", AnswerOptions(crop=Crop(1, 2.5, 30, 40))),
        ("crop=%201,2,+30,4e1", AnswerOptions(crop=Crop(1, 2, 30, 40))),
    ],
)
def test_reads_what_is_asked(query: str, expected: AnswerOptions) -> None:
    assert answer_options(asked(query)) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("top_k=0", "from 1 to 10000"),
        ("top_k=10001", "from 1 to 10000"),
        ("top_k=²", "no whole number"),
        ("top_k=" + "9" * 5000, "no whole number"),
        ("threshold=nan", "from 0 to 1"),
        ("threshold=1.1", "from 0 to 1"),
        ("threshold=", "from 0 to 1"),
        ("threshold=%EF%BC%91", "from 0 to 1"),  # a 1 of another script
        ("crop=1_0,2,30,40", "four numbers"),  # to Python 10
        ("crop=Auto", "four numbers"),
        ("crop=", "four numbers"),
        ("crop=1,2,3", "four numbers"),
        ("crop=1,2,3,4,5", "four numbers"),
        ("crop=1,2,inf,4", "four numbers"),
        ("crop=1;2;3;4", "four numbers"),
        ("crop=" + "9," * 5000, "four numbers"),
        ("topk=3", "there is top_k, threshold, crop"),
        ("top_k=1&top_k=2", "give it once"),
    ],
)
def test_a_wrong_parameter_is_named(query: str, message: str) -> None:
    with pytest.raises(MalformedRequest, match=message):
        answer_options(asked(query))

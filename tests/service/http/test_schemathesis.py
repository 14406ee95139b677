"""The OpenAPI document against a running service: Schemathesis asks by it, and past it, and reads the answers by it."""

import json
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests import fakes
from tests.service.conftest import Running, Start

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"
# What no document can say: which bytes are an image that can be decoded.
UNSAID = [checks.positive_data_acceptance, checks.negative_data_rejection]
# Schemathesis would make the tests of all operations where they are collected. That takes seconds, in each process of a run.
OPERATIONS = [(method, path) for path, methods in json.loads(FILE.read_text())["paths"].items() for method in methods]


@pytest.fixture(scope="module")
def asked(module_service: Start) -> Running:
    return module_service(network=fakes.Halves)


@pytest.fixture(scope="module")
def document() -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_path(FILE)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
def test_every_answer_is_as_documented(method: str, path: str, document: schemathesis.BaseSchema, asked: Running) -> None:
    operation = document[path][method]

    def ask(cases: strategies.SearchStrategy[schemathesis.Case], most: int) -> None:
        @settings(
            max_examples=most,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases)
        def one(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=str(asked.client.base_url), excluded_checks=UNSAID)

        one()

    for example in operation.get_strategies_from_examples():
        ask(example, 1)
    ask(strategies.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode]), 10)

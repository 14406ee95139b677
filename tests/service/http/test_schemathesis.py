"""The OpenAPI document against a running service: Schemathesis asks by it, and past it, and reads the answers by it."""

from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi import checks

from tests import fakes
from tests.service.conftest import Running, Start

# What no document can say: which bytes are an image that can be decoded.
UNSAID = [checks.positive_data_acceptance, checks.negative_data_rejection]
document = schemathesis.openapi.from_path(Path(__file__).parents[3] / "docs" / "openapi.json")


@pytest.fixture(scope="module")
def asked(module_service: Start) -> Running:
    return module_service(network=fakes.Halves)


@document.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_documented(case: schemathesis.Case, asked: Running) -> None:
    case.call_and_validate(base_url=str(asked.client.base_url), excluded_checks=UNSAID)

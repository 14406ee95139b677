"""The OpenAPI document: whole, true, and not changed unnoticed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from service.__main__ import main
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import Running

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{method} {path}", operation) for path, methods in document["paths"].items() for method, operation in methods.items()]


def test_is_the_one_checked_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    assert capsys.readouterr().out == FILE.read_text(), "the interface changed: make docs"


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    known = {tag["name"] for tag in document["tags"]}
    for name, operation in operations(document):
        assert re.fullmatch(r"[A-Z][^\n]+\.", operation["description"]), name  # one sentence
        assert set(operation["tags"]) <= known, name
        for status, response in operation["responses"].items():
            for kind, content in response.get("content", {}).items():
                assert content["schema"] != {}, f"{name} {status} {kind}"


def test_every_field_and_answer_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            assert response["description"] not in ("", "Successful Response"), f"{name} {status}"
        for parameter in operation.get("parameters", []):
            assert parameter["in"] == "path" or parameter["description"], f"{name} {parameter['name']}"
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            schemas[f"{name} {kind}"] = content["schema"]
    fields = {(name, field): one for name, schema in schemas.items() for field, one in schema.get("properties", {}).items()}
    assert [where for where, one in fields.items() if not one.get("description")] == []


def test_nothing_is_null_that_may_be_left_out(document: dict[str, Any]) -> None:
    """Of a default of null, openapi-typescript makes a field that has to be there."""
    properties = [schema.get("properties", {}) for schema in document["components"]["schemas"].values()]
    assert not any("default" in field for fields in properties for field in fields.values())
    parameters = [one for _, operation in operations(document) for one in operation.get("parameters", [])]
    assert not any("null" in json.dumps(one) for one in parameters)


def test_every_body_of_several_types_has_a_parameter_that_may_be_left_out(document: dict[str, Any]) -> None:
    """Else openapi-python-client makes code that cannot be imported; tests/clients/test_generated.py imports it."""
    for name, operation in operations(document):
        if len(operation.get("requestBody", {}).get("content", {})) > 1:
            assert any(not one["required"] for one in operation.get("parameters", [])), name


def test_what_passes_says_when_to_ask_again(document: dict[str, Any]) -> None:
    answers = [(status, one) for _, operation in operations(document) for status, one in operation["responses"].items()]
    told = {status for status, one in answers if "Retry-After" in one.get("headers", {})}
    assert told == {"429", "503", "504"}


def test_the_limits_are_those_of_this_service() -> None:
    made = create_app(Settings(max_body_bytes=1234)).openapi()
    assert 1234 in [limit["value"] for limit in made["x-limits"]]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named <= set(document["components"]["schemas"])


def test_the_examples_have_the_form_of_real_answers(document: dict[str, Any], service: Running) -> None:
    schemas = document["components"]["schemas"]
    for path, name in (
        ("/health", "Health"),
        ("/species", "SpeciesList"),
        ("/v2", "ServerMetadata"),
        ("/v2/models/seedlings", "ModelMetadata"),
    ):
        answer = service.client.get(path).json()
        assert set(answer) == set(schemas[name]["properties"]) == set(schemas[name]["examples"][0]), path


@pytest.mark.parametrize("key", [None, "secret"])
def test_a_key_is_optional_where_none_is_set(key: str | None) -> None:
    made = create_app(Settings.model_validate({"api_key": key})).openapi()
    guarded = [operation["security"] for _, operation in operations(made) if "security" in operation]
    assert guarded
    assert {({} in kinds) for kinds in guarded} == {key is None}

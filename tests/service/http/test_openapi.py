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
            for kind, content in response["content"].items():
                assert content["schema"] != {}, f"{name} {status} {kind}"


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

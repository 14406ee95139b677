"""The API key, and keys with names."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import fakes
from tests.service.conftest import Running, Start


@pytest.fixture(scope="module")
def locked(module_service: Start) -> Running:
    return module_service(api_key="sésame")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-API-Key": "wrong"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": "Basic c8Opc2FtZQ=="}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer sésame".encode()}, 200),
        ({"X-API-Key": "sésame".encode()}, 200),
    ],
)
def test_the_key_guards_predictions(locked: Running, headers: dict, status: int) -> None:
    response = locked.client.post("/predict", content=fakes.image(), headers=headers)
    assert response.status_code == status, response.text
    if status == 401:
        assert response.headers["content-type"] == "application/problem+json"
        assert "www-authenticate" in response.headers
    assert locked.client.get("/metrics", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_never_the_probes(locked: Running, path: str) -> None:
    assert locked.client.get(path).status_code == 200


def test_a_long_upload_sees_its_refusal(locked: Running) -> None:
    for _ in range(3):  # and the connection is still good
        assert locked.client.post("/predict", content=b"a" * 5_000_000).status_code == 401
    assert locked.client.get("/health").status_code == 200


def test_either_header_will_do(locked: Running) -> None:
    right, wrong = "sésame".encode(), b"wrong"
    for headers in ({"Authorization": b"Bearer " + wrong, "X-API-Key": right}, {"Authorization": b"Bearer " + right, "X-API-Key": wrong}):
        assert locked.client.post("/predict", content=fakes.image(), headers=headers).status_code == 200


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys"


@pytest.fixture(scope="module")
def named(module_service: Start, file: Path) -> Running:
    write(file, farm=2, lab=3, prometheus="")
    return module_service(keys_file=file, api_key="single")


def write(file: Path, **rates: object) -> None:
    """The key of each name is `key of NAME`."""
    lines = [f"{name}:{hashlib.sha256(f'key of {name}'.encode()).hexdigest()}:{rate}\n" for name, rate in rates.items()]
    written = file.with_name("new")
    written.write_text("".join(lines))
    written.replace(file)


def test_a_named_key_is_good_for_so_many_requests(named: Running, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    client, image = named.client, fakes.image()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert client.post("/predict", content=image, headers={"X-API-Key": "key of farm"}).status_code == 200
        for path in ("/predict", "/species", "/v2"):
            response = client.request("POST" if path == "/predict" else "GET", path, headers={"Authorization": "Bearer key of farm"})
            assert response.status_code == 429
            assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert "the key 'farm' allows 2 requests a minute" in response.json()["error"]
        assert client.get("/species", headers={"X-API-Key": "key of lab"}).status_code == 200
        assert client.get("/species", headers={"X-API-Key": "single"}).status_code == 200
        assert client.get("/species", headers={"X-API-Key": "key of nobody"}).status_code == 401
        named.wait_for(lambda: sum(record.name == "service.access" for record in caplog.records) == 8, "eight lines")
    lines = [record.fields for record in caplog.records if record.name == "service.access"]  # type: ignore[attr-defined]
    assert [line.get("key") for line in lines] == ["farm"] * 5 + ["lab", None, None]
    metrics = client.get("/metrics", headers={"X-API-Key": "key of prometheus"}).text
    for line in (
        'seedlings_key_requests_total{key="farm",status="200"} 2.0',
        'seedlings_key_requests_total{key="farm",status="429"} 3.0',
        'seedlings_key_requests_total{key="lab",status="200"} 1.0',
        'seedlings_rejected_total{reason="rate-limited"} 3.0',
        'seedlings_requests_total{route="/predict",status="429"} 1.0',
    ):
        assert line in metrics
    assert "key of" not in metrics

    write(file, farm=4, gate=1)  # while it serves
    named.wait_for(lambda: client.get("/species", headers={"X-API-Key": "key of gate"}).status_code in (200, 429), "the new file is read")
    assert client.get("/species", headers={"X-API-Key": "key of lab"}).status_code == 401
    statuses = [client.get("/species", headers={"X-API-Key": "key of farm"}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]  # two of its four were used before
    file.write_text("gate:key:1")
    named.wait_for(lambda: "keys, line 1: the second field" in str(client.get("/health").json()["error"]), "the error is told")
    assert client.get("/health").json()["status"] == "ready"
    assert client.get("/species", headers={"X-API-Key": "key of gate"}).status_code == 429


def test_only_named_keys_close_the_service_too(start: Start, publish_in: Callable[..., Path], tmp_path: Path) -> None:
    publish_in(fakes.Shares)
    write(tmp_path / "keys", farm=600)
    service = start(keys_file=tmp_path / "keys")
    for headers in ({}, {"X-API-Key": ""}, {"Authorization": "Bearer"}):
        assert service.client.get("/species", headers=headers).status_code == 401
    assert {} not in service.client.get("/openapi.json").json()["paths"]["/species"]["get"]["security"]

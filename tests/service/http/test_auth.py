"""The API key."""

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

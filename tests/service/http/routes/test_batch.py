"""`POST /predict/batch` by real clients."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import fakes
from tests.service.conftest import Running, Start


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{i}.png", content)) for i, content in enumerate(contents)]


def test_answers_in_order_and_keeps_the_bad_ones_apart(service: Running) -> None:
    colours = [(10 + 4 * i, 200 - 3 * i, 30 + 2 * i) for i in range(40)]
    contents = [fakes.image(colour) for colour in colours]
    contents[3], contents[17], contents[39] = b"", b"not an image", contents[39][:-30]
    response = service.client.post("/predict/batch", files=files(*contents))
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert [result["file"] for result in results] == [f"{i}.png" for i in range(40)]
    assert {i: result["problem"]["status"] for i, result in enumerate(results) if "problem" in result} == {3: 400, 17: 415, 39: 422}
    for colour, result in zip(colours, results, strict=True):
        if "prediction" in result:
            assert list(result["prediction"]["probabilities"].values()) == pytest.approx(fakes.shares(colour), abs=1e-5)


def test_more_images_than_the_queue_holds(start: Start, publish_in) -> None:
    publish_in()
    service = start(max_queue=2)
    results = service.client.post("/predict/batch", files=files(*[fakes.image()] * 50)).json()["results"]
    assert all("prediction" in result for result in results)


def test_batches_side_by_side(start: Start, publish_in) -> None:
    publish_in()
    service = start(max_queue=8)

    def ask(red: int) -> list[float]:
        while (response := service.client.post("/predict/batch", files=files(*[fakes.image((red, 90, 10))] * 20))).status_code == 429:
            pass  # the queue happened to be full
        return [result["prediction"]["probabilities"]["Maize"] for result in response.json()["results"]]

    with ThreadPoolExecutor(3) as pool:
        reds = [40, 120, 200]
        for red, answers in zip(reds, pool.map(ask, reds), strict=True):
            assert answers == pytest.approx([fakes.shares((red, 90, 10))[0]] * 20, abs=1e-5)


@pytest.fixture(scope="module")
def sparing(module_service: Start) -> Running:
    """A service that takes short bodies alone."""
    return module_service(max_body_bytes=4000)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b""}, 415),
        ({"content": fakes.image(), "headers": {"content-type": "image/png"}}, 415),
        ({"files": {"file": ("a.png", fakes.image())}}, 400),
        ({"files": files(b"a" * 5000)}, 413),
        ({"content": b"--b--", "headers": {"content-type": "multipart/form-data"}}, 400),
    ],
    ids=["empty", "no form", "another part", "too long", "no boundary"],
)
def test_refuses(sparing: Running, request_: dict, status: int) -> None:
    response = sparing.client.post("/predict/batch", **request_)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"

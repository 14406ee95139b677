"""`POST /predict` by real clients."""

import asyncio
import io
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests import fakes
from tests.service.conftest import Running, Start

COLOUR = (200, 40, 10)


@pytest.mark.parametrize(
    "request_",
    [
        {"files": {"file": ("photo.png", fakes.image(COLOUR))}},
        {"content": fakes.image(COLOUR), "headers": {"content-type": "image/png"}},
        {"content": fakes.image(COLOUR), "headers": {"content-type": "application/octet-stream"}},
        {"content": fakes.image(COLOUR)},
        {"content": iter([fakes.image(COLOUR)[:50], fakes.image(COLOUR)[50:]])},  # chunked
    ],
    ids=["form", "image", "octets", "untyped", "chunked"],
)
def test_answers(service: Running, request_: dict) -> None:
    response = service.client.post("/predict", **request_)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["species"] == "Maize"
    assert answer["group"] == "crop"
    assert answer["confident"] is True
    assert list(answer["probabilities"]) == list(fakes.NAMES)
    assert list(answer["probabilities"].values()) == pytest.approx(fakes.shares(COLOUR), abs=1e-5)
    assert answer["probability"] == answer["probabilities"]["Maize"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["model"] == {"name": "seedlings", "version": "1"}


def test_not_confident_under_the_threshold(service: Running) -> None:
    answer = service.client.post("/predict", content=fakes.image((100, 90, 90))).json()
    assert answer["species"] == "Maize"
    assert answer["confident"] is False


def boundary(*lines: str) -> dict:
    return {"content": "\r\n".join(lines).encode(), "headers": {"content-type": "multipart/form-data; boundary=b"}}


@pytest.fixture(scope="module")
def strict(module_service: Start) -> Running:
    return module_service(max_body_bytes=4000, max_pixels=150 * 150)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b""}, 400),
        ({"files": {"photo": ("a.png", fakes.image())}}, 400),
        ({"files": {"file": ("a.png", b"")}}, 400),
        ({"files": [("file", ("a.png", fakes.image())), ("file", ("b.png", fakes.image()))]}, 400),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400),
        (boundary("no boundary at all"), 400),
        (boundary("--b", 'Content-Disposition: form-data; name="file"', "", "cut off"), 400),
        (boundary("--b", "Content-Disposition", "", "x", "--b--"), 400),
        ({"content": b"", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 400),
        ({"content": b"a" * 5000}, 413),
        ({"content": iter([b"a" * 900] * 9)}, 413),
        ({"content": b"hello", "headers": {"content-type": "image/png"}}, 415),
        ({"content": b"{}", "headers": {"content-type": "application/json"}}, 415),
        ({"content": b"a=b", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 415),
        ({"content": fakes.image()[:-30]}, 422),
        ({"content": fakes.image(side=4)}, 422),
        ({"content": fakes.image(side=200)}, 422),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
def test_refuses(strict: Running, request_: dict, status: int) -> None:
    response = strict.client.post("/predict", **request_)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) >= {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert strict.client.post("/predict", content=fakes.image()).status_code == 200  # and goes on


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/nowhere", 404)])
def test_unknown_routes_are_problems(service: Running, method: str, path: str, status: int) -> None:
    response = service.client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert path in response.json()["detail"]
    assert ("POST" if status == 405 else "/docs") in response.json()["detail"]  # what there is instead


@pytest.mark.parametrize(
    ("path", "methods"), [("/predict", {"POST"}), ("/corrections", {"GET", "HEAD", "POST"}), ("/health/live", {"GET", "HEAD"})]
)
def test_a_refused_method_is_told_all_that_the_path_takes(service: Running, path: str, methods: set[str]) -> None:
    response = service.client.put(path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == methods
    assert response.headers["allow"] in response.json()["detail"]


def test_every_answer_reaches_its_own_caller(service: Running) -> None:
    colours = [(1 + i * 3 % 250, 1 + i * 7 % 250, 1 + i * 11 % 250) for i in range(200)]

    def ask(colour: tuple[int, int, int]) -> list[float]:
        return list(service.client.post("/predict", content=fakes.image(colour)).json()["probabilities"].values())

    with ThreadPoolExecutor(16) as pool:
        for colour, answer in zip(colours, pool.map(ask, colours), strict=True):
            assert answer == pytest.approx(fakes.shares(colour), abs=1e-5)


def test_the_document_describes_the_answers(service: Running) -> None:
    document = json.loads(service.client.get("/openapi.json").text)
    operation = document["paths"]["/predict"]["post"]
    assert {"200", "400", "401", "408", "413", "415", "422", "429", "503", "504"} <= set(operation["responses"])
    assert set(operation["requestBody"]["content"]) == {"multipart/form-data", "image/*", "application/octet-stream"}
    assert "application/problem+json" in operation["responses"]["422"]["content"]


def test_an_answer_carries_what_a_machine_needs(start: Start, publish_in: Callable[..., Path]) -> None:
    publish_in(fakes.Measured)
    answer = start().client.post("/predict", content=fakes.image((200, 10, 10))).json()
    assert (answer["threshold"], answer["ood_limit"]) == (0.5, pytest.approx(fakes.DARK))
    assert answer["ood_score"] == pytest.approx(200 / 255, abs=1e-3)
    assert answer["familiar"] == (answer["ood_score"] <= answer["ood_limit"])
    assert {"scientific_name", "eppo_code"} <= answer.keys()


def test_a_model_that_measures_no_distance_says_null(service: Running) -> None:
    answer = service.client.post("/predict", content=fakes.image()).json()
    assert (answer["ood_score"], answer["ood_limit"]) == (None, None)


def test_top_k_gives_the_best_first(service: Running) -> None:
    whole = service.client.post("/predict", content=fakes.image((10, 60, 30))).json()
    best = service.client.post("/predict?top_k=2", content=fakes.image((10, 60, 30))).json()
    assert list(best["probabilities"].items()) == sorted(whole["probabilities"].items(), key=lambda one: -one[1])[:2]
    assert best["species"] == whole["species"] == next(iter(best["probabilities"]))
    assert len(service.client.post("/predict?top_k=9999", content=fakes.image()).json()["probabilities"]) == 3


@pytest.mark.parametrize(
    ("threshold", "confident", "used"), [("0.2", True, 0.5), ("0.5", True, 0.5), ("0.99", False, 0.99), ("1", False, 1.0)]
)
def test_a_threshold_may_only_be_raised(service: Running, threshold: str, confident: bool, used: float) -> None:
    answer = service.client.post(f"/predict?threshold={threshold}", content=fakes.image((200, 40, 10))).json()
    assert 0.5 < answer["probability"] < 0.99
    assert (answer["confident"], answer["threshold"]) == (confident, used)


@pytest.mark.parametrize("route", ["/predict", "/predict/batch", "/explain"])
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("treshold=0.9", "treshold"),
        ("top_k=0", "top_k"),
        ("top_k=1e3", "top_k"),
        ("top_k=\u0663", "top_k"),
        ("top_k=3&top_k=4", "top_k"),
        ("threshold=nan", "threshold"),
        ("threshold=-1", "threshold"),
        ("threshold=" + "9" * 5000, "threshold"),
    ],
)
def test_a_wrong_query_is_a_problem_that_names_it(service: Running, route: str, query: str, named: str) -> None:
    response = service.client.post(f"{route}?{query}", files={"file": fakes.image()})
    assert response.status_code == 400
    assert named in response.json()["detail"]
    assert len(response.text) < 1000


def test_an_unknown_query_parameter_is_told_the_known_ones(service: Running) -> None:
    detail = service.client.post("/predict?k=3", content=fakes.image()).json()["detail"]
    assert "top_k" in detail
    assert "threshold" in detail


def sides() -> bytes:
    """A wide photo, turned by its EXIF: upright, it is 96 pixels wide, red on the left, green in the middle, blue on the right."""
    upright = Image.new("RGB", (96, 32), (10, 200, 10))
    upright.paste((200, 10, 10), (0, 0, 32, 32))
    upright.paste((10, 10, 200), (64, 0, 96, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned to the left
    stream = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(stream, "PNG", exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("query", "crop", "species"),
    [
        ("", [32, 0, 32, 32], "Sugar beet"),
        ("?crop=0,0,32,32", [0, 0, 32, 32], "Maize"),
        ("?crop=65.5,1,30,30", [65.5, 1, 30, 30], "Charlock"),
        ("?crop=0,0,30,9", [10.5, 0, 9, 9], "Maize"),
    ],
)
def test_a_crop_is_looked_at_and_named(service: Running, query: str, crop: list[float], species: str) -> None:
    answer = service.client.post(f"/predict{query}", content=sides()).json()
    assert (answer["crop"], answer["species"]) == (crop, species)
    (result,) = service.client.post(f"/predict/batch{query}", files=[("files", ("a.png", sides()))]).json()["results"]
    assert result["prediction"] == answer


def test_the_crop_of_an_answer_asks_for_the_same_again(service: Running) -> None:
    first = service.client.post("/predict", content=sides()).json()
    again = service.client.post("/predict", params={"crop": ",".join(map(str, first["crop"]))}, content=sides()).json()
    assert again == first


def test_a_crop_outside_of_a_photo_is_that_photos_problem(service: Running) -> None:
    refused = service.client.post("/predict?crop=60,0,32,32", content=fakes.image())
    assert refused.status_code == 400
    assert "16×16" in refused.json()["detail"]
    files = [("files", ("small.png", fakes.image())), ("files", ("wide.png", sides()))]
    small, large = service.client.post("/predict/batch?crop=60,0,32,32", files=files).json()["results"]
    assert small["problem"]["status"] == 400
    assert large["prediction"]["crop"] == [60, 0, 32, 32]


def test_while_the_largest_plant_is_searched_no_place_is_taken_that_others_could_have(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes.publish(tmp_path, fakes.Halves)
    fakes.publish_segmenter(tmp_path)
    running = start(store=tmp_path, max_queue=1)
    running.wait_for(lambda: running.services.segmenters.current, "the segmenter is loaded")
    searching, found = threading.Event(), threading.Event()

    async def look(_: bytes) -> None:
        searching.set()
        await asyncio.to_thread(found.wait, 60)

    monkeypatch.setattr(running.services.detector, "look", look)
    with ThreadPoolExecutor(1) as pool:
        searched = pool.submit(running.client.post, "/predict?crop=auto", content=fakes.image())
        try:
            assert searching.wait(60)
            assert running.client.post("/predict", content=fakes.image()).status_code == 200
        finally:
            found.set()
        assert searched.result().status_code == 200

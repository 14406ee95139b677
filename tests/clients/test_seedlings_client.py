"""The project's own client, against a real service and against servers that behave badly."""

import ast
import asyncio
import email.utils
import importlib.metadata
import inspect
import json
import pickle
import re
import shutil
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from seedlings_client import UNSET, Answer, AsyncClient, Client, Explanation, NoAnswer, Problem, __version__, requests

from tests import fakes
from tests.clients.conftest import KEY, Answering, Said
from tests.service.conftest import Running

RED, WHITE = (200, 40, 10), (255, 255, 255)
ANSWER: dict[str, Any] = {
    "species": "Maize",
    "scientific_name": "Zea mays",
    "eppo_code": "ZEAMX",
    "answer": {"rank": "species", "name": "Maize", "probability": 0.9},
    "probability": 0.9,
    "group": "crop",
    "confident": True,
    "threshold": 0.5,
    "ood_score": None,
    "ood_limit": None,
    "crop": [0, 0, 16, 16],
    "probabilities": {"Maize": 0.9, "Charlock": 0.1},
    "model": {"name": "seedlings", "version": "2"},
}
FINE = Said(body=json.dumps(ANSWER).encode())
BUSY = Said(429, headers={"Retry-After": "0"})
Calling = Callable[..., Any]


@pytest.fixture(params=["waiting", "asyncio"])
def call(request: pytest.FixtureRequest) -> Calling:
    """Call one method of a new client, by both of them in turn."""

    def waiting(method: str, url: str, *arguments: Any, key: str | None = KEY, options: Any = None, **named: Any) -> Any:
        with Client(url, key, **(options or {})) as client:
            return getattr(client, method)(*arguments, **named)

    def in_a_loop(method: str, url: str, *arguments: Any, key: str | None = KEY, options: Any = None, **named: Any) -> Any:
        async def main() -> Any:
            async with AsyncClient(url, key, **(options or {})) as client:
                return await getattr(client, method)(*arguments, **named)

        return asyncio.run(main())

    return waiting if request.param == "waiting" else in_a_loop


def test_both_have_the_same_methods_and_parameters() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(one).parameters) for name, one in vars(kind).items() if inspect.isfunction(one) and name[0] != "_"
        }

    assert methods(Client) == methods(AsyncClient)
    assert list(inspect.signature(Client).parameters) == list(inspect.signature(AsyncClient).parameters)


def test_predicts(call: Calling, url: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(fakes.image(RED))
    for given in (photo, str(photo), fakes.image(RED)):
        answer = call("predict", url, given)
        assert isinstance(answer, Answer)
        assert (answer.species, answer.group, answer.familiar, answer.promise) == ("Maize", "crop", True, UNSET)
        assert (answer.answer.rank, answer.answer.name) == ("species", "Maize")
        assert sum(answer.probabilities.to_dict().values()) == pytest.approx(1)
    part = call("predict", url, photo, crop=(2, 0, 9.5, 10))
    assert part.crop == [2, 0.25, 9.5, 9.5]
    narrow = call("predict", url, photo, top_k=1, threshold=0.99999)
    assert narrow.probabilities.to_dict() == {"Maize": answer.probabilities["Maize"]}
    assert (narrow.threshold, narrow.confident, narrow.answer) == (0.99999, False, None)


def test_an_answer_is_the_services_json(call: Calling, url: str) -> None:
    told = httpx.post(f"{url}/predict", content=fakes.image(RED), headers={"X-API-Key": KEY}).json()
    assert call("predict", url, fakes.image(RED)).to_dict() == told


def test_finds_plants_and_answers_the_whole_photo(call: Calling, url: str, service: Running) -> None:
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    photo = fakes.encoded(fakes.field([(100, 90, 40)]))
    found = call("detect", url, photo, masks=True, fine=True, top_k=1, prediction=(0, 0, 200, 200))
    told = httpx.post(f"{url}/detect?masks=rle&fine=true&top_k=1&prediction=0,0,200,200", content=photo, headers={"X-API-Key": KEY}).json()
    assert found.to_dict() == told
    assert found.prediction.to_dict() == call("predict", url, photo, top_k=1, crop=(0, 0, 200, 200)).to_dict()
    assert call("detect", url, photo).prediction is UNSET


def test_a_batch_is_divided_and_stays_in_order(call: Calling, url: str) -> None:
    colours = [RED, (10, 200, 10), (10, 10, 200)] * 30
    photos = [fakes.image(colour) for colour in colours]
    photos[40] = b"no photo"
    results = call("predict_batch", url, iter(photos), top_k=1)
    assert [result.species if isinstance(result, Answer) else result.status for result in results] == [
        415 if i == 40 else ("Maize", "Sugar beet", "Charlock")[i % 3] for i in range(90)
    ]
    assert results[40].type == "urn:seedlings:unsupported-image"
    assert results[40].request_id
    assert call("predict_batch", url, []) == []


def test_a_batch_that_is_too_large_is_divided_further(call: Calling, url: str) -> None:
    noisy = fakes.image(RED) + bytes(9_000)  # the service of this module takes 20,000 bytes
    results = call("predict_batch", url, [noisy, noisy, noisy, bytes(30_000), noisy])
    assert [getattr(result, "status", 200) for result in results] == [200, 200, 200, 413, 200]


def test_photos_of_a_batch_for_which_the_service_was_too_busy_are_asked_for_again(call: Calling, answering: Answering) -> None:
    late = {
        "type": "urn:seedlings:deadline-passed",
        "title": "No answer within the deadline",
        "status": 504,
        "detail": "no answer within 10 s",
    }
    batch = Said(body=json.dumps({"results": [{"file": "0", "prediction": ANSWER}, {"file": "1", "problem": late}]}).encode())
    with answering(batch, FINE) as (url, asked):
        results = call("predict_batch", url, [b"one", b"two"])
    assert [result.species for result in results] == ["Maize", "Maize"]
    assert [headers["Content-Length"] for headers in asked][1] == "3"


def test_explains_lists_and_tells_its_health(call: Calling, url: str) -> None:
    explanation = call("explain", url, fakes.image(RED), species="Sugar beet")
    assert isinstance(explanation, Explanation)
    assert explanation.png.startswith(b"\x89PNG")
    assert explanation.species == "Sugar beet"
    assert [one.name for one in call("species", url).species] == list(fakes.NAMES)
    assert call("health", url).status.value == "ready"
    assert call("retention", url).to_dict() == {"kept": True, "asked": 0, "positions": False, "days": None}


def test_a_service_that_is_not_ready_tells_its_health(call: Calling, answering: Answering) -> None:
    told = {"status": "loading", "model": None, "error": None, "refused": [], "queued": 0}
    with answering(Said(503, json.dumps(told).encode())) as (url, _):
        assert call("health", url).status.value == "loading"


def test_a_problem_says_all_that_the_service_says(call: Calling, url: str) -> None:
    with pytest.raises(Problem, match="not an image") as raised:
        call("predict", url, b"no photo")
    problem = raised.value
    assert (problem.status, problem.type, problem.retry_after_s) == (415, "urn:seedlings:unsupported-image", None)
    assert problem.title
    assert problem.request_id
    assert vars(pickle.loads(pickle.dumps(problem))) == vars(problem)


def test_a_key_is_sent_and_a_wrong_one_is_told(call: Calling, url: str) -> None:
    for key in (None, "wrong"):
        with pytest.raises(Problem) as raised:
            call("predict", url, fakes.image(RED), key=key)
        assert raised.value.status == 401


def test_a_busy_service_is_asked_again_after_the_seconds_it_names(call: Calling, answering: Answering) -> None:
    soon = email.utils.format_datetime(email.utils.localtime().astimezone(tz=None))
    with answering(Said(503, headers={"Retry-After": "1"}), BUSY, Said(504, headers={"Retry-After": soon}), FINE) as (url, asked):
        began = time.monotonic()
        assert call("predict", url, b"image").species == "Maize"
    assert time.monotonic() - began >= 1
    assert [headers["X-API-Key"] for headers in asked] == [KEY] * 4
    assert asked[0]["User-Agent"] == f"seedlings-client/{__version__}"


def test_tries_are_bounded(call: Calling, answering: Answering) -> None:
    with answering(*[BUSY] * 5) as (url, asked):
        with pytest.raises(Problem) as raised:
            call("predict", url, b"image", options={"tries": 3})
        assert raised.value.status == 429
        assert len(asked) == 3


def test_only_the_statuses_that_are_named_are_asked_again(call: Calling, answering: Answering) -> None:
    late = Said(504, headers={"Retry-After": "0"})
    with answering(BUSY, late, FINE) as (url, requests_seen):
        with pytest.raises(Problem) as caught:
            call("predict", url, b"image", options={"again": (429,)})
        assert (caught.value.status, len(requests_seen)) == (504, 2)


def test_a_pause_beyond_the_deadline_is_not_begun(call: Calling, answering: Answering) -> None:
    with answering(Said(503, headers={"Retry-After": "3600"})) as (url, _):
        began = time.monotonic()
        with pytest.raises(Problem) as raised:
            call("predict", url, b"image")
    assert raised.value.retry_after_s == 3600
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("header", [{}, {"Retry-After": "later"}, {"Retry-After": "-1"}])
def test_who_names_no_time_is_not_asked_again(call: Calling, answering: Answering, header: dict[str, str]) -> None:
    with answering(Said(503, headers=header)) as (url, asked):
        with pytest.raises(Problem):
            call("predict", url, b"image")
        assert len(asked) == 1


@pytest.mark.parametrize("said", [Said(body=b".", pause_s=5), Said(body=b".", pieces=1000, pause_s=0.02)], ids=["silent", "dripping"])
def test_the_deadline_holds_whatever_the_server_does(call: Calling, answering: Answering, said: Said) -> None:
    with answering(said) as (url, _):
        began = time.monotonic()
        with pytest.raises(NoAnswer, match=r"in time|within 0\.3 s"):
            call("predict", url, b"image", options={"deadline_s": 0.3})
        assert time.monotonic() - began < 3


def test_a_connection_that_breaks_is_tried_again(call: Calling, answering: Answering) -> None:
    with answering(Said(hangs_up=True), FINE) as (url, asked):
        assert call("predict", url, b"image").species == "Maize"
        assert len(asked) == 2


def test_a_silent_service_is_asked_once_more(call: Calling, answering: Answering) -> None:
    silent = Said(body=b".", pause_s=3)
    with answering(silent, FINE) as (url, asked):
        assert call("predict", url, b"image", options={"timeout_s": 0.5}).species == "Maize"
        assert len(asked) == 2
    with answering(silent, silent, FINE) as (url, asked):
        with pytest.raises(NoAnswer, match="no answer in time"):
            call("predict", url, b"image", options={"timeout_s": 0.5})
        assert len(asked) == 2


def test_nobody_there(call: Calling) -> None:
    with pytest.raises(NoAnswer, match="is the service running"):
        call("predict", "http://127.0.0.1:9", b"image")


def test_a_proxys_page_is_a_problem_that_names_its_status(call: Calling, answering: Answering) -> None:
    for body in (b"<html>", b"[]", b'{"detail": 7}'):
        with answering(Said(502, body)) as (url, _), pytest.raises(Problem, match=r"502 \(Bad Gateway\)") as raised:
            call("predict", url, b"image")
        assert raised.value.type == "about:blank"
    with answering(Said(599)) as (url, _), pytest.raises(Problem, match="599"):
        call("predict", url, b"image")


@pytest.mark.parametrize("said", [Said(body=b"<html>"), Said(body=b"[]"), Said(body=b'{"species": "Maize"}'), Said(204), Said(302)])
def test_somebody_else_who_answers_is_no_service(call: Calling, answering: Answering, said: Said) -> None:
    with answering(said) as (url, _), pytest.raises(NoAnswer, match="check the address"):
        call("predict", url, b"image")


def test_fields_of_a_newer_service_are_kept(call: Calling, answering: Answering) -> None:
    with answering(Said(body=json.dumps(ANSWER | {"height_mm": 12}).encode())) as (url, _):
        answer = call("predict", url, b"image")
    assert answer.additional_properties == {"height_mm": 12}
    assert answer.to_dict()["height_mm"] == 12


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_wrong_settings_are_told(kind: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="begins with http"):
        kind("localhost:8000")
    for wrong in ({"tries": 0}, {"deadline_s": 0}, {"timeout_s": -1}):
        with pytest.raises(ValueError, match="above 0"):
            kind("http://localhost:8000", **wrong)


def test_a_photo_that_is_not_there(call: Calling, url: str, tmp_path: Path) -> None:
    for method, photos in (("predict", tmp_path / "none.jpg"), ("predict_batch", [tmp_path / "none.jpg"])):
        with pytest.raises(FileNotFoundError):
            call(method, url, photos)


def test_an_http_client_of_ones_own_is_used_and_stays_open(url: str) -> None:
    with httpx.Client(headers={"X-API-Key": KEY}, verify=ssl.create_default_context()) as http:
        with Client(url, http=http) as client:
            client.predict(fakes.image(RED))
        assert not http.is_closed


def test_a_batch_is_divided_by_number_and_by_bytes() -> None:
    small, large = bytes(10), bytes(5 * 2**20)
    assert [len(group) for group in requests.groups([small] * 70)] == [32, 32, 6]
    assert [len(group) for group in requests.groups([large, large, small, bytes(9 * 2**20), small])] == [1, 2, 1, 1]


@pytest.mark.slow
def test_pip_installs_it_from_its_folder(url: str, tmp_path: Path) -> None:
    folder = shutil.copytree(Path(requests.__file__).parents[1], tmp_path / "python")  # pip builds in it
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", tmp_path / "installed"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, folder], check=True, capture_output=True)
    (information,) = importlib.metadata.distributions(path=[str(tmp_path / "installed")])
    assert (information.name, information.version) == ("seedlings-client", __version__)
    assert information.metadata["License-Expression"] == "Apache-2.0"
    assert {"py.typed", "LICENSE"} <= {file.name for file in information.files or []}
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path / "installed")!r})
from seedlings_client import Client
print(sys.modules["seedlings_client"].__file__, Client({url!r}, {KEY!r}).predict(sys.stdin.buffer.read()).species)
"""
    done = subprocess.run([sys.executable, "-I", "-c", script], input=fakes.image(RED), capture_output=True, check=True)
    file, species = done.stdout.decode().split()
    assert Path(file).is_relative_to(tmp_path)
    assert species == "Maize"


def test_it_needs_httpx_and_attrs_alone() -> None:
    folder = Path(requests.__file__).parents[1]
    dependencies = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"\W", one)[0] for one in dependencies} == {"attrs", "httpx"}
    imported = {name for file in folder.rglob("seedlings_client/**/*.py") for name in imports(file)}
    assert imported - sys.stdlib_module_names == {"attrs", "httpx"}


def imports(file: Path) -> Iterator[str]:
    """The packages that a file imports, but for its own."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def test_its_licence_is_the_projects() -> None:
    folder = Path(requests.__file__).parents[1]
    assert (folder / "LICENSE").read_text() == (folder.parents[1] / "LICENSE").read_text()

"""`/corrections`: kept on a real service with a real database, and only where one is set."""

import io
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import fakes
from tests.postgres import Server
from tests.service.conftest import Running, Start

RED = fakes.image((200, 40, 10))


@pytest.fixture
def keeping(start: Start, publish_in: Callable[..., Path], tmp_path: Path) -> Callable[..., Running]:
    """Start services that keep corrections in the test's own database."""
    publish_in(fakes.Shares)

    def begin(**values: object) -> Running:
        service = start(**({"database": f"sqlite:///{tmp_path}/corrections.db"} | values))
        service.wait_keeping()
        return service

    return begin


@pytest.fixture(scope="module")
def strict(module_service: Start, tmp_path_factory: pytest.TempPathFactory) -> tuple[Running, Path]:
    """A service for all tests in which nothing is kept, and the folder of its database."""
    folder = tmp_path_factory.mktemp("strict")
    service = module_service(database=f"sqlite:///{folder}/corrections.db")
    service.wait_keeping()
    return service, folder


@pytest.fixture(scope="module")
def with_friends(module_service: Start, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A service that knows a name of its own and another page."""
    database = f"sqlite:///{tmp_path_factory.mktemp('friends')}/corrections.db"
    service = module_service(database=database, cors_origins=["http://friend.example"], hosts=["seedlings.example"])
    service.wait_keeping()
    return service


def send(service: Running, photo: bytes = RED, headers: dict[str, str] | None = None, **fields: str):  # type: ignore[no-untyped-def]
    return service.client.post("/corrections", files={"file": ("a.png", photo)}, data={"species": "Maize"} | fields, headers=headers)


def stored(folder: Path) -> list[Path]:
    return [file for file in (folder / "corrections.db-photos").rglob("*") if file.is_file()]


def test_a_correction_is_kept_and_removed(keeping: Callable[..., Running], tmp_path: Path) -> None:
    service = keeping()
    assert service.client.get("/corrections").json() == {"kept": True, "asked": 0, "positions": False, "days": None}
    response = send(service, species=" sugar  BEET", box="0,0,16,8", note="<b>'; DROP TABLE corrections", plant="pot 7")
    assert response.status_code == 201, response.text
    kept = response.json()
    assert (kept["species"], kept["box"], kept["plant"], kept["state"]) == ("Sugar beet", [0, 0, 16, 8], "pot 7", "waiting")
    assert kept["note"] == "<b>'; DROP TABLE corrections"
    assert kept["said"] | {"probability": 0} == {
        "model": "seedlings/1",
        "species": "Maize",
        "probability": 0,
        "confident": True,
        "ood_score": None,
        "familiar": None,
    }
    assert kept["said"]["probability"] == pytest.approx(fakes.shares((200, 40, 10)).max(), abs=1e-6)
    assert [file.name for file in stored(tmp_path)] == [f"{kept['sha256']}.png"]
    assert service.client.delete(response.headers["location"]).status_code == 204
    assert stored(tmp_path) == []
    again = service.client.delete(response.headers["location"])
    assert (again.status_code, again.json()["type"]) == (404, "urn:seedlings:unknown-correction")


def test_without_a_database_nothing_is_kept(service: Running) -> None:
    assert service.client.get("/corrections").json() == {"kept": False, "asked": 0, "positions": False, "days": None}
    for response in (send(service), service.client.delete(f"/corrections/{uuid.uuid4().hex}")):
        assert (response.status_code, response.json()["type"]) == (404, "urn:seedlings:nothing-kept")


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"species": ""}, 400, "species is empty"),
        ({"species": "../../etc"}, 400, "species cannot be kept"),
        ({"species": "x" * 9000}, 400, "more than 8192 bytes"),
        ({"plant": "a/b"}, 400, "plant cannot be kept"),
        ({"note": "x" * 1001}, 400, "1001 characters"),
        ({"box": "1,2,3"}, 400, "box = '1,2,3' is not"),
        ({"box": "8,8,16,16"}, 400, "does not lie in the photo"),
        ({"specie": "Beet"}, 400, "a part 'specie', which is not known here; its parts are: file, species, box, note, plant"),
        ({"photo": b"nonsense"}, 415, "not an image"),
        ({"photo": b""}, 400, "empty"),
    ],
)
def test_what_cannot_be_kept_is_an_error(strict: tuple[Running, Path], fields: dict, status: int, said: str) -> None:
    service, folder = strict
    response = send(service, **fields)
    assert response.status_code == status, response.text
    assert said in response.json()["detail"]
    assert stored(folder) == []


def test_the_form_is_checked(strict: tuple[Running, Path]) -> None:
    post = strict[0].client.post
    file = {"file": ("a.png", RED)}
    for response, status in (
        (post("/corrections", files=file), 400),
        (post("/corrections", data={"species": "Maize"}, files={"photo": RED}), 400),
        (post("/corrections", content=RED, headers={"Content-Type": "image/png"}), 415),
        (post("/corrections?species=Maize", files=file, data={"species": "Maize"}), 400),
    ):
        assert response.status_code == status, response.text
    latin_1 = post("/corrections", files=file | {"species": (None, "Möhre".encode("latin-1"))})
    assert (latin_1.status_code, "'species' is not UTF-8" in latin_1.text) == (400, True)
    twice = post("/corrections", files=file, data={"species": ["Maize", "Charlock"]})
    assert (twice.status_code, "once at most" in twice.text) == (400, True)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://HOST"}, True),
        ({"Origin": "http://friend.example"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, False),  # DNS rebinding
        ({"Host": "seedlings.example", "Origin": "https://seedlings.example"}, True),
        ({"Host": "backend", "X-Forwarded-Host": "plants.example", "Origin": "https://plants.example"}, True),
    ],
)
def test_no_other_page_writes(with_friends: Running, headers: dict[str, str], allowed: bool) -> None:
    headers = {name: value.replace("HOST", f"127.0.0.1:{with_friends.port}") for name, value in headers.items()}
    response = send(with_friends, headers=headers, note=f"from {headers}")
    assert response.status_code == (201 if allowed else 403), response.text


def test_a_key_is_asked_for(keeping: Callable[..., Running], start: Start, tmp_path: Path) -> None:
    service = start(database=f"sqlite:///{tmp_path}/corrections.db", api_key="secret")
    assert send(service).status_code == 401
    service.client.headers["X-API-Key"] = "secret"
    service.wait_for(lambda: send(service, headers={"Host": "any.example"}).status_code == 201, "the database is open")


def test_the_quota_is_an_error_that_says_so(keeping: Callable[..., Running]) -> None:
    service = keeping(max_kept_rows=1)
    assert send(service).status_code == 201
    assert 'seedlings_corrections_total{outcome="right",species="Maize"} 1.0' in service.client.get("/metrics").text
    response = send(service, fakes.image((1, 2, 3)))
    assert (response.status_code, response.json()["type"]) == (507, "urn:seedlings:quota-used")


def noise(seed: int, mean: tuple[int, int, int]) -> bytes:
    """A photo of random squares, like no other: an answer for its mean colour."""
    squares = np.random.default_rng(seed).normal(mean, 25, (10, 10, 3)).clip(0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(squares).resize((160, 160), Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()


def test_photos_that_it_is_unsure_of_are_kept_for_a_reviewer(keeping: Callable[..., Running], tmp_path: Path) -> None:
    service = keeping(ask=2)
    assert service.client.get("/corrections").json()["asked"] == 2
    sure, *unsure = noise(0, (250, 10, 10)), *(noise(seed, (120, 90 + 3 * seed, 90)) for seed in range(1, 4))
    answers = []
    for n, photo in enumerate([sure, *unsure]):
        answers.append(service.client.post("/predict", content=photo).json())
        if 0 < n < 3:
            service.wait_for(lambda n=n: len(stored(tmp_path)) == n, "it is kept")
    assert [answer["confident"] for answer in answers] == [True, False, False, False]
    least = sorted(answers[1:], key=lambda answer: answer["probability"])[:2]  # those whose labels teach most

    def kept() -> list[tuple[float, str, None]]:
        database = sqlite3.connect(tmp_path / "corrections.db")
        try:
            return sorted(database.execute("SELECT probability, source, species FROM corrections").fetchall())
        finally:
            database.close()

    expected = [(pytest.approx(answer["probability"], abs=1e-6), "asked", None) for answer in least]
    service.wait_for(lambda: kept() == expected and len(stored(tmp_path)) == 2, "the best two are kept")
    service.client.post("/predict/batch", files=[("files", ("a.png", noise(9, (90, 90, 91))))])  # of which it is least sure
    service.wait_for(lambda: kept()[0][0] < least[0]["probability"] - 1e-3 and len(kept()) == 2, "one of a batch is kept")


def test_where_it_is_asked_for_photos_are_kept_as_they_are_sent(keeping: Callable[..., Running], tmp_path: Path) -> None:
    service = keeping(keep_positions=True, keep_days=30)
    assert service.client.get("/corrections").json() == {"kept": True, "asked": 0, "positions": True, "days": 30}
    photo = fakes.image((9, 9, 9), "JPEG")[:2] + b"\xff\xfe\x00\x08secret" + fakes.image((9, 9, 9), "JPEG")[2:]
    assert send(service, photo).status_code == 201
    assert [file.read_bytes() for file in stored(tmp_path)] == [photo]


@pytest.mark.slow
def test_predictions_go_on_while_the_database_is_away(
    start: Start, publish_in: Callable[..., Path], tmp_path: Path, postgresql: Server
) -> None:
    publish_in(fakes.Shares)
    url = postgresql.database()
    postgresql.stop()
    try:
        service = start(database=url, photos=str(tmp_path / "photos"))
        predict = lambda: service.client.post("/predict", content=RED).status_code  # noqa: E731
        away = send(service)
        assert (away.status_code, away.json()["type"]) == (503, "urn:seedlings:not-kept")
        assert "Retry-After" in away.headers
        assert str(postgresql.port) not in away.text
        said = "corrections: the database does not answer; the log of the service says why"
        service.wait_for(lambda: said in str(service.client.get("/health").json()["error"]), "/health says it")
        assert predict() == 200
    finally:
        postgresql.start()
    service.wait_for(lambda: send(service).status_code == 201, "it is found again")  # by itself
    service.wait_for(lambda: "corrections" not in str(service.client.get("/health").json()["error"]), "all is well")
    postgresql.stop()
    try:
        lost = send(service)
        assert (lost.status_code, str(postgresql.port) in lost.text) == (503, False)
        service.wait_for(lambda: said in str(service.client.get("/health").json()["error"]), "/health says it again")
        assert predict() == 200
    finally:
        postgresql.start()
    back = send(service)
    assert back.status_code == 201, back.text


def test_a_database_that_holds_its_lock_holds_up_corrections_alone(keeping: Callable[..., Running], tmp_path: Path) -> None:
    service = keeping(deadline_s=1)
    other = sqlite3.connect(tmp_path / "corrections.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    late = send(service)
    assert (late.status_code, late.json()["type"]) == (504, "urn:seedlings:deadline-passed")
    assert service.client.post("/predict", content=RED).status_code == 200
    other.rollback()
    other.close()
    counted = 'seedlings_corrections_total{outcome="right",species="Maize"}'
    service.wait_for(lambda: f"{counted} 1.0" in service.client.get("/metrics").text, "the late one is kept all the same")
    again = send(service)  # as the answer asked for
    assert again.status_code == 201
    service.client.delete(again.headers["location"])
    assert stored(tmp_path) == []  # the late one had been kept, and is the same
    assert send(service, note="another").status_code == 201
    assert f"{counted} 2.0" in service.client.get("/metrics").text

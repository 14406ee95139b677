"""What reviewers look at and decide, on a real service."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from service.http.routes.review import MAX_DECISION_BYTES
from tests import fakes
from tests.service.conftest import Running, Start

KEY = {"X-API-Key": "secret"}


@pytest.fixture
def reviewed(start: Start, publish_in: Callable[..., Path], tmp_path: Path) -> Running:
    """A service with a key and a database."""
    publish_in(fakes.Shares)
    return with_key(start(database=f"sqlite:///{tmp_path}/corrections.db", api_key="secret"))


@pytest.fixture(scope="module")
def undecided(module_service: Start, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """The same for all tests that decide nothing."""
    return with_key(module_service(database=f"sqlite:///{tmp_path_factory.mktemp('undecided')}/corrections.db", api_key="secret"))


def with_key(service: Running) -> Running:
    service.client.headers.update(KEY)
    service.wait_keeping()
    return service


def add(service: Running, colour: int, species: str = "Maize") -> dict:
    response = service.client.post("/corrections", files={"file": fakes.image((200, colour, 0))}, data={"species": species})
    assert response.status_code == 201, response.text
    return response.json()


def decide(service: Running, correction: dict, decision: str = "accept", **values: object):  # type: ignore[no-untyped-def]
    body = {"decision": decision, "version": correction["version"], "reviewer": "Ada"} | values
    return service.client.post(f"/corrections/{correction['id']}/review", json=body)


def test_what_waits_is_listed_in_order_and_shown(reviewed: Running) -> None:
    added = [add(reviewed, colour) for colour in range(3)]
    listed = reviewed.client.get("/corrections/waiting?limit=2").json()
    assert (listed["count"], listed["corrections"]) == (3, added[:2])
    rest = reviewed.client.get("/corrections/waiting", params={"after": added[1]["id"]}).json()
    assert rest["corrections"] == added[2:]
    photo = reviewed.client.get(f"/corrections/{added[0]['id']}/photo")
    assert (photo.headers["content-type"], photo.headers["x-content-type-options"]) == ("image/png", "nosniff")
    assert photo.content.startswith(b"\x89PNG")


def test_decided_changed_and_undone(reviewed: Running) -> None:
    added = add(reviewed, 1)
    accepted = decide(reviewed, added, species="sugar beet").json()
    assert (accepted["state"], accepted["species"], accepted["reviewer"], accepted["version"]) == ("accepted", "Sugar beet", "Ada", 2)
    assert reviewed.client.get("/corrections/waiting").json() == {"count": 0, "corrections": []}
    assert reviewed.client.get("/corrections/waiting?state=accepted").json()["corrections"] == [accepted]
    late = decide(reviewed, added, "reject", reviewer="Bob")
    assert (late.status_code, late.json()["type"]) == (409, "urn:seedlings:correction-changed")
    undone = decide(reviewed, accepted, "undo", reviewer="Bob").json()
    assert (undone["state"], undone["species"], undone["reviewer"]) == ("waiting", "Maize", "Bob")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"decision": "burn"}, "decision"),
        ({"reviewer": ""}, "reviewer is empty"),
        ({"reviewer": "\u202eadA"}, "reviewer cannot be kept"),
        ({"species": "../x"}, "species cannot be kept"),
        ({"version": "first"}, "version"),
        ({"version": True}, "version"),
        ({"version": 2**63}, "version"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_decision_that_is_not_understood_changes_nothing(undecided: Running, values: dict, said: str) -> None:
    added = add(undecided, 1)
    before = undecided.client.get("/corrections/waiting").json()
    assert added in before["corrections"]
    response = decide(undecided, added, **values)
    assert (response.status_code, said in response.json()["detail"]) == (400, True), response.text
    assert undecided.client.get("/corrections/waiting").json() == before


def test_a_long_decision_is_not_parsed(reviewed: Running) -> None:
    added = add(reviewed, 1)
    content = b'{"decision": [' + b",".join([b"[]"] * 2_000_000) + b"]}"
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = reviewed.client.post(f"/corrections/{added['id']}/review", content=gzip.compress(content), headers=headers)
    assert (response.status_code, response.json()["detail"]) == (413, f"the body is longer than {MAX_DECISION_BYTES} bytes")


def test_other_pages_and_other_forms_decide_nothing(reviewed: Running) -> None:
    added = add(reviewed, 1)
    path, body = f"/corrections/{added['id']}/review", {"decision": "accept", "version": 1, "reviewer": "Eve"}
    assert reviewed.client.post(path, json=body, headers={"Origin": "https://evil.example"}).status_code == 403
    assert reviewed.client.post(path, data=body).status_code == 400  # a form needs no leave of the browser
    del reviewed.client.headers["X-API-Key"]
    assert reviewed.client.post(path, json=body).status_code == 401
    assert reviewed.client.get(f"/corrections/{added['id']}/photo").status_code == 401


def test_without_a_key_it_is_closed(start: Start, publish_in: Callable[..., Path], tmp_path: Path) -> None:
    publish_in(fakes.Shares)
    service = start(database=f"sqlite:///{tmp_path}/corrections.db")
    service.wait_keeping()
    added = add(service, 1)
    photo = service.client.get(f"/corrections/{added['id']}/photo")
    for response in (service.client.get("/corrections/waiting"), photo, decide(service, added)):
        assert (response.status_code, "SEEDLINGS_API_KEY" in response.json()["detail"]) == (403, True)


def test_unknown_ones_and_wrong_questions(undecided: Running) -> None:
    assert undecided.client.get("/corrections/none/photo").status_code == 404
    assert decide(undecided, {"id": "none", "version": 1}).status_code == 404
    for query in ("state=burnt", "limit=0", "limit=101", "limit=x", "colour=1"):
        assert undecided.client.get(f"/corrections/waiting?{query}").status_code == 400, query


def test_the_name_of_a_key_stands_in_reviews(start: Start, publish_in: Callable[..., Path], tmp_path: Path) -> None:
    publish_in(fakes.Shares)
    (tmp_path / "keys").write_text(f"farm:{hashlib.sha256(b'named').hexdigest()}:\n")
    service = start(database=f"sqlite:///{tmp_path}/corrections.db", api_key="secret", keys_file=tmp_path / "keys")
    service.client.headers["X-API-Key"] = "named"
    service.wait_keeping()
    decided = add(service, 1)
    for reviewer, kept in ((" Ada ", "Ada (farm)"), ("farm", "farm"), (None, "farm"), ("", "farm")):
        decided = decide(service, decided, "accept" if decided["state"] == "waiting" else "undo", reviewer=reviewer).json()
        assert decided["reviewer"] == kept
    service.client.headers["X-API-Key"] = "secret"
    assert decide(service, decided, "accept", reviewer=None).json()["detail"].startswith("reviewer is empty")
    for another in ("farm", " Farm ", "\uff46arm", "Ada (farm)", "Ada (FARM )"):
        assert decide(service, decided, "accept", reviewer=another).json()["detail"].startswith("reviewer is the name of a key"), another
    for own in ("Ada", "Ada (farmer)", "farm (Ada)"):
        decided = decide(service, decided, "accept" if decided["state"] == "waiting" else "undo", reviewer=own).json()
        assert decided["reviewer"] == own

"""The page on which corrections are reviewed."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.http.page.browsing import no_defects_for


@pytest.fixture
def service(start: Start, publish_in: Any, tmp_path: Any) -> Running:
    publish_in(fakes.Halves)
    service = start(database=f"sqlite:///{tmp_path}/corrections.db", api_key="secret")
    service.client.headers["X-API-Key"] = "secret"
    service.wait_keeping()
    return service


def add(service: Running, species: str, colour: int, **fields: str) -> str:
    photo = fakes.image((200, colour, 0), side=64)
    answer = service.client.post("/corrections", files={"file": photo}, data={"species": species} | fields).json()
    return str(answer["id"])


def states(service: Running) -> dict[str, str]:
    listed = [
        one
        for state in ("waiting", "accepted", "rejected")
        for one in service.client.get(f"/corrections/waiting?limit=100&state={state}").json()["corrections"]
    ]
    return {one["id"]: f"{one['state']} {one['species']} {one['reviewer']}".strip() for one in listed}


def at_work(browser: Any, service: Running, name: str) -> Iterator[Any]:
    """A reviewer's browser, at the first photo."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(60_000)
    page = context.new_page()
    defects: list[str] = []
    page.on("pageerror", lambda error: defects.append(str(error)))
    page.goto(f"http://127.0.0.1:{service.port}/review")
    page.fill("#key", "secret")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('photo').width > 0 || document.getElementById('told').textContent")
    page.wait_for_function("() => document.activeElement.id === 'claim'")  # not lost with the form of the key
    page.fill("#reviewer", name)
    page.focus("#claim")
    yield page
    context.close()
    assert not defects


def press(page: Any, key: str, then: str) -> None:
    """A key, and what is on show after it."""
    page.keyboard.press(key)
    page.wait_for_function(
        """then => document.getElementById('left').textContent === then
            || (document.getElementById('claim').textContent === then && document.getElementById('photo').width > 0
                && !document.getElementById('one').hidden)""",
        arg=then,
    )  # keys count for nothing before the photo is there


def test_by_keyboard_alone(browser: Any, service: Running) -> None:
    one, two, three = add(service, "Maize", 1), add(service, "Charlock", 2, box="8,0,32,48"), add(service, "Wild Oat", 3, note="<b>hi</b>")
    for page in at_work(browser, service, "Ada"):
        assert page.text_content("#claim") == "Maize"
        no_defects_for(page)
        press(page, "a", "Charlock")
        page.wait_for_selector("#box:not([hidden])")
        frame, box = page.locator("#frame").bounding_box(), page.locator("#box").bounding_box()
        square = [box["y"] - frame["y"], box["width"], box["height"]]  # the central one of the box, which alone is learnt from
        assert square == pytest.approx([frame["height"] / 8, frame["width"] / 2, frame["height"] / 2], abs=3)
        press(page, "r", "Wild Oat")
        assert page.text_content("#note") == "<b>hi</b>"
        page.keyboard.press("c")
        page.fill("#species", "sugar beet")
        press(page, "Enter", "Nothing is waiting.")
        assert states(service) == {one: "accepted Maize Ada", two: "rejected Charlock Ada", three: "accepted Sugar beet Ada"}
        assert page.evaluate("document.activeElement.id") == "undo"  # all else is hidden
        press(page, "Enter", "Wild Oat")
        page.wait_for_function("() => document.activeElement.id === 'claim'")
        press(page, "u", "Charlock")
        assert states(service) == {one: "accepted Maize Ada", two: "waiting Charlock Ada", three: "waiting Wild Oat Ada"}
        press(page, "s", "Wild Oat")
        press(page, "s", "Charlock")  # what was skipped comes again


def test_two_reviewers_never_lose_each_others_work(browser: Any, service: Running) -> None:
    one, two = add(service, "Maize", 1), add(service, "Charlock", 2)
    for ada in at_work(browser, service, "Ada"):
        for bob in at_work(browser, service, "Bob"):
            press(ada, "a", "Charlock")
            press(bob, "r", "Charlock")
            assert "Somebody else" in bob.text_content("#told")
            assert states(service) == {one: "accepted Maize Ada", two: "waiting Charlock"}
            press(bob, "a", "Nothing is waiting.")
            press(ada, "r", "Nothing is waiting.")
            assert states(service) == {one: "accepted Maize Ada", two: "accepted Charlock Bob"}
            assert "Somebody else" in ada.text_content("#told")


def test_large_photos_are_drawn_small_and_unknown_formats_told(browser: Any, start: Start, publish_in: Any, tmp_path: Any) -> None:
    publish_in(fakes.Halves)
    service = start(database=f"sqlite:///{tmp_path}/corrections.db", api_key="secret", keep_positions=True)
    service.client.headers["X-API-Key"] = "secret"
    service.wait_keeping()
    for image, form, species in ((Image.new("RGB", (64, 64)), "TIFF", "Maize"), (Image.new("RGB", (3000, 1500)), "PNG", "Charlock")):
        image.save(stream := io.BytesIO(), form)
        answer = service.client.post("/corrections", files={"file": stream.getvalue()}, data={"species": species, "box": "0,0,50,50"})
        assert answer.status_code == 201
    for page in at_work(browser, service, "Ada"):
        assert "cannot show this format" in page.text_content("#told")
        assert page.locator("#box").is_hidden()
        press(page, "a", "Charlock")
        page.wait_for_selector("#box:not([hidden])")
        drawn = page.evaluate("() => { const { width, height } = document.getElementById('photo'); return [width, height]; }")
        assert drawn == [2000, 1000]  # whole, it would take four times the memory, and browsers keep more than one


def test_a_photo_that_is_lost_is_told_and_can_be_decided_about(browser: Any, service: Running, tmp_path: Any) -> None:
    one, two = add(service, "Maize", 1), add(service, "Charlock", 2)
    for photo in tmp_path.glob("corrections.db-photos/*/*"):
        photo.unlink()
    for page in at_work(browser, service, "Ada"):
        assert "no such file" in page.text_content("#told")
        assert page.locator("#key-form").is_hidden()  # it is not the key that was wrong
        page.keyboard.press("c")
        page.keyboard.press("Escape")
        page.wait_for_function("() => document.activeElement.id === 'change'")
        page.click("#reject")
        page.wait_for_selector("#claim:text-is('Charlock')")
        page.wait_for_function("() => document.activeElement.id === 'claim'")
        assert states(service) == {one: "rejected Maize Ada", two: "waiting Charlock"}


def test_closed_with_a_sentence_where_no_key_is_set(browser: Any, start: Start, publish_in: Any, tmp_path: Any) -> None:
    publish_in(fakes.Halves)
    open_to_all = start(database=f"sqlite:///{tmp_path}/corrections.db")
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{open_to_all.port}/review")
    page.wait_for_selector("#closed:not([hidden])", timeout=60_000)
    assert "SEEDLINGS_API_KEY" in page.text_content("#closed")
    assert page.locator("#one").is_hidden()
    no_defects_for(page)
    page.close()

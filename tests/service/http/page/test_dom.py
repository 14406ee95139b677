"""By keyboard, read aloud, and by people who see colours differently or not at all."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import fakes
from tests.service.conftest import Start
from tests.service.http.page.browsing import opened, photo

PLANTS = ((100, 90, 40), (300, 120, 30), (400, 300, 20))


@pytest.fixture
def page(browser: Any, module_service: Start, tmp_path: Path) -> Iterator[Any]:
    fakes.publish(tmp_path, fakes.Halves, threshold=0.3, group=0.3, kind=0.3)
    fakes.publish_segmenter(tmp_path)
    service = module_service(store=tmp_path, database=f"sqlite:///{tmp_path}/corrections.db")
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    service.wait_keeping()
    yield from opened(browser, service, viewport={"width": 1200, "height": 800})


def press(page: Any, button: str, then: str) -> None:
    """A button by the keyboard, and what has the focus once all is done."""
    page.wait_for_selector(f"{button}:enabled")
    page.focus(button)
    page.keyboard.press("Enter")
    page.wait_for_function("then => document.activeElement.matches(then) && document.activeElement.checkVisibility()", arg=then)
    page.wait_for_selector("[aria-busy=true]", state="detached")
    page.wait_for_timeout(100)  # a browser takes the focus from what is hidden a frame later
    assert page.evaluate("then => document.activeElement.matches(then)", then), button


def test_by_keyboard_the_focus_is_never_lost(page: Any) -> None:
    files = [photo("row.png", fakes.encoded(fakes.field(PLANTS))), photo("one.png", fakes.encoded(fakes.field([(440, 300, 40)])))]
    page.set_input_files("#choose", files)
    page.wait_for_selector("#progress", state="hidden")
    press(page, "#plant-alone", "#headline")
    press(page, "#all-plants", "#plants-title")
    press(page, "#as-one", "#headline")
    press(page, "#right", "#take-back")
    press(page, "#take-back", "#right")
    press(page, "#wrong", "#it-is button")
    press(page, "#it-is button", "#take-back")
    press(page, "#take-back", "#right")
    press(page, "#wrong", "#it-is button")
    page.fill("#another-name", "Wild Oat")
    press(page, "#another-name", "#take-back")
    press(page, "#all-plants", "#plants-title")
    with page.expect_download():
        press(page, "#plants-picture", "#plants-picture")
    page.evaluate("document.querySelector('#sort').value = 'file'")
    page.locator("#rows button").nth(1).focus()
    page.evaluate("document.querySelector('#sort').dispatchEvent(new Event('change'))")  # as when the next answer changes the order
    assert page.evaluate("document.activeElement.textContent") == "one.png"
    press(page, "#clear", "#choose")
    assert page.text_content("#said") == ""


def test_while_the_server_is_away_that_is_said_once(page: Any) -> None:
    page.evaluate("""() => {
        window.alerts = 0;
        new MutationObserver(() => { window.alerts += 1; }).observe(document.querySelector("#down-text"), { childList: true });
    }""")
    page.route("**/species", lambda route: route.abort())
    page.route("**/detect?*", lambda route: route.abort())
    page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
    page.wait_for_selector("#down:not([hidden])")
    for _ in range(2):  # it is asked again every 3 seconds
        with page.expect_event("requestfailed", lambda request: request.url.endswith("/species")):
            pass
    page.wait_for_timeout(100)
    assert page.evaluate("window.alerts") == 1
    page.unroute("**/species")
    page.unroute("**/detect?*")
    press(page, "#again", "#choose")


def with_a_weed(route: Any) -> None:
    """The service's answer, with a weed as its second plant."""
    answer = route.fetch().json()
    answer["plants"][1]["group"] = "weed"
    route.fulfill(json=answer)


def grey(shown: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(shown)).convert("L"), np.int16)


def test_without_colours_crops_and_weeds_are_told_apart(page: Any) -> None:
    page.route("**/detect?*", with_a_weed)
    page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
    page.locator("#plants-list button").nth(2).click()
    page.mouse.move(0, 0)
    page.context.new_cdp_session(page).send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    edges = []
    for kind in ("crop", "weed"):
        box = page.locator(f"#boxes .{kind}").first.bounding_box()
        edge = grey(page.screenshot(clip={"x": box["x"] + 8, "y": box["y"], "width": box["width"] - 16, "height": 2}))
        edges.append(np.ptp(edge[1]))  # along the line
    assert edges[0] < 10
    assert edges[1] > 50


def test_in_high_contrast_crops_weeds_and_what_is_chosen_are_still_marked(page: Any) -> None:
    page.emulate_media(forced_colors="active")
    page.route("**/detect?*", with_a_weed)
    page.set_input_files("#choose", [photo(name, fakes.encoded(fakes.field(PLANTS))) for name in ("row.png", "more.png")])
    page.wait_for_selector("#progress", state="hidden")
    for kind in ("crop", "weed"):
        assert np.ptp(grey(page.locator(f"#plants-list .{kind} .mark").first.screenshot())) > 50
    for chosen in ("#plants-list [aria-pressed=true]", "#rows .chosen"):
        assert page.locator(chosen).evaluate("one => getComputedStyle(one).outlineStyle") == "solid"

"""The square of the photo that is looked at."""

from typing import Any

import pytest

from tests.service.conftest import Running
from tests.service.http.page.browsing import BLUE, GREEN, RED, answered, kept_when, no_defects_for, opened, photo, wide


def test_another_part_of_the_photo_is_chosen_by_mouse_touch_and_keyboard(browser: Any, service: Running) -> None:
    for page in opened(browser, service, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True):
        page.set_input_files("#choose", [photo("wide.png", wide(RED, GREEN, BLUE))])
        answered(page, "Sugar beet")
        assert "Only the square" in page.text_content("#crop-note")
        page.click("#move")
        no_defects_for(page)
        box = page.locator(".frame").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] * 0.1, box["y"] + box["height"] / 2)  # a tap on the plant
        answered(page, "Maize")
        across = [page.locator("#crop").bounding_box()[side] for side in ("x", "width")]
        assert across == pytest.approx([box["x"], box["width"] / 3], abs=2)
        page.mouse.move(box["x"] + box["width"] / 6, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=4)
        page.mouse.up()
        answered(page, "Charlock")
        assert page.evaluate("document.activeElement.id") == "crop"
        for _ in range(20):
            page.keyboard.press("ArrowLeft")
        answered(page, "Sugar beet")
        page.keyboard.press("-")
        assert page.locator("#crop").bounding_box()["width"] < box["width"] / 3
        corner = page.locator("#crop i").bounding_box()
        page.mouse.move(corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + 2, box["y"] + 2)
        page.mouse.up()
        assert page.locator("#crop").bounding_box()["width"] == pytest.approx(box["width"] / 3 * 8 / 60, abs=2)  # the least that is taken
        answered(page, "Maize")
        page.touchscreen.tap(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
        answered(page, "Charlock")
        page.click("#move")
        assert page.locator("#crop").get_attribute("tabindex") is None
        page.click("#heat")
        page.wait_for_selector("#heat[aria-pressed=true]")
        assert page.locator("#crop").is_hidden()  # the heat map is of the square alone
        kept_when(page, "kept.some((one) => one.crop && one.answer)")
        page.reload()
        answered(page, "Charlock")
        page.click("#move")
        page.click("#crop-centre")
        answered(page, "Sugar beet")


def test_on_a_phone_on_its_side_the_square_is_moved_on_one_screen(browser: Any, service: Running) -> None:
    for page in opened(browser, service, viewport={"width": 844, "height": 390}, has_touch=True, is_mobile=True):
        page.set_input_files("#choose", [photo("three.png", wide(RED, GREEN, BLUE))])
        answered(page, "Sugar beet")
        page.click("#move")
        for part in ("#photo", "#crop"):
            box = page.locator(part).bounding_box()
            assert box["y"] >= -1
            assert box["y"] + box["height"] <= 391

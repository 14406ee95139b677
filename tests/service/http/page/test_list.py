"""Many photos: the list, its table for download, and what a reload leaves of it."""

import csv
import datetime
import io
from typing import Any

from tests import fakes
from tests.service.conftest import Running
from tests.service.http.page.browsing import GREEN, RED, kept_when, no_defects_for, opened, photo


def test_many_photos_become_a_table(page: Any) -> None:
    photos = [photo("red.png", fakes.image(RED)), photo("=broken.png", fakes.image()[:-30]), photo("green, 2.png", fakes.image(GREEN))]
    page.set_input_files("#choose", photos)
    page.wait_for_selector("#rows tr:nth-child(3)")
    page.wait_for_selector("#progress", state="hidden")
    rows = page.locator("#rows tr")
    assert "Maize" in rows.nth(0).inner_text()
    assert "cannot be read" in rows.nth(1).inner_text()
    rows.nth(2).locator("button").click()
    assert page.text_content("#headline") == "Sugar beet"
    with page.expect_download() as download:
        page.click("#save")
    table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [line["file"] for line in table] == ["red.png", "'=broken.png", "green, 2.png"]
    assert [line["species"] for line in table] == ["Maize", "", "Sugar beet"]
    assert [line["second_species"] for line in table] == ["Sugar beet", "", "Maize"]
    assert [line["model"] for line in table] == ["seedlings 1", "", "seedlings 1"]
    assert table[0]["crop"] == "0 0 16 16"
    assert datetime.datetime.fromisoformat(table[0]["date"]).tzinfo
    for order, first in (("species", "Maize"), ("file", "cannot be read"), ("added", "Maize"), ("doubt", "cannot be read")):
        page.select_option("#sort", order)
        assert first in rows.nth(0).inner_text()
    page.emulate_media(media="print")
    assert not page.locator("button:visible:not(td button), select:visible, #drop:visible").count()
    assert rows.nth(2).is_visible()
    page.emulate_media(media="screen")
    page.click("#clear")
    assert page.locator("#result").is_hidden()


def test_thirty_photos_on_a_phone_end_at_the_footer(browser: Any, service: Running) -> None:
    for page in opened(browser, service, viewport={"width": 390, "height": 664}, has_touch=True, is_mobile=True, locale="de-DE"):
        page.set_input_files("#choose", [photo("a-very-long-name-of-a-photo-from-a-phone.png", fakes.image(GREEN))] * 30)
        page.wait_for_selector("#rows tr:nth-child(30)", state="attached")
        page.wait_for_selector("#progress", state="hidden")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        footer = page.locator("footer").bounding_box()
        end = footer["y"] + footer["height"] + page.evaluate("scrollY")
        assert page.evaluate("document.documentElement.scrollHeight") <= end + 40
        assert page.locator("#rows .group").first.is_visible()
        assert page.evaluate("(of => of.scrollWidth - of.clientWidth)(document.querySelector('.scroll'))") <= 0  # German is long
        table = page.locator(".scroll").bounding_box()
        for head in page.locator("th").all():
            words = head.evaluate(
                "of => { const range = document.createRange(); range.selectNodeContents(of); return range.getBoundingClientRect(); }"
            )
            assert table["x"] <= words["left"] < words["right"] <= table["x"] + table["width"], head.inner_text()
        page.select_option("#filter", "weed")
        assert page.locator("#rows tr:visible").count() == 0
        page.select_option("#filter", "crop")
        assert page.locator("#rows tr:visible").count() == 30
        no_defects_for(page)


def test_a_reload_keeps_photos_and_answers_until_they_are_cleared(page: Any) -> None:
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED)), photo("green.png", fakes.image(GREEN))])
    page.wait_for_selector("#progress", state="hidden")
    kept_when(page, "kept.filter((one) => one.answer).length === 2")
    page.reload()
    page.wait_for_selector("#rows tr:nth-child(2)")
    assert sorted(page.locator("#rows tr td:nth-child(2)").all_inner_texts()) == ["Maize", "Sugar beet"]
    page.click("#clear")
    kept_when(page, "kept.length === 0")
    page.reload()
    page.wait_for_selector("#model:not(:empty)")
    assert page.locator("#rows tr").count() == 0
    assert page.locator("#result").is_hidden()

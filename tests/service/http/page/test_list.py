"""Many photos: the list, its table for download, and what a reload leaves of it."""

import csv
import datetime
import io
from pathlib import Path
from typing import Any

from tests import fakes
from tests.service.conftest import Running
from tests.service.http.page.browsing import GREEN, RED, answered, kept_when, no_defects_for, opened, photo


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
    assert page.locator("#rows tr td:nth-child(2)").all_inner_texts() == ["Maize", "Sugar beet"]
    page.click("#clear")
    kept_when(page, "kept.length === 0")
    page.reload()
    page.wait_for_selector("#model:not(:empty)")
    assert page.locator("#rows tr").count() == 0
    assert page.locator("#result").is_hidden()


def test_after_a_reload_photos_are_in_the_order_in_which_they_came(page: Any) -> None:
    names = [f"{i}.png" for i in (5, 3, 9, 1, 11, 2, 8, 4)]
    page.set_input_files("#choose", [photo(name, fakes.image(RED)) for name in names])
    page.set_input_files("#choose", [photo("0.png", fakes.image(RED))])
    kept_when(page, "kept.filter((one) => one.answer).length === 9")
    page.reload()
    page.wait_for_selector("#rows tr:nth-child(9)")
    assert page.locator("#rows .name").all_inner_texts() == [*names, "0.png"]


def test_one_photo_is_cleared_as_well(page: Any) -> None:
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    answered(page, "Maize")
    assert page.locator("#list").is_hidden()
    page.click("#clear-one")
    kept_when(page, "kept.length === 0")
    assert page.locator("#result, #clear-one").filter(visible=True).count() == 0


def drop(page: Any, *paths: Path) -> None:
    """Files and folders as they come from a file manager."""
    session = page.context.new_cdp_session(page)
    given = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for event in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": event, "x": 300, "y": 200, "data": given})


def test_of_a_dropped_folder_its_photos_are_taken(page: Any, tmp_path: Path) -> None:
    folder = tmp_path / "field"
    (folder / "plot 2").mkdir(parents=True)
    for name in ("10.png", "9.PNG", "plot 2/b.png", ".hidden.png"):
        (folder / name).write_bytes(fakes.image(GREEN))
    (folder / "notes.txt").write_text("rain")
    for i in range(120):  # a browser lists 100 at a time
        (folder / "plot 2" / f"c{i}.png").write_bytes(fakes.image(RED))
    (tmp_path / "alone.png").write_bytes(fakes.image(RED))
    drop(page, folder, tmp_path / "alone.png")
    page.wait_for_selector("#rows tr:nth-child(124)", state="attached")
    wanted = ["9.PNG", "10.png", "b.png", *(f"c{i}.png" for i in range(120)), "alone.png"]
    assert page.locator("#rows .name").all_text_contents() == wanted
    assert page.locator("#down").is_hidden()


def test_that_a_dropped_folder_holds_no_photo_is_said(page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("rain")
    drop(page, tmp_path / "notes")
    page.wait_for_selector("#drop-title:text-is('No photo was found in it.')")
    assert page.text_content("#said") == "No photo was found in it."
    drop(page, tmp_path / "notes" / "notes.txt")  # a file alone is sent: the server may know its format
    answered(page, "This one did not work")


def test_of_a_file_that_is_gone_the_page_does_not_say_that_the_server_is(page: Any, tmp_path: Path) -> None:
    (tmp_path / "gone.png").write_bytes(fakes.image(GREEN))
    page.route("**/detect?*", lambda route: route.fulfill(status=429, headers={"Retry-After": "1"}), times=1)
    with page.expect_response(lambda response: response.status == 429):
        drop(page, tmp_path / "gone.png")
    (tmp_path / "gone.png").unlink()
    answered(page, "This one did not work")
    assert "moved, changed or removed" in page.text_content("#advice")
    assert page.locator("#down, #retry").filter(visible=True).count() == 0


def plants_of(page: Any) -> list[str]:
    """How many plants there are on each photo, as the table says that is saved."""
    with page.expect_download() as download:
        page.click("#save")
    return [line["plants"] for line in csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig")))]


def test_the_table_of_photos_says_how_many_plants_each_shows(browser: Any, detecting: Running) -> None:
    for page in opened(browser, detecting):
        fields = {"three": ((100, 90, 40), (300, 120, 30), (400, 300, 20)), "one": ((100, 90, 40),), "none": ()}
        page.set_input_files("#choose", [photo(f"{name}.png", fakes.encoded(fakes.field(spots))) for name, spots in fields.items()])
        page.wait_for_selector("#progress", state="hidden")
        assert plants_of(page) == ["3", "1", "0"]
        page.click("#as-one")
        page.wait_for_selector("#result[aria-busy=false]:not(.stale)")
        assert plants_of(page) == ["1", "1", "0"]

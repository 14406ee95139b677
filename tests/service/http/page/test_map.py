"""Where photos were taken, on the page."""

import csv
import io
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.http.page.browsing import no_defects_for, opened, photo

PLANTS = ((100, 90, 40), (300, 120, 30), (400, 300, 20))


@pytest.fixture
def page(browser: Any, detecting: Running) -> Iterator[Any]:
    yield from opened(browser, detecting, viewport={"width": 1280, "height": 900})


def taken_at(latitude: float, longitude: float, plants: tuple[tuple[int, int, int], ...] = PLANTS) -> bytes:
    exif = Image.Exif()
    exif[0x8825] = {
        1: "N" if latitude > 0 else "S",
        2: (abs(latitude), 0.0, 0.0),
        3: "E" if longitude > 0 else "W",
        4: (abs(longitude), 0.0, 0.0),
    }
    return fakes.encoded(fakes.field(plants), "JPEG", exif=exif)


def test_photos_with_a_position_lie_on_a_map_to_scale(page: Any) -> None:
    there = [(-50.0, -7.0), (-50.0, -7.01), (-50.01, -7.0)]
    files = [photo(f"{i}.jpg", taken_at(*at)) for i, at in enumerate(there)]
    page.set_input_files("#choose", [*files, photo("lost.png", fakes.encoded(fakes.field(PLANTS)))])
    page.wait_for_selector("#progress", state="hidden")
    points = [page.locator(".point").nth(i).bounding_box() for i in range(3)]
    west, south = points[0]["x"] - points[1]["x"], points[2]["y"] - points[0]["y"]
    assert west / south == pytest.approx(0.643, abs=0.02)  # the cosine of 50 degrees
    bar = page.locator("#map-scale i").bounding_box()
    assert page.text_content("#map-scale span") == "200 m"
    assert bar["width"] / south == pytest.approx(200 / 1113.2, abs=0.02)
    assert "1 photo does not say" in page.text_content("#map-without")
    page.locator(".point").nth(1).click()
    assert "chosen" in page.locator("#rows tr").nth(1).get_attribute("class")
    assert page.locator("#rows [aria-current=true]").text_content() == "1.jpg"
    with page.expect_download() as download:
        page.click("#save-plants")
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert float(rows[0]["latitude"]) == -50  # a number below 0 is no formula
    no_defects_for(page)


def test_photos_of_one_place_are_one_point_that_shows_each(page: Any) -> None:
    there = [(-50.0, -7.0), (-50.0, -7.01), (-50.0, -7.0), (-50.00001, -7.0)]
    page.set_input_files("#choose", [photo(f"{i}.jpg", taken_at(*at)) for i, at in enumerate(there)])
    page.wait_for_selector("#progress", state="hidden")
    assert page.locator(".point").all_text_contents() == ["3", ""]
    assert "3 photos taken here" in page.locator(".point").first.get_attribute("title")
    seen = []
    for _ in range(4):
        page.locator(".point").first.click()
        seen.append(page.text_content("#rows tr.chosen a, #rows tr.chosen button"))
    assert [name for name in ("0.jpg", "2.jpg", "3.jpg") if any(name in one for one in seen)] == ["0.jpg", "2.jpg", "3.jpg"]
    assert seen[3] == seen[0]
    no_defects_for(page)


def test_a_tap_shows_the_photo_and_a_point_keeps_its_focus(page: Any) -> None:
    page.set_input_files("#choose", [photo(f"{i}.jpg", taken_at(-50.0, -7.0 + i / 100)) for i in range(2)])
    page.wait_for_selector("#progress", state="hidden")
    page.locator(".point").nth(1).click()
    card = page.locator("#plants").bounding_box()
    assert 0 <= card["y"] < 900
    assert page.evaluate("document.activeElement.id") == "plants-title"
    page.locator(".point").first.focus()
    page.set_input_files("#choose", [photo("lost.png", fakes.encoded(fakes.field(PLANTS)))])
    page.wait_for_selector("#map-without:has-text('1 photo')")
    assert page.evaluate("document.activeElement.className").startswith("point")


@pytest.mark.slow
def test_on_a_phone_no_point_hides_another_one(browser: Any, detecting: Running) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    there = [(-50.0 - row / 1000, -7.0 - (column + row % 2 / 3) / 1000) for row in range(9) for column in range(5)]
    for page in opened(browser, detecting, **phone):
        page.set_input_files("#choose", [photo(f"{i}.jpg", taken_at(*at)) for i, at in enumerate(there)])
        page.wait_for_selector("#progress", state="hidden")
        upright = page.locator(".point").count()
        assert upright < 45  # those that would are one
        for turned in ({"width": 844, "height": 390}, phone["viewport"]):
            boxes = [point.bounding_box() for point in page.locator(".point").all()]
            places = [(box["x"], box["y"]) for box in boxes]
            nearest = min(math.dist(one, other) for i, one in enumerate(places) for other in places[:i])
            assert nearest >= boxes[0]["width"]
            page.set_viewport_size(turned)  # a wider map has room for more
            page.wait_for_function(
                f"wider => (document.querySelectorAll('.point').length > {upright}) === wider", arg=turned["width"] == 844
            )


def test_no_plants_have_no_weeds(page: Any) -> None:
    page.set_input_files("#choose", [photo("bare.jpg", taken_at(-50.0, -7.0, ()))])
    page.wait_for_selector(".point")
    assert page.get_attribute(".point", "title") == "bare.jpg: weed cover 0%"
    assert page.locator("#map-hollow").is_hidden()


def test_of_more_plants_than_are_listed_cover_is_at_least_so_much(page: Any) -> None:
    many = tuple((20 + 34 * (i % 15), 20 + 48 * (i // 15), 6) for i in range(105))
    page.set_input_files("#choose", [photo("many.jpg", taken_at(-50.0, -7.0, many))])
    page.wait_for_selector(".point")
    assert page.get_attribute(".point", "title") == "many.jpg: weed cover ≥\u00a00%"
    assert page.text_content("#plants-title") == "100 plants or more"
    page.set_input_files("#choose", [photo("few.jpg", taken_at(-50.0, -7.0))])
    page.wait_for_selector("#progress", state="hidden")
    with page.expect_download() as download:
        page.click("#save")
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [(row["plants"], row["truncated"]) for row in rows] == [("100", "yes"), ("3", "no")]
    page.locator("#rows button").first.click()
    all_, weeds, crops, unsure = re.findall(r"(≥\u00a0)?([\d.]+)%", page.text_content("#plants-cover"))
    assert [mark for mark, _ in (all_, weeds, crops, unsure)] == ["", "≥\u00a0", "≥\u00a0", ""]
    assert float(crops[1]) + float(unsure[1]) == pytest.approx(float(all_[1]), abs=0.11)  # what is not listed is unsure


def test_plants_of_which_nothing_is_known_are_no_place_without_weeds(browser: Any, module_service: Start, tmp_path: Any) -> None:
    fakes.publish(tmp_path, fakes.Measured)
    fakes.publish_segmenter(tmp_path)
    service = module_service(store=tmp_path)
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    strange = Image.open(io.BytesIO(taken_at(-50.0, -7.0)))
    brighter = strange.point([min(255, value + (105 if value > 40 else 0)) for value in range(256)] * 3)  # than all that `Measured` knows
    stream = io.BytesIO()
    brighter.save(stream, "JPEG", exif=strange.getexif())
    for page in opened(browser, service):
        page.set_input_files("#choose", [photo("strange.jpg", stream.getvalue())])
        page.wait_for_selector(".point.unsure")
        assert ", unsure " in page.get_attribute(".point", "title")
        assert page.locator("#map-hollow").is_visible()
        no_defects_for(page)

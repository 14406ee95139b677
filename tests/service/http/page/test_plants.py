"""A photo of several plants on the page: boxes, list, counts, what is saved of it, and the map."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from service.cli.detection_output import COLUMNS
from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.http.page.browsing import kept_when, no_defects_for, opened, photo

PLANTS = ((100, 90, 40), (300, 120, 30), (400, 300, 20))
PHONE = {"viewport": {"width": 390, "height": 664}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def page(browser: Any, detecting: Running) -> Iterator[Any]:
    yield from opened(browser, detecting, viewport={"width": 1280, "height": 900})


def test_each_plant_has_a_box_and_an_answer(page: Any) -> None:
    page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
    page.wait_for_selector("#plants:not([hidden])")
    assert page.locator("#result").is_hidden()
    assert (page.text_content("#plants-title"), page.text_content("#plants-sum")) == ("3 plants", "3 crops")
    assert page.text_content("#plants-names") == "3\u00a0×\u00a0Sugar beet"
    cover = sum(3.14159 * radius**2 for _, _, radius in PLANTS) / (512 * 384)
    assert f"{cover:.1%}"[:2] in page.text_content("#plants-cover")
    frame = page.locator("#plants-photo").bounding_box()
    boxes = page.locator("#boxes .box.crop")
    assert boxes.count() == 3
    for i, (x, y, radius) in enumerate(PLANTS):
        box = boxes.nth(i).bounding_box()
        scale = frame["width"] / 512
        assert box["x"] - frame["x"] == pytest.approx((x - radius) * scale, abs=4)
        assert box["y"] - frame["y"] == pytest.approx((y - radius) * scale, abs=4)
        assert box["width"] == pytest.approx((2 * radius + 1) * scale, abs=6)
    boxes.nth(1).hover()
    assert page.text_content("#plant-name") == "2. Sugar beet"
    boxes.nth(1).click()
    page.keyboard.press("ArrowRight")
    assert page.text_content("#plant-name") == "3. Sugar beet"
    assert page.locator("#plants-list [aria-pressed=true]").inner_text().startswith("3.")
    no_defects_for(page)
    page.emulate_media(media="print")
    assert page.locator("#boxes b:visible").all_inner_texts() == ["1", "2", "3"]
    assert page.locator("#plants-list .plant:visible").count() == 3
    assert page.locator("#plant-facts, #plants-save, #plant-alone").filter(visible=True).count() == 0


def test_a_plant_is_looked_at_alone_and_a_reload_keeps_them_all(page: Any) -> None:
    page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
    page.wait_for_selector("#plants:not([hidden])")
    page.locator("#plants-list button").nth(1).click()
    page.click("#plant-alone")
    page.wait_for_selector("#result[aria-busy=false]:not(.stale) #bars li", state="attached")
    assert page.locator("#plants").is_hidden()
    kept_when(page, "kept.every((one) => one.found.plants.length === 3 && String(one.answer.crop) === String(one.crop))")
    page.click("#all-plants")
    page.wait_for_selector("#plants:not([hidden])")
    kept_when(page, "kept.every((one) => !one.crop)")  # at once: a reload before the answer asks for it
    page.reload()
    page.wait_for_selector("#plants-list li:nth-child(3)")
    kept_when(page, "kept.every((one) => one.answer && one.each && one.found.plants.length === 3)")


def test_one_plant_is_shown_as_ever_and_looked_at_where_it_is(page: Any) -> None:
    page.set_input_files("#choose", [photo("one.png", fakes.encoded(fakes.field([(440, 300, 40)])))])
    page.wait_for_selector("#headline:text-is('Sugar beet')")
    assert page.locator("#plants").is_hidden()
    box, frame = page.locator("#crop").bounding_box(), page.locator(".frame").bounding_box()
    assert box["x"] + box["width"] / 2 - frame["x"] == pytest.approx(frame["width"] * 440 / 512, abs=8)


@pytest.mark.parametrize(("radius", "several"), [(5, False), (6, True)])
def test_specks_beside_one_plant_do_not_make_it_several(page: Any, radius: int, several: bool) -> None:
    """Beside a disc 81 pixels across one of 11 has 1.8% of its area, one of 13 has 2.6%; the limit is 2%."""
    page.set_input_files("#choose", [photo("one.png", fakes.encoded(fakes.field([(200, 200, 40), (440, 300, radius)])))])
    page.wait_for_selector("#plants:not([hidden])" if several else "#headline:text-is('Sugar beet')")
    page.wait_for_selector("#progress", state="hidden")
    assert page.locator("#plants").is_visible() == several


def test_leaves_that_lie_apart_are_one_plant_unless_asked_for(page: Any) -> None:
    leaves = Image.new("RGB", (310, 310), (40, 40, 40))
    for middle, radius in ((95, 40), (210, 35)):
        ImageDraw.Draw(leaves).ellipse((middle - radius, 150 - radius, middle + radius, 150 + radius), fill=(40, 150, 40))
    page.set_input_files("#choose", [photo("leaves.png", fakes.encoded(leaves))])
    page.wait_for_selector("#headline:text-is('Sugar beet')")
    assert page.locator("#plants").is_hidden()
    page.click("#all-plants:text-is('Several plants?')")
    page.wait_for_selector("#plants-list li:nth-child(2)")
    kept_when(page, "kept.every((one) => one.answer && one.each)")
    page.reload()
    page.wait_for_selector("#plants-list li:nth-child(2)")
    page.click("#as-one")
    page.wait_for_selector("#plants", state="hidden")
    page.wait_for_selector("#headline:text-is('Sugar beet')")


def test_a_piece_of_a_leaf_is_no_other_species(page: Any) -> None:
    """Beside a disc 81 pixels across one of 15 has 3.5% of its area, one of 21 has 6.8%; the limit is 5%."""
    for radius, several in ((7, False), (10, True)):
        one = Image.new("RGB", (310, 310), (40, 40, 40))
        ImageDraw.Draw(one).ellipse((90, 110, 170, 190), fill=(40, 150, 40))
        ImageDraw.Draw(one).ellipse((200 - radius, 150 - radius, 200 + radius, 150 + radius), fill=(250, 100, 10))
        page.set_input_files("#choose", [photo(f"{radius}.png", fakes.encoded(one))])
        page.wait_for_selector("#plants-list li:nth-child(2)" if several else "#headline:text-is('Sugar beet')")
        assert page.locator("#plants").is_visible() == several


def test_plants_of_two_species_are_not_one(page: Any) -> None:
    two = fakes.field([(95, 150, 30)], (310, 310))
    ImageDraw.Draw(two).ellipse((175, 115, 245, 185), fill=(250, 100, 10))
    page.set_input_files("#choose", [photo("two.png", fakes.encoded(two))])
    page.wait_for_selector("#plants-list li:nth-child(2)")
    assert page.text_content("#plants-names") == "1\u00a0×\u00a0Maize, 1\u00a0×\u00a0Sugar beet"

    def without_groups(route: Any) -> None:  # as of a model whose species have none
        answer = route.fetch().json()
        route.fulfill(json=answer | {"plants": [plant | {"group": None} for plant in answer["plants"]]})

    page.route("**/detect?*", without_groups)
    page.set_input_files("#choose", [photo("again.png", fakes.encoded(two))])
    page.wait_for_selector("#plants-photo[alt*='again']")
    assert page.text_content("#plants-names") == "1\u00a0×\u00a0Maize, 1\u00a0×\u00a0Sugar beet"


def test_plants_are_saved_as_rows_and_as_a_picture(page: Any) -> None:
    page.set_input_files(
        "#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS))), photo("none.png", fakes.encoded(fakes.field([])))]
    )
    page.wait_for_selector("#progress", state="hidden")
    assert "3 plants" in page.locator("#rows tr").first.inner_text()
    assert "1 of several plants" in page.text_content("#summary")
    with page.expect_download() as download:
        page.click("#save-plants")
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert tuple(rows[0]) == COLUMNS  # those of the command line
    assert [(row["file"], row["plant"], row["species"]) for row in rows] == [
        *(("row.png", str(i), "Sugar beet") for i in (1, 2, 3)),
        ("none.png", "", ""),
    ]
    assert (rows[0]["clump"], rows[0]["confident"], rows[0]["segmenter"]) == ("no", "yes", "seedlings-segmenter 1")
    assert int(rows[0]["x"]) == pytest.approx(60, abs=3)
    assert picture_of(page)[0].size == (512, 384)


RECORD = """() => {
    window.written = [];
    window.fillText ??= CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
        window.written.push(text);
        return window.fillText.call(this, text, ...at);
    };
}"""


def picture_of(page: Any) -> tuple[Image.Image, list[str]]:
    """What is saved as the photo with boxes, and what was written on it."""
    page.evaluate(RECORD)
    with page.expect_download() as download:
        page.click("#plants-picture")
    assert download.value.suggested_filename == "row-plants.jpg"
    return Image.open(io.BytesIO(download.value.path().read_bytes())), page.evaluate("window.written")


def test_the_picture_has_the_numbers_and_names_of_the_list(browser: Any, detecting: Running) -> None:
    for page in opened(browser, detecting, locale="de-DE"):
        page.evaluate("""async () => {
            const { useSpecies } = await import("/page/verdict.js");
            useSpecies(new Map([["Sugar beet", { name: "Sugar beet", eppo_code: "BEAVA" }]]));
        }""")
        turned = Image.Exif()
        turned[0x0112] = 6  # the second file is one that Chromium does not turn, the third one that it does not show
        files = [("row.png", {}), ("row.webp", {"exif": turned}), ("row.tif", {})]
        for (name, options), kind in zip(files, ("PNG", "WEBP", "TIFF"), strict=True):
            page.set_input_files("#choose", [photo(name, fakes.encoded(fakes.field(PLANTS), kind, **options))])
            page.wait_for_selector(f"#file:text-is('{name}')", state="attached")
            page.wait_for_selector(f"#plants-photo[alt*='{name}']")
            shown = page.locator("#plants-list .plant span:first-of-type").all_text_contents()
            picture, written = picture_of(page)
            assert written == shown == ["1. Zuckerrübe", "2. Zuckerrübe", "3. Zuckerrübe"]
            assert picture.size == ((384, 512) if options else (512, 384))
            x, y = (331, 75) if options else (60, 75)  # on the first plant's box, turned as the photo is
            around = np.asarray(picture.convert("RGB"), np.int16)[y - 3 : y + 4, x - 3 : x + 4]
            assert np.abs(around - (0, 114, 178)).max(-1).min() < 50
            assert np.abs(np.asarray(picture.getpixel((5, 200))) - (110, 85, 60)).max() < 12  # nothing else is drawn


def test_plants_of_which_nothing_is_known_are_no_more_than_perhaps(browser: Any, module_service: Start, tmp_path: Path) -> None:
    fakes.publish(tmp_path, fakes.Measured)
    fakes.publish_segmenter(tmp_path)
    service = module_service(store=tmp_path)
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    strange = fakes.field(PLANTS)
    for x, y, radius in PLANTS:  # brighter than all that `Measured` knows
        ImageDraw.Draw(strange).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(40, 255, 40))
    for page in opened(browser, service, locale="de-DE"):
        page.set_input_files("#choose", [photo("strange.png", fakes.encoded(strange))])
        page.wait_for_selector("#plants:not([hidden])")
        assert (page.text_content("#plants-title"), page.text_content("#plants-sum")) == ("Vielleicht 3 Pflanzen", "3 unsicher")
        assert "Verlassen Sie sich" in page.text_content("#plants-warning")
        assert "unsicher 0 %" not in page.text_content("#plants-cover").replace("\u00a0", " ")
        no_defects_for(page)
        page.set_input_files("#choose", [photo("page.png", fakes.encoded(Image.new("RGB", (512, 384), "white")))])
        page.wait_for_selector("#result[aria-busy=false] #advice:has-text('Auf diesem Foto wurde keine Pflanze gefunden.')")
        assert "keine Pflanze" in page.text_content("#said")


def test_of_a_lawn_it_is_said_that_plants_are_everywhere(browser: Any, module_service: Start, tmp_path: Path) -> None:
    fakes.publish(tmp_path, fakes.Measured)
    fakes.publish_segmenter(tmp_path)
    service = module_service(store=tmp_path)
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    for page in opened(browser, service):
        page.set_input_files("#choose", [photo("lawn.png", fakes.encoded(Image.new("RGB", (512, 384), (40, 255, 40))))])
        page.wait_for_selector("#result[aria-busy=false] #advice:has-text('Plants cover nearly all of this photo')")
        assert "as on a lawn" in page.text_content("#said")


def test_plants_are_handed_on_as_a_text(browser: Any, detecting: Running) -> None:
    for page in opened(browser, detecting, permissions=["clipboard-read", "clipboard-write"]):
        page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
        page.click("#plants-share")
        page.wait_for_selector("#plants-share:text-is('Copied')")
        assert page.evaluate("navigator.clipboard.readText()").startswith("row.png: 3 plants: 3 crops\nBy the model seedlings 1, ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_photo_and_answer_are_on_one_screen(browser: Any, detecting: Running, scheme: str) -> None:
    for page in opened(browser, detecting, **PHONE, color_scheme=scheme, locale="de-DE"):
        page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
        page.wait_for_selector("#plants:not([hidden])")
        page.locator("#boxes .box").nth(2).tap()
        assert page.text_content("#plant-name") == "3. Sugar beet"
        page.locator("#plants").evaluate("element => element.scrollIntoView({ block: 'start' })")
        for part in ("#plants-title", "#plants-photo", "#plant-facts"):
            box = page.locator(part).bounding_box()
            assert box["y"] >= -1, part
            assert box["y"] + box["height"] <= 664, part
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        no_defects_for(page)


@pytest.mark.parametrize(("screen", "highest"), [({**PHONE, "viewport": {"width": 320, "height": 568}}, 0.44), ({}, 0.85)])
def test_a_photo_of_any_size_and_shape_fills_the_room_there_is(browser: Any, detecting: Running, screen: dict, highest: float) -> None:
    for page in opened(browser, detecting, **screen):
        for name, size in {"tiny": (128, 96), "tall": (90, 900), "wide": (900, 90)}.items():
            spots = [(24, 24, 10), (size[0] - 24, size[1] - 24, 10)]
            page.set_input_files("#choose", [photo(f"{name}.png", fakes.encoded(fakes.field(spots, size)))])
            page.wait_for_selector(f"#plants-photo[alt*='{name}']")
            page.wait_for_selector("#plants-list li:nth-child(2)")
            frame, room = (page.locator(part).bounding_box() for part in ("#plants-photo", ".plant-said"))
            most = highest * page.evaluate("innerHeight")
            assert frame["width"] / frame["height"] == pytest.approx(size[0] / size[1], rel=0.02)
            assert frame["height"] <= most + 1
            assert frame["width"] >= 0.95 * room["width"] or frame["height"] >= 0.98 * most, name
            names = page.locator("#plants-names").bounding_box()
            assert (names["y"] > frame["y"]) == bool(screen)  # on a phone the photo comes first: names may be many
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            number = page.locator("#boxes [aria-pressed=true] b").bounding_box()
            assert frame["y"] <= number["y"]
            assert number["y"] + number["height"] <= frame["y"] + frame["height"], name


def test_a_photo_that_the_browser_cannot_show_is_drawn_by_the_server(page: Any) -> None:
    page.set_input_files("#choose", [photo("row.tif", fakes.encoded(fakes.field(PLANTS), "TIFF"))])  # Chromium reads no TIFF
    page.wait_for_function("() => document.querySelector('#plants-photo').naturalWidth === 512")
    assert page.locator("#boxes .box.crop").count() == 3


def test_a_photo_that_the_browser_does_not_turn_is_drawn_by_the_server(page: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    page.set_input_files("#choose", [photo("row.webp", fakes.encoded(fakes.field(PLANTS), "WEBP", exif=exif))])
    page.wait_for_function("() => document.querySelector('#plants-photo').naturalWidth === 384")
    assert page.locator("#plants-photo").evaluate("one => one.clientWidth / one.clientHeight") == pytest.approx(384 / 512, rel=0.02)


def test_it_is_said_where_neither_browser_nor_server_shows_a_photo(page: Any) -> None:
    page.route("**/detect/overlay?*", late)
    page.set_input_files("#choose", [photo("row.tif", fakes.encoded(fakes.field(PLANTS), "TIFF"))])
    page.wait_for_selector("#plants-warning:has-text('too busy')")
    assert page.text_content("#plants-warning").startswith("This browser cannot show this format.")


def late(route: Any) -> None:
    """The server's answer where it is too busy."""
    route.fulfill(status=504, content_type="application/problem+json", body='{"status": 504, "detail": "no answer within 10 s"}')


def test_where_plants_are_not_looked_for_in_time_it_is_said_and_asked_again(page: Any) -> None:
    requests = asked(page)
    page.route("**/detect?*", late)
    page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
    page.wait_for_selector("#lost:has-text('Its plants were not looked for.')")
    assert requests == ["detect?prediction=auto", "detect?prediction=auto", "predict"]
    page.unroute("**/detect?*")
    page.click("#all-plants")
    page.wait_for_selector("#plants-list li:nth-child(3)")
    assert page.locator("#result").is_hidden()


def test_after_a_failed_look_at_one_plant_all_are_shown_again(page: Any) -> None:
    page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
    page.wait_for_selector("#plants:not([hidden])")
    page.route("**/predict?*", late)
    page.click("#plant-alone")
    page.wait_for_selector("#headline:text-is('This one did not work')")
    page.unroute("**/predict?*")
    page.click("#all-plants")
    page.wait_for_selector("#plants:not([hidden])")
    assert page.locator("#result").is_hidden()
    kept_when(page, "kept.every((one) => one.answer && one.each)")


def test_a_plant_within_the_box_of_another_one_can_be_chosen(page: Any) -> None:
    ring = fakes.field([(250, 190, 12)])
    ImageDraw.Draw(ring).ellipse((150, 90, 350, 290), outline=(40, 150, 40), width=16)
    page.set_input_files("#choose", [photo("ring.png", fakes.encoded(ring))])
    page.wait_for_selector("#plants-list li:nth-child(2)")
    assert page.text_content("#plant-name").startswith("1.")
    inner = page.locator("#boxes .box").nth(1).bounding_box()
    page.mouse.click(inner["x"] + inner["width"] / 2, inner["y"] + inner["height"] / 2)
    assert page.text_content("#plant-name").startswith("2.")


def test_the_tab_key_leaves_the_chosen_plant_as_it_is(page: Any) -> None:
    page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
    page.wait_for_selector("#plants-list li:nth-child(3)")
    page.locator("#plants-list button").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.text_content("#plant-name").startswith("2.")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "plant-alone"
    assert page.text_content("#plant-name").startswith("2.")


def test_a_photo_shown_as_one_plant_is_one_row(page: Any) -> None:
    page.set_input_files(
        "#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS))), photo("more.png", fakes.encoded(fakes.field(PLANTS)))]
    )
    page.wait_for_selector("#progress", state="hidden")
    page.click("#as-one")
    page.wait_for_selector("#result[aria-busy=false]:not(.stale)")
    with page.expect_download() as download:
        page.click("#save-plants")
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [(row["file"], row["plant"], row["truncated"]) for row in rows] == [
        ("row.png", "1", "no"),
        *(("more.png", str(i), "no") for i in (1, 2, 3)),
    ]


def asked(page: Any) -> list[str]:
    """The photos' requests of a page from now on, without what stands before their last slash."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url.rpartition("/")[2].rstrip("?")) if request.method == "POST" else None)
    return requests


def test_a_photo_is_sent_once(page: Any) -> None:
    requests = asked(page)
    files = [photo("row.png", fakes.encoded(fakes.field(PLANTS))), photo("one.png", fakes.encoded(fakes.field([(440, 300, 40)])))]
    page.set_input_files("#choose", [*files, photo("note.png", b"no photo")])
    page.wait_for_selector("#progress", state="hidden")
    assert "not read" in page.text_content("#summary")
    assert requests == ["detect?prediction=auto"] * 3


def test_without_a_segmenter_the_middle_is_looked_at_and_plants_are_not_asked_for(browser: Any, module_service: Start) -> None:
    for page in opened(browser, module_service(network=fakes.Halves, segmenter="none-such")):
        requests = asked(page)
        for i in (1, 2):
            page.set_input_files("#choose", [photo(f"{i}.png", fakes.encoded(fakes.field(PLANTS)))])
            page.wait_for_selector(f"#file:text-is('{i}.png')")
            page.wait_for_selector("#result[aria-busy=false]:not(.stale) #bars li", state="attached")
        assert page.locator("#plants").is_hidden()
        assert requests == ["predict"] * 2


def test_where_the_segmenter_fails_the_middle_is_answered(browser: Any, module_service: Start, tmp_path: Path) -> None:
    fakes.publish(tmp_path, fakes.Halves)
    fakes.publish_segmenter(tmp_path, fakes.Blinded)
    service = module_service(store=tmp_path)
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    for page in opened(browser, service):
        requests = asked(page)
        page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(PLANTS)))])
        page.wait_for_selector("#result[aria-busy=false]:not(.stale) #bars li", state="attached")
        assert requests == ["detect?prediction=auto", "predict"]
        assert "Its plants were not looked for. The model failed" in page.text_content("#lost")
        assert page.locator("#all-plants").is_visible()

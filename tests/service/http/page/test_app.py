"""How photos come to the page, on a desk and on a phone, and what it says when that fails."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.http.page.browsing import GREEN, RED, answered, kept_when, no_defects_for, opened, photo, wide


def test_a_broken_photo_and_a_stopped_server_get_a_sentence(page: Any) -> None:
    page.set_input_files("#choose", [photo("note.png", b"not an image")])
    page.wait_for_selector("#result.failed #advice:not(:empty)")
    assert "JPEG" in page.text_content("#advice")
    page.context.set_offline(True)
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    page.wait_for_selector("#down:not([hidden])")
    assert "does not answer" in page.text_content("#down-text")
    page.context.set_offline(False)  # and it goes on by itself
    page.wait_for_selector("#bars li")
    assert page.text_content("#headline") == "Maize"


@pytest.mark.parametrize("status", [200, 502, 504])
def test_a_page_of_a_proxy_in_place_of_an_answer_is_a_server_out_of_reach(page: Any, status: int) -> None:
    """A proxy answers so for a server that it cannot reach, and a network that wants a login first, with 200."""
    page.route("**/detect*", lambda route: route.fulfill(status=status, content_type="text/html", body="<h1>Bad Gateway</h1>"))
    page.route("**/predict*", lambda route: route.fulfill(status=status, content_type="text/html", body="<h1>Bad Gateway</h1>"))
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    page.wait_for_selector("#result.failed #advice:not(:empty)")
    assert "The server does not answer" in page.text_content("#advice")
    page.unroute("**/detect*")
    page.unroute("**/predict*")
    answered(page, "Maize")  # and it goes on by itself


def test_a_photo_that_the_busy_server_refused_is_sent_again_by_a_button(page: Any) -> None:
    busy = {"status": 504, "content_type": "application/problem+json", "body": '{"status": 504, "detail": "no answer within 10 s"}'}
    page.route("**/predict*", lambda route: route.fulfill(**busy))
    page.route("**/detect*", lambda route: route.fulfill(**busy))
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    page.wait_for_selector("#retry:not([hidden])")
    page.unroute("**/predict*")
    page.unroute("**/detect*")
    page.click("#retry")
    answered(page, "Maize")
    assert page.locator("#retry").is_hidden()


def test_where_the_browser_keeps_nothing_the_page_works_and_does_not_say_that_it_keeps(browser: Any, service: Running) -> None:
    context = browser.new_context()
    context.add_init_script("Object.defineProperty(window, 'indexedDB', { get() { throw new Error('a private window'); } })")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.wait_for_selector("#model:not(:empty)")
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    answered(page, "Maize")
    assert page.locator("#kept-in-browser").is_hidden()
    context.close()


def test_its_modules_are_fetched_together(browser: Any, service: Running) -> None:
    context = browser.new_context()
    page = context.new_page()
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url.rpartition("/")[2]))
    page.route("**/page/app.js", lambda route: route.abort())  # what names them; it never comes
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.unroute("**/page/app.js")
    together = {name for name in fetched if name.endswith(".js")}
    fetched.clear()
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.wait_for_selector("#model:not(:empty)")
    wanted = {name for name in fetched if name.endswith(".js") and name != "service-worker.js"}
    assert together == wanted - {"en.js"}  # of the languages one
    context.close()


def test_a_photo_that_is_chosen_before_the_page_is_whole_is_answered(browser: Any, service: Running) -> None:
    context = browser.new_context()
    page = context.new_page()
    held: list[Any] = []
    page.route("**/page/en.js", lambda route: held.append(route))  # a slow connection: the page stands, its programs are on their way
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    assert page.locator("#file").text_content() == ""
    held.pop().continue_()
    answered(page, "Maize")
    assert page.text_content("#file") == "red.png"
    context.close()


def test_a_photo_that_comes_before_the_server_told_of_its_models_is_looked_at_for_plants(browser: Any, detecting: Running) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{detecting.port}/")
    page.set_input_files("#choose", [photo("before.png", fakes.image(GREEN))])
    kept_when(page, "kept.length === 1 && kept[0].answer")
    held: list[Any] = []
    page.route("**/species", lambda route: held.append(route))
    page.reload()
    page.set_input_files("#choose", [photo("row.png", fakes.encoded(fakes.field(((100, 90, 40), (300, 120, 30)))))])
    page.wait_for_selector("#result[aria-busy=true] #file:text-is('row.png')")
    page.wait_for_function("() => document.getElementById('photo').naturalWidth")
    assert page.locator("#crop-note").is_hidden()  # whether it is one square that is looked at, nobody knows yet
    held.pop().continue_()
    page.wait_for_selector("#plants:not([hidden])")
    assert page.text_content("#plants-title") == "2 plants"
    assert page.locator("#rows tr").count() == 2  # what was here before is back, too
    context.close()


def test_what_comes_into_service_while_the_page_is_open_is_used_and_named(
    browser: Any, start: Start, publish_in: Any, tmp_path: Path
) -> None:
    publish_in(fakes.Halves)
    service = start(segmenter="mine")
    row = fakes.encoded(fakes.field([(100, 90, 40), (300, 120, 30)]))
    for page in opened(browser, service):
        page.set_input_files("#choose", [photo("one.png", row)])
        page.wait_for_selector("#result[aria-busy=false] #bars li", state="attached")
        assert page.locator("#plants").is_hidden()
        fakes.publish_segmenter(tmp_path, name="mine")
        service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
        page.set_input_files("#choose", [photo("two.png", row)])
        page.wait_for_selector("#plants:not([hidden])")
        assert "version 1" in page.text_content("#model")
        publish_in(fakes.Halves)
        service.wait_for(lambda: service.services.registry.current.version == "2", "the new version is loaded")
        page.set_input_files("#choose", [photo("three.png", row)])
        page.wait_for_selector("#model:has-text('version 2')")


def test_pasting_and_dropping(page: Any) -> None:
    for event, colour, species in (("drop", RED, "Maize"), ("paste", GREEN, "Sugar beet")):
        stream = io.BytesIO()
        Image.new("RGB", (16, 16), colour).save(stream, "PNG")
        page.evaluate(
            """([event, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], event + ".png", { type: "image/png" }));
                const of = event === "drop" ? DragEvent : ClipboardEvent;
                const given = event === "drop" ? { dataTransfer: data } : { clipboardData: data };
                document.dispatchEvent(new of(event, { ...given, bubbles: true }));
            }""",
            [event, list(stream.getvalue())],
        )
        page.wait_for_selector(f"#file:text-is('{event}.png')")
        page.wait_for_selector(f"#headline:text-is('{species}')")
        assert page.text_content("#bars li:first-child").startswith(species)


@pytest.mark.parametrize("height", [664, 844])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_answer_is_on_the_first_screen(browser: Any, service: Running, height: int, scheme: str) -> None:
    options = {"viewport": {"width": 390, "height": height}, "has_touch": True, "is_mobile": True, "color_scheme": scheme}
    for page in opened(browser, service, **options):
        no_defects_for(page)
        camera, choose = page.locator("#camera").bounding_box(), page.locator("#choose-button").bounding_box()
        assert (camera["y"], camera["x"]) < (choose["y"], choose["x"])  # a phone's main way in
        page.set_input_files("#take", [photo("wide.png", wide(RED))])
        page.wait_for_selector("#bars li")
        page.wait_for_selector("#crop:not([hidden])")  # of a photo that is not square
        for part in ("#headline", "#photo", "#bars", "#more" if page.locator("#more").is_visible() else "#bars"):
            box = page.locator(part).bounding_box()
            assert box["y"] >= 0, part
            assert box["y"] + box["height"] <= height, part
        no_defects_for(page)


def test_letters_twice_as_large_are_read_without_scrolling_to_the_side(browser: Any, service: Running) -> None:
    for page in opened(browser, service, viewport={"width": 390, "height": 844}, locale="de-DE"):
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        page.set_input_files("#choose", [photo("grey.png", fakes.image((90, 90, 90))), photo("red.png", fakes.image(RED))])
        page.wait_for_selector("#progress", state="hidden")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        line = page.evaluate("parseFloat(getComputedStyle(document.querySelector('#bars li')).lineHeight)")
        assert line > 40  # twice as large
        assert page.locator("#bars li").first.bounding_box()["height"] < 4 * line  # not a letter a line
        assert page.locator("#rows tr").first.bounding_box()["height"] < 8 * line


def test_asks_for_a_key_only_where_one_is_needed(browser: Any, page: Any, start: Start, publish_in: Any) -> None:
    assert page.locator("#key-form").is_hidden()
    publish_in(fakes.Halves)
    service = start(api_key="secret")
    context = browser.new_context()
    context.set_default_timeout(60_000)
    guarded = context.new_page()
    guarded.goto(f"http://127.0.0.1:{service.port}/")
    guarded.wait_for_selector("#key-form:not([hidden])")
    guarded.fill("#key", "wrong")
    guarded.keyboard.press("Enter")
    guarded.wait_for_selector("#key-error:not(:empty)")
    guarded.fill("#key", "secret")
    guarded.keyboard.press("Enter")
    guarded.wait_for_selector("#key-form", state="hidden")
    assert guarded.text_content("#model")
    context.close()


def test_a_webp_that_stands_on_its_head_is_drawn_by_the_server(browser: Any, detecting: Running) -> None:
    """Chromium does not turn it, and its shape does not tell."""
    exif = Image.Exif()
    exif[0x0112] = 3
    content = fakes.encoded(fakes.field(((100, 90, 40), (300, 120, 30))), "WEBP", exif=exif)
    for page in opened(browser, detecting):
        with page.expect_response("**/detect/overlay?*"):
            page.set_input_files("#choose", [photo("row.webp", content) | {"mimeType": "image/webp"}])

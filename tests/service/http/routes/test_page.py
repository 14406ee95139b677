"""The page, in a real browser."""

import csv
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.http.routes import page as routes
from tests import fakes
from tests.service.conftest import Running, Start

PAGE = Path(routes.__file__).parents[1] / "page"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
RED, GREEN = (220, 10, 10), (10, 200, 10)


def photo(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": content}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    executable = os.environ.get("SEEDLINGS_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no browser is installed: apt-get install chromium, or name one in SEEDLINGS_BROWSER")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=executable, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def service(module_service: Start) -> Running:
    return module_service(network=fakes.Halves)


@pytest.fixture
def page(browser: Any, service: Running) -> Iterator[Any]:
    yield from opened(browser, service, viewport={"width": 1200, "height": 800})


@pytest.fixture
def phone(browser: Any, service: Running) -> Iterator[Any]:
    yield from opened(browser, service, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark")


def opened(browser: Any, service: Running, **options: Any) -> Iterator[Any]:
    context = browser.new_context(**options)
    context.set_default_timeout(60_000)  # a loaded machine is no failure
    page = context.new_page()
    defects: list[str] = []
    page.on("pageerror", lambda error: defects.append(str(error)))
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.wait_for_selector("#model:not(:empty)")
    yield page
    context.close()
    assert not defects


def test_tells_the_species_and_what_decided_it(page: Any) -> None:
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    page.wait_for_selector("#bars li")
    assert page.text_content("#species") == "Maize"
    assert page.text_content("#group") == "Crop"
    assert page.locator("#doubt").is_hidden()
    assert page.text_content("#bars li:first-child").startswith("Maize")
    page.wait_for_selector("#said:not(:empty)", state="attached")
    assert page.text_content("#said").startswith("Maize")  # for those who hear the page
    photo_url = page.get_attribute("#photo", "src")
    page.focus("#heat")
    page.keyboard.press("Enter")
    page.wait_for_selector("#heat[aria-pressed=true]")
    assert page.get_attribute("#photo", "src") != photo_url
    page.click("#heat")
    assert page.get_attribute("#photo", "src") == photo_url


def test_shows_doubt(page: Any) -> None:
    page.set_input_files("#choose", [photo("grey.png", fakes.image((90, 90, 90)))])
    page.wait_for_selector("#doubt:not([hidden])")
    assert page.text_content("#species").startswith("Perhaps ")


def test_says_so_when_it_is_no_seedling(browser: Any, start: Start, publish_in: Any) -> None:
    publish_in(fakes.Measured)
    for page in opened(browser, start(), viewport={"width": 1200, "height": 800}):
        page.set_input_files("#choose", [photo("bright.png", fakes.image((255, 10, 10))), photo("red.png", fakes.image((200, 10, 10)))])
        page.wait_for_selector("#progress", state="hidden")
        assert page.text_content("#doubt") == "Not a seedling?"
        assert page.text_content("#advice").startswith("This does not look like a photo of a seedling")
        rows = page.locator("#rows tr")
        assert "Not a seedling?" in rows.nth(0).inner_text()
        assert "seedling" not in rows.nth(1).inner_text()
        with page.expect_download() as download:
            page.click("#save")
        table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
        assert [(line["sure"], line["familiar"]) for line in table] == [("no", "no"), ("yes", "yes")]


def test_many_photos_become_a_table(page: Any) -> None:
    photos = [photo("red.png", fakes.image(RED)), photo("=broken.png", fakes.image()[:-30]), photo("green, 2.png", fakes.image(GREEN))]
    page.set_input_files("#choose", photos)
    page.wait_for_selector("#rows tr:nth-child(3)")
    page.wait_for_selector("#progress", state="hidden")
    rows = page.locator("#rows tr")
    assert "Maize" in rows.nth(0).inner_text()
    assert "cannot be read" in rows.nth(1).inner_text()
    rows.nth(2).locator("button").click()
    assert page.text_content("#species") == "Sugar beet"
    with page.expect_download() as download:
        page.click("#save")
    table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [line["file"] for line in table] == ["red.png", "'=broken.png", "green, 2.png"]
    assert [line["species"] for line in table] == ["Maize", "", "Sugar beet"]
    page.click("#clear")
    assert page.locator("#result").is_hidden()


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
    assert page.text_content("#species") == "Maize"


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
        page.wait_for_selector(f"#species:text-is('{species}')")
        assert page.text_content("#bars li:first-child").startswith(species)


def test_on_a_phone(phone: Any) -> None:
    assert phone.locator("#camera").is_visible()
    phone.set_input_files("#take", [photo("red.png", fakes.image(RED))])
    phone.wait_for_selector("#bars li")
    phone.set_input_files("#choose", [photo("a-very-long-name-of-a-photo-from-a-phone.png", fakes.image(GREEN))] * 3)
    phone.wait_for_selector("#rows tr:nth-child(4)", state="attached")
    phone.wait_for_selector("#progress", state="hidden")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert phone.locator("#camera").is_visible()


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
    guarded.wait_for_selector("#model:not(:empty)")
    assert guarded.locator("#key-form").is_hidden()
    context.close()


def test_the_interface_for_programs(page: Any, service: Running) -> None:
    page.click("text=Interface for programs")
    page.wait_for_selector("details")
    operations = [name for methods in service.client.get("/openapi.json").json()["paths"].values() for name in methods]
    assert page.locator("details").count() == len(operations)
    page.click("#predict summary")
    assert "Maize" in page.inner_text("#predict")


def test_is_small_and_brings_nothing_from_elsewhere(service: Running) -> None:
    files = list(PAGE.iterdir())
    assert sum(file.stat().st_size for file in files) < 100_000
    response = service.client.get("/")
    assert response.status_code == 200
    assert "default-src 'self'" in response.headers["content-security-policy"]
    for file in files:
        served = service.client.get(f"/page/{file.name}")
        assert served.content == file.read_bytes()
        text = served.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http://" not in text
        assert "https://" not in text
    assert service.client.get("/page/nothing.js").status_code == 404
    assert service.client.get("/page/..%2Fapp.py").status_code == 404

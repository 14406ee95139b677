"""The page, in a real browser."""

import csv
import datetime
import functools
import io
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from models_store import store
from models_store.manifest import Manifest
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
RED, GREEN, BLUE = (220, 10, 10), (10, 200, 10), (10, 10, 200)
CODES = {"Maize": "ZEAMX", "Sugar beet": "BEAVA", "Charlock": "SINAR"}


def no_defects_for(page: Any) -> None:
    """axe-core, the reference checker of WCAG's rules, finds nothing."""
    found = Axe().run(page).response["violations"]
    assert not found, [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found]


def photo(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def wide(*colours: tuple[int, int, int]) -> bytes:
    """A photo that is not square, of colours side by side."""
    image = Image.new("RGB", (64, 48) if len(colours) == 1 else (60 * len(colours), 60))
    for i, colour in enumerate(colours):
        image.paste(colour, (i * image.width // len(colours), 0, image.width, image.height))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def answered(page: Any, headline: str) -> None:
    """Wait for an answer that is not one of before."""
    page.wait_for_selector(f"#result[aria-busy=false]:not(.stale) #headline:text-is('{headline}')")


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
    assert page.text_content("#headline") == "Maize"
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
    headline = page.text_content("#headline")
    assert headline.endswith("?")
    assert " or " in headline  # both candidates, not one of them
    assert page.locator("#probability").inner_text() == ""


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
        page.wait_for_function("async () => (await (await import('/page/keep.js')).kept()).some((one) => one.crop && one.answer)")
        page.reload()
        answered(page, "Charlock")
        page.click("#move")
        page.click("#crop-centre")
        answered(page, "Sugar beet")


def coded(*given: Any, **options: Any) -> Manifest:
    """The species of the fake models with their codes."""
    plain = fakes.manifest(*given, **options)
    return plain.model_copy(update={"species": [one.model_copy(update={"eppo_code": CODES[one.name]}) for one in plain.species]})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_says_no_more_than_can_be_relied_upon(browser: Any, start: Start, tmp_path: Path, scheme: str) -> None:
    describe = functools.partial(coded, threshold=0.9, kind=0.8, group=0.85)
    store.publish(tmp_path, fakes.scripted(fakes.Shares), describe, lambda _: "# fake\n", "seedlings")
    colours = {"Maize": (250, 5, 5), "Grass crop": (170, 15, 15), "Crop": (100, 80, 10), "Maize or Sugar beet?": (60, 52, 50)}
    for page in opened(browser, start(), viewport={"width": 1280, "height": 900}, color_scheme=scheme):
        page.set_input_files("#choose", [photo(f"{i}.png", fakes.image(colour)) for i, colour in enumerate(colours.values())])
        page.wait_for_selector("#progress", state="hidden")
        shown = {}
        for i, headline in enumerate(colours):
            page.click(f"#rows tr:nth-child({i + 1}) button")
            answered(page, headline)
            shown[headline] = [page.locator(f"#{part}").inner_text() for part in ("doubt", "beneath", "group", "probability")]
            assert page.locator("#alike").is_visible() == (headline != "Maize")
            no_defects_for(page)
        assert shown == {
            "Maize": ["", "", "Crop", "96.2%"],
            "Grass crop": ["Species not sure", "Perhaps Maize", "Crop", "85.0%"],
            "Crop": ["Species not sure", "Maize or Sugar beet?", "", "94.7%"],
            "Maize or Sugar beet?": ["Not sure", "", "", ""],
        }
        assert page.locator("#alike-list dt").all_inner_texts() == ["Maize", "Sugar beet", "Charlock"]
        assert "rounded tip" in page.locator("#alike-list dd").first.inner_text()
        assert page.text_content("#summary") == "3 crops, 1 unsure"
        page.click("#known-title")
        assert "Grass crop" in page.inner_text("#known-list")


def test_an_answer_is_handed_on_as_a_text(browser: Any, service: Running) -> None:
    for page in opened(browser, service, viewport={"width": 1200, "height": 800}, permissions=["clipboard-read", "clipboard-write"]):
        page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
        answered(page, "Maize")
        page.click("#share")
        page.wait_for_selector("#share:text-is('Copied')")
        text = page.evaluate("navigator.clipboard.readText()")
        assert text.startswith("red.png: Maize, 99.7%.\nBy the model seedlings 1, ")
        assert text.endswith("Check before you act.")


def test_an_unfamiliar_photo_gets_no_name(browser: Any, start: Start, publish_in: Any) -> None:
    publish_in(fakes.Measured)
    for page in opened(browser, start(), viewport={"width": 1200, "height": 800}):
        page.set_input_files("#choose", [photo("bright.png", fakes.image((255, 10, 10))), photo("red.png", fakes.image((200, 10, 10)))])
        page.wait_for_selector("#progress", state="hidden")
        assert page.text_content("#doubt") == "Unlike its photos"
        shown = page.locator("#result").inner_text() + page.locator("#rows tr").nth(0).inner_text() + page.text_content("#said")
        assert not [name for name in fakes.NAMES if name in shown.replace("red.png: Maize", "")]
        assert "Do not rely on a name" in page.text_content("#advice")
        assert not re.search(r"\d%", shown.split("red.png")[0])
        assert page.locator("#group").is_hidden()
        assert page.locator("#heat").is_hidden()
        page.click("#bars-title")
        assert page.locator("#bars li").first.is_visible()  # the nearest candidates, for whoever asks
        assert "Maize" in page.locator("#rows tr").nth(1).inner_text()
        assert page.text_content("#summary") == "1 crop, 1 unsure"
        with page.expect_download() as download:
            page.click("#save")
        table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
        assert [line["familiar"] for line in table] == ["no", "yes"]
        no_defects_for(page)


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
        page.select_option("#filter", "weed")
        assert page.locator("#rows tr:visible").count() == 0
        page.select_option("#filter", "crop")
        assert page.locator("#rows tr:visible").count() == 30
        no_defects_for(page)


@pytest.mark.parametrize(
    ("locale", "headline", "share"), [("de-DE", "Mais", "99,9 %"), ("fr-FR", "Maïs", "99,9 %"), ("es-MX", "Maíz", "99.9%")]
)
def test_speaks_the_browsers_language(browser: Any, start: Start, tmp_path: Path, locale: str, headline: str, share: str) -> None:
    store.publish(tmp_path, fakes.scripted(fakes.Halves), coded, lambda _: "# fake\n", "seedlings")
    for page in opened(browser, start(), viewport={"width": 1200, "height": 800}, locale=locale):
        page.set_input_files("#choose", [photo("red.png", fakes.image((255, 0, 0)))])
        page.wait_for_selector("#bars li")
        assert page.text_content("#headline") == headline
        assert page.get_attribute("html", "lang") == locale[:2]
        assert share in page.text_content("#bars li:first-child").replace("\u00a0", " ").replace("\u202f", " ")


def test_each_language_has_every_text(page: Any) -> None:
    keys = page.evaluate("""async () => {
        const inside = (key, value) =>
            typeof value === "object" ? Object.keys(value).map((one) => `${key}.${one}`) : [`${key} ${typeof value}`];
        const flat = (texts) => Object.entries(texts).flatMap(([key, value]) => inside(key, value)).sort();
        return Promise.all(["en", "de", "fr", "es"].map(async (one) => flat((await import(`/page/${one}.js`)).texts)));
    }""")
    assert len(keys[0]) > 70
    assert keys[1:] == [keys[0]] * 3


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


def test_a_reload_keeps_photos_and_answers_until_they_are_cleared(page: Any) -> None:
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED)), photo("green.png", fakes.image(GREEN))])
    page.wait_for_selector("#progress", state="hidden")
    page.wait_for_function("async () => (await (await import('/page/keep.js')).kept()).filter((one) => one.answer).length === 2")
    page.reload()
    page.wait_for_selector("#rows tr:nth-child(2)")
    assert sorted(page.locator("#rows tr td:nth-child(2)").all_inner_texts()) == ["Maize", "Sugar beet"]
    page.click("#clear")
    page.wait_for_function("async () => (await (await import('/page/keep.js')).kept()).length === 0")
    page.reload()
    page.wait_for_selector("#model:not(:empty)")
    assert page.locator("#rows tr").count() == 0
    assert page.locator("#result").is_hidden()


def test_the_interface_for_programs(page: Any, service: Running, tmp_path: Path) -> None:
    page.click("text=API for programs")
    page.wait_for_selector("details")
    operations = [name for methods in service.client.get("/openapi.json").json()["paths"].values() for name in methods]
    assert page.locator("details").count() == len(operations)
    assert "`" not in page.inner_text("main")
    page.click("#operation-predict summary")
    page.wait_for_selector("#operation-predict .inside")
    shown = page.inner_text("#operation-predict")
    assert "confident" in shown
    assert "the most probable species" in shown  # what a field means
    assert "`" not in shown
    page.click("#operation-predict_batch summary")
    page.wait_for_selector("#operation-predict_batch .inside")
    assert "files=@one.jpg" in page.inner_text("#operation-predict_batch")
    no_defects_for(page)


def test_the_samples_of_the_docs_page_work(page: Any, service: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("photo.jpg", "one.jpg", "two.jpg"):
        (tmp_path / name).write_bytes(fakes.image(RED))
    monkeypatch.chdir(tmp_path)
    page.click("text=API for programs")
    page.wait_for_selector("details")
    scripts = []
    for operation in page.locator("details").all():
        operation.locator("summary").click()
        operation.locator(".sample").first.wait_for()
        curl, python, script = operation.locator(".sample pre").all_inner_texts()
        subprocess.run([*shlex.split(curl), "--silent", "--fail-with-body"], capture_output=True, check=True)
        exec(python, {})
        scripts.append(f"await (async () => {{ {script} }})();")
    assert (tmp_path / "heat.png").read_bytes().startswith(b"\x89PNG")
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed: the samples in JavaScript were not run")
    photo_in_node = 'const photo = new Blob([(await import("node:fs")).readFileSync("photo.jpg")]);'
    subprocess.run([node, "--input-type=module", "--eval", "\n".join([photo_in_node, *scripts])], capture_output=True, check=True)


def test_the_docs_page_tells_the_limits_and_tries_things_out(page: Any) -> None:
    page.click("text=API for programs")
    page.wait_for_selector(".limits")
    assert "20,971,520" in page.inner_text(".limits")
    for operation, shown in (("predict", '"species": "Maize"'), ("predict_batch", '"species": "Maize"'), ("explain", "200 image/png")):
        page.click(f"#operation-{operation} summary")
        page.set_input_files(f"#operation-{operation} input[type=file]", [photo("red.png", fakes.image(RED))])
        page.click(f"#operation-{operation} form button")
        page.wait_for_selector(f"#operation-{operation} [role=status] p")
        assert shown in page.inner_text(f"#operation-{operation} [role=status]")
    page.click("#operation-infer summary")
    page.fill("#operation-infer input >> nth=1", "5")  # a header: a wrong length
    page.click("#operation-infer form button")
    page.wait_for_selector("#operation-infer [role=status] p")
    assert page.inner_text("#operation-infer [role=status]").startswith("400")


def test_the_docs_page_asks_for_the_key_of_a_guarded_service(browser: Any, start: Start, publish_in: Any) -> None:
    publish_in(fakes.Halves)
    service = start(api_key="secret")
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{service.port}/docs")
    page.click("#operation-species summary")
    assert all("KEY" in sample for sample in page.locator("#operation-species .sample pre").all_inner_texts())
    for key, status in (("", "401"), ("secret", "200")):
        page.get_by_label("API key").fill(key)
        page.click("#operation-species form button")
        page.wait_for_selector(f"#operation-species [role=status] p:has-text('{status}')")
    page.click("#operation-live summary")
    assert page.get_by_label("API key").count() == 1  # probes need none
    context.close()


def test_is_small_and_brings_nothing_from_elsewhere(service: Running) -> None:
    files = list(PAGE.iterdir())
    assert sum(file.stat().st_size for file in files) < 200_000  # a phone's slow connection: under two seconds at 1 Mbit/s
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

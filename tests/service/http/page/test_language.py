"""The page in other languages."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from models_store import store
from models_store.manifest import Manifest
from service.cli.csv_tables import COLUMNS
from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.http.page.browsing import coded, opened, photo


@pytest.mark.parametrize(
    ("locale", "headline", "share", "learnt"),
    [("de-DE", "Mais", "99,9 %", "3.264 Fotos"), ("fr-FR", "Maïs", "99,9 %", "3 264 photos"), ("es-MX", "Maíz", "99.9%", "3,264 fotos")],
)
def test_speaks_the_browsers_language(
    browser: Any, start: Start, tmp_path: Path, locale: str, headline: str, share: str, learnt: str
) -> None:
    def described(*given: Any) -> Manifest:
        plain = coded(*given)
        return plain.model_copy(update={"training": plain.training.model_copy(update={"images": {"train": 3264}})})

    store.publish(tmp_path, fakes.scripted(fakes.Halves), described, lambda _: "# fake\n", "seedlings")
    for page in opened(browser, start(), viewport={"width": 1200, "height": 800}, locale=locale):
        page.set_input_files("#choose", [photo("red.png", fakes.image((255, 0, 0)))])
        page.wait_for_selector("#bars li")
        assert page.text_content("#headline") == headline
        assert page.get_attribute("html", "lang") == locale[:2]
        bar, note = (
            page.text_content(part).replace("\u00a0", " ").replace("\u202f", " ") for part in ("#bars li:first-child", "#known-note")
        )
        assert share in bar
        assert learnt in note  # what it knows, and from what


@pytest.mark.parametrize(("locale", "columns", "share"), [("de-DE", ";", "0,99"), ("es-MX", ",", "0.99")])
def test_a_spreadsheet_of_that_language_reads_the_csv(browser: Any, service: Running, locale: str, columns: str, share: str) -> None:
    """Where numbers have a decimal comma, spreadsheets expect semicolons between columns."""
    for page in opened(browser, service, locale=locale):
        page.set_input_files("#choose", [photo(f"{name}.png", fakes.image((255, 0, 0))) for name in ("one", "a;b, c")])
        page.wait_for_selector("#progress", state="hidden")
        with page.expect_download() as download:
            page.click("#save")
        heading, first, second = csv.reader(io.StringIO(download.value.path().read_text("utf-8-sig")), delimiter=columns)
        assert tuple(one for one in heading if one not in ("plants", "truncated")) == COLUMNS
        assert (first[0], second[0]) == ("one.png", "a;b, c.png")
        assert first[heading.index("probability")].startswith(share)


def test_each_language_has_every_text(page: Any) -> None:
    keys = page.evaluate("""async () => {
        const inside = (key, value) =>
            typeof value === "object" ? Object.keys(value).map((one) => `${key}.${one}`) : [`${key} ${typeof value}`];
        const flat = (texts) => Object.entries(texts).flatMap(([key, value]) => inside(key, value)).sort();
        return Promise.all(["en", "de", "fr", "es"].map(async (one) => flat((await import(`/page/${one}.js`)).texts)));
    }""")
    assert len(keys[0]) > 70
    marked = {key.removeprefix("marks.") for key in keys[0] if key.startswith("marks.")}
    sources = page.evaluate("async () => (await import('/page/sources.js')).sources")
    assert sources.keys() == marked  # nothing is said of a plant without a page that says so
    assert all(pages and all(one.startswith("https://") for one in pages) for pages in sources.values())
    assert keys[1:] == [keys[0]] * 3

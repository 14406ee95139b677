"""The page in other languages."""

from pathlib import Path
from typing import Any

import pytest

from models_store import store
from tests import fakes
from tests.service.conftest import Start
from tests.service.http.page.browsing import coded, opened, photo


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
    marked = {key.removeprefix("marks.") for key in keys[0] if key.startswith("marks.")}
    sources = page.evaluate("async () => (await import('/page/sources.js')).sources")
    assert sources.keys() == marked  # nothing is said of a plant without a page that says so
    assert all(pages and all(one.startswith("https://") for one in pages) for pages in sources.values())
    assert keys[1:] == [keys[0]] * 3

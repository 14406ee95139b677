"""What the tests of the page do in a browser."""

import io
import time
from collections.abc import Iterator
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from models_store.manifest import Manifest
from tests import fakes
from tests.service.conftest import Running

RED, GREEN, BLUE = (220, 10, 10), (10, 200, 10), (10, 10, 200)
_CODES = {"Maize": "ZEAMX", "Sugar beet": "BEAVA", "Charlock": "SINAR"}


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


def kept_when(page: Any, condition: str) -> None:
    """Wait until `condition` holds of `kept`, what the page keeps for a reload. Playwright's own wait takes a promise for true."""
    until = time.monotonic() + 30
    while not page.evaluate(f"async () => {{ const kept = await (await import('/page/keep.js')).kept(); return {condition}; }}"):
        assert time.monotonic() < until, condition
        page.wait_for_timeout(30)


def opened(browser: Any, service: Running, **options: Any) -> Iterator[Any]:
    context = browser.new_context(**options)
    context.set_default_timeout(60_000)  # a loaded machine is no failure
    page = context.new_page()
    defects: list[str] = []
    page.on("pageerror", lambda error: defects.append(str(error)))
    page.goto(f"http://127.0.0.1:{service.port}/")
    page.wait_for_selector("#keeping:not(:empty)", state="attached")  # the last word that the page asks the server for
    yield page
    context.close()
    assert not defects


def coded(*given: Any, **options: Any) -> Manifest:
    """The species of the fake models with their codes."""
    plain = fakes.manifest(*given, **options)
    return plain.model_copy(update={"species": [one.model_copy(update={"eppo_code": _CODES[one.name]}) for one in plain.species]})

"""Take the picture of the page for README: docs/images/page.webp, with a drawn seedling.

python -m scripts.page_picture      needs Chromium; the service runs here meanwhile
"""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks import chromium
from service.settings import Settings
from tests import drawn
from tests.service.conftest import serve

OUT = Path(__file__).parents[1] / "docs" / "images" / "page.webp"
SIZE = {"width": 900, "height": 640}
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]


def main() -> None:
    """Serve the shipped model, show it a drawn seedling, and keep what the browser shows."""
    photo = io.BytesIO()
    drawn.plant(2, 7, side=600).save(photo, "PNG")
    upload = {"name": "drawn.png", "mimeType": "image/png", "buffer": photo.getvalue()}
    with tempfile.TemporaryDirectory() as store, serve(Settings(store=Path(store))) as running, sync_playwright() as started:
        running.wait_ready()
        browser = started.chromium.launch(executable_path=chromium.executable(), args=FLAGS)
        page = browser.new_page(viewport=SIZE, locale="en-GB", device_scale_factor=1)
        page.goto(f"http://127.0.0.1:{running.port}/")
        page.set_input_files("#choose", [upload])
        page.wait_for_selector("#bars li", state="attached", timeout=60_000)
        page.wait_for_selector("#doubt:visible, #plants:visible")
        page.evaluate("document.activeElement.blur()")
        page.mouse.move(0, 0)
        shot = page.screenshot()
        browser.close()
    OUT.parent.mkdir(exist_ok=True)
    Image.open(io.BytesIO(shot)).save(OUT, "WEBP", quality=80, method=6)
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""Without reception: the page opens, and answers photos in the browser as the server does, once the user wanted that."""

import base64
import contextlib
import hashlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from models_store import colour, store
from models_store.manifest import Manifest
from service.settings import Settings
from tests import drawn, fakes
from tests.service.conftest import PATIENCE_S, Running, Start, serve
from tests.service.http.page.browsing import kept_when, no_defects_for, photo

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
ASK = """async (files) => {
    const { predict } = await import("/page/offline.js");
    const answers = {};
    for (const [name, body] of Object.entries(files)) {
        answers[name] = await predict(new File([Uint8Array.from(atob(body), (sign) => sign.charCodeAt())], name));
    }
    return answers;
}"""

NO_FORMAT = "This browser cannot show this format. The server can read it."
FIRST = store.read_manifest(store.resolve(store.SHIPPED_STORE, "seedlings")).calibration.familiarity
BAD_GATEWAY = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


class Proxy(socketserver.ThreadingTCPServer):
    """Stands before a service, and answers in its place while that is `gone`."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, port: int) -> None:
        self.behind, self.gone = port, False
        super().__init__(("127.0.0.1", 0), _Through)


class _Through(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        if self.server.gone:
            self.request.recv(2**16)
            head = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            self.request.sendall(head % len(BAD_GATEWAY) + BAD_GATEWAY)
            return
        with socket.create_connection(("127.0.0.1", self.server.behind)) as behind, contextlib.suppress(OSError):
            other = {self.request: behind, behind: self.request}
            while not self.server.gone:
                for ready in select.select(list(other), [], [], 0.05)[0]:
                    if not (piece := ready.recv(2**16)):
                        return
                    other[ready].sendall(piece)


@pytest.fixture(scope="module")
def proxy(service: Running) -> Iterator[Proxy]:
    with Proxy(service.port) as standing:
        threading.Thread(target=standing.serve_forever, args=(0.05,)).start()
        yield standing
        standing.shutdown()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of the shipped models, by the file that the browser has, too: to measure which runtime is the quickest takes seconds."""
    with serve(Settings(store=tmp_path_factory.mktemp("empty"), threads=1, max_batch=4, runtime="onnxruntime")) as running:
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def kept(browser: Any, proxy: Proxy) -> Iterator[Any]:
    """The page on a phone, which keeps the model. The service is behind a proxy, as docs/operating.md advises."""
    context = browser.new_context(**PHONE)
    context.set_default_timeout(60_000)
    page = context.new_page()
    defects: list[str] = []
    page.on("pageerror", lambda error: defects.append(str(error)))
    page.goto(f"http://127.0.0.1:{proxy.server_address[1]}/")
    page.wait_for_selector("#offline:not([hidden])")
    assert "18 MB" in page.text_content("#offline-text")  # said before
    assert "plants are not found and counted, and there are no heat maps" in page.text_content("#offline-text")
    assert "cannot be kept" not in page.text_content("#offline-text")  # both models can
    assert page.evaluate("caches.has('seedlings-offline')") is False  # and nothing fetched
    no_defects_for(page)
    page.click("#offline-keep")
    page.wait_for_selector("#offline-forget:not([hidden])")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    yield page
    page.click("#offline-forget")
    page.wait_for_selector("#offline-keep:not([hidden])")
    assert page.evaluate("caches.has('seedlings-offline')") is False
    context.close()
    assert not defects


def profile(kind: str) -> bytes:
    """A profile for colours of this kind, which no photo has."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


def compared(page: Any, service: Running, files: dict[str, bytes], most: float) -> int:
    """Browser and server say the same of `files`, probabilities to `most`: of how many."""
    answers = page.evaluate(ASK, {name: base64.b64encode(body).decode() for name, body in files.items()})
    for name, body in files.items():
        here, there = answers[name], service.client.post("/predict", content=body).json()
        apart = max(abs(here["probabilities"][one] - value) for one, value in there["probabilities"].items())
        assert apart <= most, (name, apart)
        assert here["species"] == there["species"], name
        assert here.keys() - {"here"} == there.keys()
        same = ("crop", "model", "scientific_name", "eppo_code", "group", "threshold", "ood_limit")
        assert [here[field] for field in same] == [there[field] for field in same], name
        assert here["ood_score"] == pytest.approx(there["ood_score"], rel=0.01), name
        if abs(there["ood_score"] - there["ood_limit"]) > 0.01 * there["ood_limit"]:
            assert here["familiar"] == there["familiar"], name
    return len(answers)


def test_a_field_without_reception(kept: Any, service: Running) -> None:
    kept.context.set_offline(True)
    kept.reload()
    kept.wait_for_selector("#model:not(:empty)")
    assert "answered in this browser" in kept.text_content("#down-text")
    assert "plants are not found and counted" in kept.text_content("#down-text")
    kept.set_input_files("#take", [photo("plant.png", fakes.encoded(drawn.plant(0, 0)))])
    kept.wait_for_selector("#here:not([hidden])")
    assert kept.text_content("#headline")
    assert kept.locator("#heat").is_hidden()  # only the server has heat maps
    no_defects_for(kept)
    kept.reload()  # what was answered here outlives that
    kept.wait_for_selector("#here:not([hidden])")
    kept.context.set_offline(False)  # the server is asked again by itself
    kept.wait_for_selector("#here", state="hidden")
    kept.wait_for_selector("#down", state="hidden")
    kept_when(kept, "kept.length === 1 && kept[0].answer && !kept[0].answer.here")
    assert 'route="/detect",status="200"' in service.client.get("/metrics").text


def test_a_proxy_whose_service_is_gone_is_a_server_out_of_reach(kept: Any, proxy: Proxy) -> None:
    proxy.gone = True
    try:
        kept.reload()
        kept.wait_for_selector("#down:not([hidden])")
        assert "answered in this browser" in kept.text_content("#down-text")
        kept.set_input_files("#take", [photo("leaf.png", fakes.encoded(drawn.plant(1, 0)))])
        kept.wait_for_selector("#here:not([hidden])")
    finally:
        proxy.gone = False
    kept.wait_for_selector("#down", state="hidden")
    kept.click("#clear")


@pytest.mark.slow
def test_a_server_that_is_late_is_taken_for_none(kept: Any, service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the end of a weak connection: each request is taken, and none is answered."""
    stuck, go_on = threading.Event(), threading.Event()

    def stand_still(_: int) -> None:
        stuck.set()
        go_on.wait(PATIENCE_S)

    with monkeypatch.context() as replaced:
        replaced.setattr(service.services.metrics, "queue_length", stand_still)  # called in the event loop
        assert stuck.wait(PATIENCE_S)
        try:
            kept.reload()
            kept.wait_for_selector("#down:not([hidden])")
            assert "answered in this browser" in kept.text_content("#down-text")
            assert kept.text_content("#model")
        finally:
            go_on.set()
    kept.wait_for_selector("#down", state="hidden")


@contextlib.contextmanager
def newer_model(page: Any) -> Iterator[None]:
    """The service offers a newer version, and the page has said so; afterwards the one that is kept again."""
    told = page.evaluate("fetch('offline/model.json').then((answer) => answer.json())")
    page.route("**/offline/model.json", lambda route: route.fulfill(json=told | {"model": told["model"] | {"version": "9"}}))
    page.reload()
    page.wait_for_selector("#offline-keep:not([hidden])")
    yield
    page.unroute("**/offline/model.json")
    page.reload()
    page.wait_for_selector("#offline-forget:not([hidden])")


def test_another_version_of_the_same_weights_is_newer(kept: Any) -> None:
    """Its thresholds may be others."""
    told = kept.evaluate("fetch('offline/model.json').then((answer) => answer.json())")
    assert (told["parts_limit"], told["second"]["parts_limit"]) == (FIRST.limit_for_parts, 0)
    with newer_model(kept):
        assert kept.locator("#offline-keep").is_visible()
    kept.wait_for_selector("#offline-keep", state="hidden")


def test_a_newer_model_that_does_not_come_whole_leaves_the_one_before(kept: Any) -> None:
    with newer_model(kept):
        kept.route("**/offline/model.onnx", lambda route: route.abort())
        kept.click("#offline-keep")
        kept.wait_for_selector("#offline-said:not(:empty)")
        kept.unroute("**/offline/model.onnx")
        assert kept.locator("#offline-forget").is_visible()
    assert "seedlings-offline-new" not in kept.evaluate("caches.keys()")


def test_what_is_kept_and_does_not_run_leaves_the_photo_to_the_server(kept: Any) -> None:
    whole = """async (spoil) => {
        const cache = await caches.open("seedlings-offline"), model = "offline/model.onnx";
        if (spoil) await cache.put("whole", await cache.match(model));
        await cache.put(model, spoil ? new Response("no model") : await cache.match("whole"));
    }"""
    kept.evaluate(whole, True)
    kept.reload()
    kept.wait_for_selector("#offline-forget:not([hidden])")
    told = kept.evaluate("""async () => {
        const { predict } = await import("/page/offline.js");
        return predict(new File(["no photo"], "a.png")).catch(({ message, passing }) => [message, passing]);
    }""")
    assert told == ["The model kept here does not run in this browser. The photo waits for the server.", True]
    kept.evaluate(whole, False)
    kept.reload()
    kept.wait_for_selector("#offline-forget:not([hidden])")


def test_why_a_photo_is_not_answered_here_is_told_as_it_is(kept: Any, tmp_path: Path) -> None:
    png = fakes.encoded(drawn.plant(0, 0))
    for name, content in {"whole.png": png, "half.png": png[:60], "leaf.tif": b"II*\0" + bytes(100)}.items():
        (tmp_path / name).write_bytes(content)
    kept.evaluate("document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'chosen', multiple: true }))")
    kept.set_input_files("#chosen", sorted(tmp_path.iterdir()))
    (tmp_path / "whole.png").unlink()
    told = kept.evaluate("""async () => {
        const { predict } = await import("/page/offline.js");
        const files = [...document.getElementById("chosen").files];
        document.getElementById("chosen").remove();
        const asked = files.map((file) => predict(file).catch(({ message, passing, here }) => [file.name, message, passing && here]));
        return Promise.all(asked);
    }""")
    lacks = "This browser could not read the photo: it lacks memory for it, or the file is damaged. The photo waits for the server."
    gone = "The file can no longer be read: it was moved, changed or removed. Choose it again."
    assert told == [["half.png", lacks, True], ["leaf.tif", NO_FORMAT, True], ["whole.png", gone, True]]
    early = "import('/page/offline.js?anew').then(({ predict }) => predict(new File([], 'a'))).catch(({ message }) => message)"
    assert kept.evaluate(early).endswith("keeps no model, or has not found it yet. The photo waits for the server.")
    kept.reload()  # that copy of the module listens to the buttons, too
    kept.wait_for_selector("#offline-forget:not([hidden])")


def test_what_is_not_answered_here_when_the_server_is_back_is_answered_by_it(kept: Any, proxy: Proxy) -> None:
    """One photo is in a format for the server alone; the other one is still being decoded."""
    proxy.gone = True
    try:
        kept.reload()
        kept.wait_for_selector("#down:not([hidden])")
        kept.evaluate("""() => {
            const decode = createImageBitmap, held = new Promise((resolve) => (window.go = resolve));
            window.createImageBitmap = async (...given) => {
                if (given[0].type === "image/png") await held;
                return decode(...given);
            };
        }""")
        leaf = {"name": "leaf.tif", "mimeType": "image/tiff", "buffer": drawn.encoded(drawn.plant(1, 0), "TIFF")}
        kept.set_input_files("#choose", [leaf, photo("plant.png", fakes.encoded(drawn.plant(0, 0)))])
        kept.wait_for_selector(f"#result:has-text('{NO_FORMAT}')")
        assert "answered in this browser" in kept.text_content("#down-text")  # nothing takes the place of what is said of the server
    finally:
        proxy.gone = False
    kept.wait_for_selector("#down", state="hidden")
    kept.evaluate("go()")
    kept_when(kept, "kept.length === 2 && kept.every(({ answer }) => answer && !answer.here)")
    kept.click("#clear")


def test_a_part_that_lies_too_far_is_not_relied_upon(kept: Any) -> None:
    rewrite = """async (changes) => {
        const cache = await caches.open("seedlings-offline"), name = "offline/model.json";
        const before = await (await cache.match(name)).json();
        await cache.put(name, new Response(JSON.stringify({ ...before, ...changes })));
        return before;
    }"""
    ask = """async ([body, crops]) => {
        const { predict } = await import("/page/offline.js");
        const file = new File([Uint8Array.from(atob(body), (sign) => sign.charCodeAt())], "a.png");
        return Promise.all(crops.map(async (crop) => (await predict(file, crop)).answer !== null));
    }"""
    body = base64.b64encode(fakes.encoded(drawn.plant(0, 0).resize((301, 200)))).decode()
    crops = [None, [50, 0, 200, 200], [0, 0, 301, 200], [52, 0, 199, 199], [100, 50, 100, 100]]
    always = {"thresholds": {"species": None, "kind": None, "group": 0}, "ood_limit": 1e9}
    before = kept.evaluate(rewrite, always)
    try:
        for limit, relied in ((None, [True] * 5), (1e9, [True] * 5), (0, [True] * 3 + [False] * 2)):
            kept.evaluate(rewrite, {"parts_limit": limit})
            kept.reload()
            kept.wait_for_selector("#offline-forget:not([hidden])")
            assert kept.evaluate(ask, [body, crops]) == relied
    finally:
        kept.evaluate(rewrite, before)
        kept.reload()
        kept.wait_for_selector("#offline-forget:not([hidden])")


def test_every_kind_of_photo_is_answered_as_the_server_does(kept: Any, service: Running) -> None:
    leaf = drawn.plant(1, 1, 640).crop((0, 40, 640, 520))
    clear = drawn.plant(2, 2, 301).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    wide = np.asarray(drawn.plant(3, 3, 200).convert("L")).astype(np.uint16) * 257
    files = {
        "odd.jpg": drawn.encoded(drawn.plant(0, 0, 1601), "JPEG", quality=90),
        "small.jpg": drawn.encoded(drawn.plant(4, 4, 97), "JPEG"),
        "grey.jpg": drawn.encoded(leaf.convert("L"), "JPEG"),
        "inks.jpg": drawn.encoded(leaf.convert("CMYK"), "JPEG"),
        "p3.jpg": drawn.encoded(leaf, "JPEG", icc_profile=colour.coded(12, 13)),
        "xyz.png": drawn.encoded(leaf, "PNG", icc_profile=profile("XYZ")),
        "lab.png": drawn.encoded(leaf, "PNG", icc_profile=profile("LAB")),
        "xyz.jpg": drawn.encoded(leaf, "JPEG", icc_profile=profile("XYZ")),
        "p3.png": drawn.encoded(leaf, "PNG", icc_profile=colour.coded(12, 13)),
        "clear.png": drawn.encoded(clear, "PNG"),
        "clear.webp": drawn.encoded(clear, "WEBP", lossless=True),
        "palette.png": drawn.encoded(leaf.quantize(16), "PNG"),
        "wide.png": drawn.encoded(Image.fromarray(wide), "PNG"),
    }
    for orientation in range(1, 9):
        turned = Image.Exif()
        turned[0x0112] = orientation
        files[f"turned {orientation}.jpg"] = drawn.encoded(leaf, "JPEG", exif=turned)
    large = drawn.plant(2, 5, 900).resize((3000, 2250), Image.Resampling.BICUBIC)
    files["large and turned.jpg"] = drawn.encoded(large, "JPEG", quality=85, exif=turned)
    assert compared(kept, service, files, 0.06) == len(files)  # the second model feels colours more


def test_real_images_are_answered_as_the_server_does(kept: Any, service: Running, real_images: Path) -> None:
    files = {path.name: path.read_bytes() for path in sorted(real_images.glob("*/*.png"))[::180]}
    assert len(files) >= 20
    assert compared(kept, service, files, 0.01) == len(files)


def test_nothing_is_offered_where_there_is_nothing_to_keep(page_of: Any, start: Start, publish_in: Any) -> None:
    publish_in(fakes.Halves)
    plain = start()
    assert plain.client.get("/offline/model.json").status_code == plain.client.get("/offline/model.onnx").status_code == 404
    page = page_of(plain)
    page.wait_for_selector("#model:not(:empty)")
    assert page.locator("#offline").is_hidden()


def test_a_second_model_that_cannot_be_kept_is_named(page_of: Any, start: Start, tmp_path: Path) -> None:
    network = b"bytes that nobody runs here"

    def describe(*given: Any) -> Manifest:
        made = fakes.manifest(*given)
        return made.model_copy(update={"files": made.files | {"model.onnx": hashlib.sha256(network).hexdigest()}})

    store.publish(tmp_path, fakes.scripted(fakes.Shares), describe, lambda _: "# fake\n", "seedlings", {"model.onnx": network})
    fakes.publish(tmp_path, fakes.Turned, "outdoors")
    pair = start(runtime="torchscript", second_model="outdoors")
    told = pair.client.get("/offline/model.json").json()
    assert (told["model"]["name"], told["second"], told["missing"]) == ("seedlings", None, "outdoors")
    assert pair.client.get("/offline/second.onnx").status_code == 404
    page = page_of(pair)
    page.wait_for_selector("#offline:not([hidden])")
    assert "A second model, outdoors, answers unfamiliar photos on the server. It cannot be kept" in page.text_content("#offline-text")
    alone = start(runtime="torchscript", second_model="none")
    assert alone.client.get("/offline/model.json").json()["missing"] is None


def test_the_model_needs_the_key(service: Running, start: Start) -> None:
    locked = start(store=service.services.settings.store, api_key="secret")
    for path in ("/offline/model.json", "/offline/model.onnx"):
        assert locked.client.get(path).status_code == 401
        assert locked.client.get(path, headers={"X-API-Key": "secret"}).status_code == 200


@pytest.fixture
def page_of(browser: Any) -> Iterator[Any]:
    """Open the page of a service."""
    contexts = []

    def open_it(service: Running) -> Any:
        contexts.append(browser.new_context())
        page = contexts[-1].new_page()
        page.goto(f"http://127.0.0.1:{service.port}/")
        return page

    yield open_it
    for context in contexts:
        context.close()

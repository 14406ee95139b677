"""The files of the page, as they are served; tests/service/http/page looks at them in a browser."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from service.http.routes import page as routes
from tests.service.conftest import Running

PAGE = Path(routes.__file__).parents[1] / "page"


def test_is_small_and_brings_nothing_from_elsewhere(service: Running) -> None:
    files = [file for file in PAGE.iterdir() if file.is_file() and file.name not in (*routes.PARTS, "service-worker.js")]
    sent = [service.client.get(f"/page/{file.name}", headers={"Accept-Encoding": "gzip"}).num_bytes_downloaded for file in files]
    assert sum(sent) < 90_000  # a phone's slow connection: under a second at 1 Mbit/s
    response = service.client.get("/")
    assert response.status_code == 200
    assert "default-src 'self'" in response.headers["content-security-policy"]
    for file in files:
        served = service.client.get(f"/page/{file.name}")
        lines = file.read_bytes().splitlines(keepends=True)
        parts = {f"<!-- {name} -->".encode(): (PAGE / name).read_bytes() for name in routes.PARTS}
        added = re.compile(rb'^<link rel="modulepreload".*\n', re.MULTILINE)
        assert added.sub(b"", served.content) == b"".join(parts.get(line.strip(), line) for line in lines)
        text = served.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http://" not in text
        assert "https://" not in text or file.name == "sources.js"  # links, which a person may follow
    assert service.client.get("/page/nothing.js").status_code == 404
    assert service.client.get("/page/onnxruntime/VERSION").status_code == 404
    assert service.client.get("/page/..%2Fapp.py").status_code == 404


@pytest.mark.parametrize("path", ["/", "/review", "/docs", "/service-worker.js", "/page/app.js", "/page/leaf.svg"])
def test_it_comes_packed_and_once(service: Running, path: str) -> None:
    plain, packed = (service.client.get(path, headers={"Accept-Encoding": coding}) for coding in ("identity", "br, GZIP;q=0.5"))
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert plain.content == packed.content  # unpacked by the client
    assert packed.num_bytes_downloaded < len(plain.content) == plain.num_bytes_downloaded
    for refused in ("gzip;q=0", "gzip; q=0.00 , br", "", "gzipped"):
        assert "content-encoding" not in service.client.get(path, headers={"Accept-Encoding": refused}).headers
    tag = plain.headers["etag"]
    assert tag == packed.headers["etag"]
    assert {one.headers["vary"] for one in (plain, packed)} == {"Accept-Encoding"}
    known = service.client.get(path, headers={"If-None-Match": f'"other", {tag}'})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert known.headers["cache-control"] == "no-cache"
    assert service.client.get(path, headers={"If-None-Match": 'W/"other"'}).status_code == 200


def test_only_webassembly_is_made_at_run_time(service: Running) -> None:
    policy = service.client.get("/").headers["content-security-policy"]
    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert scripts == "script-src 'self' 'wasm-unsafe-eval'"


def test_the_service_worker_keeps_all_that_the_page_needs(service: Running) -> None:
    response = service.client.get("/service-worker.js")
    assert response.headers["content-type"].startswith("text/javascript")
    files = json.loads(re.search(r"FILES = (\[.*\]);", response.text)[1])  # type: ignore[index]
    assert re.search(r"KEPT}[0-9a-f]{16}`", response.text)
    for file in files:
        assert service.client.get(f"/{file}").status_code == 200
    named = {
        f"page/{name}"
        for text in (service.client.get(f"/{file}").text for file in files if not file.endswith("svg"))
        for name in re.findall(r"(?:page/|[\"'`]\./)([\w-]+\.(?:js|css|svg|webmanifest))", text)
    }
    assert named <= {*files, "page/service-worker.js"}
    assert {"./", "page/app.js", "page/offline.js", "page/preprocess.js", "page/de.js"} <= {*files}


def test_the_runtime_is_npms_own(service: Running) -> None:
    sums = dict(line.split()[::-1] for line in (PAGE / "onnxruntime" / "SHA256SUMS").read_text().splitlines())
    assert len(sums) == 2
    for name, digest in sums.items():
        packed = name.endswith(".wasm")
        content = service.client.get(f"/page/onnxruntime/{name}{'.gz' if packed else ''}").content
        assert hashlib.sha256(gzip.decompress(content) if packed else content).hexdigest() == digest

"""`GET /`: the page for people, plain files without a build step."""

import functools
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from service.errors import UnknownPage
from service.http.openapi import encoded

router = APIRouter(include_in_schema=False)
FOLDERS = ("/docs/",)  # paths that mean something else with a slash at their end
PARTS = ("head.html", "key-form.html")  # of pages, which take them in where `<!-- NAME -->` stands
_PART = re.compile(rb"^ *<!-- ([\w-]+\.html) -->\n", re.MULTILINE)
_PROGRAM = re.compile(rb'^<script type="module" src="page/([\w-]+\.js)"></script>\n', re.MULTILINE)
_IMPORT = re.compile(rb'^import .* from "\./([\w-]+\.js)";$', re.MULTILINE)
_NOT_KEPT = ("docs.", "review.")  # pages that are of no use without the server
_FOLDER = Path(__file__).parent.parent / "page"
_ONNX_RUNTIME = _FOLDER / "onnxruntime"  # of npm's package onnxruntime-web, by scripts/onnxruntime_web
ONNX_RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.gz")
_WORKER, _FILES, _DIGEST = "service-worker.js", b"[/* files */]", b"<!-- digest -->"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".gz": "application/gzip",  # not as an encoding: the page keeps it as it is
}
_HEADERS = {
    # Nothing from elsewhere, so that the page works without the Internet, and a photo's name cannot bring in anything.
    # WebAssembly is for answers without the server, and no other code is made at run time.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob:; object-src 'none';"
    " base-uri 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-cache",  # a new release of the server is a new page: a browser asks whether it still has the same files
    "X-Content-Type-Options": "nosniff",
}


@router.get("/")
async def page(request: Request) -> Response:
    """Serve the page."""
    return _file(request, "index.html")


@router.get("/review")
async def review(request: Request) -> Response:
    """Serve the page on which corrections are reviewed; what it asks for is closed where no key is set."""
    return _file(request, "review.html")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Serve the OpenAPI document as a page; the framework's own brings its parts from elsewhere."""
    return _file(request, "docs.html")


@router.get("/docs/")
async def docs_folder() -> RedirectResponse:
    """Send a reader to where the page's links are right, behind any prefix."""
    return RedirectResponse("../docs")


async def under_prefix(request: Request) -> RedirectResponse:
    """Send a reader from a prefix without a slash to the page, by a link that is right behind any proxy."""
    return RedirectResponse(f"{request.url.path.rpartition('/')[2]}/")


@router.get("/openapi.json")
async def openapi_document(request: Request) -> Response:
    """Serve the OpenAPI document."""
    return Response(encoded(request.app), media_type="application/json")


@router.get(f"/{_WORKER}")
async def service_worker(request: Request) -> Response:
    """Serve what keeps the page in the browser. It stands beside the page, since it may speak for what is below it alone."""
    return _file(request, _WORKER)


@router.get("/page/onnxruntime/{name}")
async def onnx_runtime(name: str) -> Response:
    """Serve what runs a network in the browser, a piece at a time."""
    if name not in ONNX_RUNTIME_FILES:
        raise UnknownPage(f"the page has no file {name[:100]!r}")
    return FileResponse(_ONNX_RUNTIME / name, headers=_HEADERS, media_type=_TYPES[Path(name).suffix])


@router.get("/page/{name}")
async def page_file(request: Request, name: str) -> Response:
    """Serve what the page is made of."""
    return _file(request, name)


@functools.cache
def onnx_runtime_bytes() -> int:
    """How much there is to fetch of what runs a network in the browser."""
    return sum((_ONNX_RUNTIME / name).stat().st_size for name in ONNX_RUNTIME_FILES)


@dataclass(frozen=True)
class _File:
    content: bytes
    packed: bytes  # by gzip: less than half, which counts where a phone's connection is slow
    etag: str  # weak: of both (RFC 9110, 8.8.3)


def _file(request: Request, name: str) -> Response:
    file = _files().get(name)
    if file is None:
        raise UnknownPage(f"the page has no file {name[:100]!r}")
    headers = {**_HEADERS, "ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in {tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")}:
        return Response(status_code=304, headers=headers)
    if not _takes_gzip(request):
        return Response(file.content, headers=headers, media_type=_TYPES[Path(name).suffix])
    return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=_TYPES[Path(name).suffix])


def _takes_gzip(request: Request) -> bool:
    for coding in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None
    return False


@functools.cache
def _files() -> dict[str, _File]:
    """The page's files, read once: they are small, and a flood of requests must not become one of threads."""
    files = {file.name: file.read_bytes() for file in _FOLDER.iterdir() if file.is_file()}
    parts = {name.encode(): files.pop(name) for name in PARTS}
    files = {name: _PART.sub(lambda found: parts[found[1]], content) for name, content in files.items()}
    files = {name: _PROGRAM.sub(lambda found: _preloads(found[1], files) + found[0], content) for name, content in files.items()}
    kept = sorted(name for name in files if name != _WORKER and not name.startswith(_NOT_KEPT))
    digest = _digest(b"".join(files[name] for name in kept))
    listed = json.dumps(["./", *(f"page/{name}" for name in kept)]).encode()
    files[_WORKER] = files[_WORKER].replace(_FILES, listed).replace(_DIGEST, digest.encode())
    return {name: _File(content, gzip.compress(content, mtime=0), f'W/"{_digest(content)}"') for name, content in files.items()}


def _preloads(program: bytes, files: dict[str, bytes]) -> bytes:
    """Lines for a page's head, by which a browser fetches all modules of a program together: else each waits for those that name it."""
    needed = [program.decode()]
    for name in needed:  # which grows meanwhile
        needed += [found.decode() for found in _IMPORT.findall(files[name]) if found.decode() not in needed]
    return b"".join(f'<link rel="modulepreload" href="page/{name}">\n'.encode() for name in needed[1:])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]

"""`GET /`: the page for people, plain files without a build step."""

import functools
import re
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from service.errors import UnknownPage
from service.http.openapi import encoded

router = APIRouter(include_in_schema=False)
FOLDERS = ("/docs/",)  # paths that mean something else with a slash at their end
PARTS = ("head.html", "key-form.html")  # of pages, which take them in where `<!-- NAME -->` stands
_PART = re.compile(rb"^ *<!-- ([\w-]+\.html) -->\n", re.MULTILINE)
_FOLDER = Path(__file__).parent.parent / "page"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    # Nothing from elsewhere, so that the page works without the Internet, and a photo's name cannot bring in anything.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-cache",  # a new release of the server is a new page
    "X-Content-Type-Options": "nosniff",
}


@router.get("/")
async def page() -> Response:
    """Serve the page."""
    return _file("index.html")


@router.get("/review")
async def review() -> Response:
    """Serve the page on which corrections are reviewed; what it asks for is closed where no key is set."""
    return _file("review.html")


@router.get("/docs")
async def docs() -> Response:
    """Serve the OpenAPI document as a page; the framework's own brings its parts from elsewhere."""
    return _file("docs.html")


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


@router.get("/page/{name}")
async def page_file(name: str) -> Response:
    """Serve what the page is made of."""
    return _file(name)


def _file(name: str) -> Response:
    content = _files().get(name)
    if content is None:
        raise UnknownPage(f"the page has no file {name[:100]!r}")
    return Response(content, headers=_HEADERS, media_type=_TYPES[Path(name).suffix])


@functools.cache
def _files() -> dict[str, bytes]:
    """The page's files, read once: they are small, and a flood of requests must not become one of threads."""
    files = {file.name: file.read_bytes() for file in _FOLDER.iterdir()}
    parts = {name.encode(): files.pop(name) for name in PARTS}
    return {name: _PART.sub(lambda found: parts[found[1]], content) for name, content in files.items()}

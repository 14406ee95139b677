"""`GET /`: the page for people, plain files without a build step."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from service.errors import UnknownPage

router = APIRouter(include_in_schema=False)
_FOLDER = Path(__file__).parent.parent / "page"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    # Nothing from elsewhere, so that the page works without the Internet, and a photo's name cannot bring in anything.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-cache",  # a new release of the server is a new page
    "X-Content-Type-Options": "nosniff",
}


@router.get("/")
async def page() -> FileResponse:
    """Serve the page."""
    return _file("index.html")


@router.get("/docs")
async def docs() -> FileResponse:
    """Serve the OpenAPI document as a page; the framework's own brings its parts from elsewhere."""
    return _file("docs.html")


@router.get("/page/{name}")
async def page_file(name: str) -> FileResponse:
    """Serve what the page is made of."""
    return _file(name)


def _file(name: str) -> FileResponse:
    if name not in {file.name for file in _FOLDER.iterdir()}:
        raise UnknownPage(f"the page has no file {name[:100]!r}")
    file = _FOLDER / name
    return FileResponse(file, headers=_HEADERS, media_type=_TYPES[file.suffix])

"""Query parameters of the routes that predict, read by hand so that a wrong one is a problem that names it."""

import math
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import Request

from models_store.pixels import MIN_SIDE, Crop
from service.answers import Wanted
from service.errors import MalformedRequest

MAX_TOP_K = 10_000

# As OpenAPI describes them.
CROP_PARAMETER: dict[str, Any] = {
    "name": "crop",
    "in": "query",
    "required": False,
    "description": "Look at this part of the photo: `x,y,width,height`, in pixels of the whole photo turned upright (after its EXIF"
    f" orientation). It must lie in the photo, with at least {MIN_SIDE} pixels a side. Of a part that is not square the central square is"
    " looked at. Of several photos, it is the same part of each.",
    "schema": {"type": "string"},
}
ANSWER_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "top_k",
        "in": "query",
        "required": False,
        "description": "Give the probabilities of the k most probable species only, the best first.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_TOP_K},
    },
    {
        "name": "threshold",
        "in": "query",
        "required": False,
        "description": "What `answer` says has at least this probability. It can only be stricter than the model's own thresholds.",
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
    },
    CROP_PARAMETER,
]


def wanted(request: Request) -> Wanted:
    """What the query asks of answers. Raises MalformedRequest."""
    query = known(request, [one["name"] for one in ANSWER_PARAMETERS])
    top_k = query.get("top_k")
    if top_k is not None and not (top_k.isascii() and top_k.isdigit() and len(top_k) < 6 and 1 <= int(top_k) <= MAX_TOP_K):
        raise MalformedRequest(f"top_k = {top_k[:50]!r} is no whole number from 1 to {MAX_TOP_K}")
    return Wanted(None if top_k is None else int(top_k), _share("threshold", query.get("threshold", "0")), crop(query))


def crop(query: Mapping[str, str]) -> Crop | None:
    """The part of a photo that a query asks for; None for all of it. Raises MalformedRequest."""
    text = query.get("crop")
    if text is None:
        return None
    parts = text.split(",")
    values = [_number(part) for part in parts] if len(parts) == 4 else []
    if len(values) != 4 or not all(math.isfinite(value) for value in values):
        raise MalformedRequest(f"crop = {text[:50]!r} is not x,y,width,height: four numbers, in pixels of the upright photo")
    return Crop(*values)


def known(request: Request, names: Collection[str]) -> Mapping[str, str]:
    """The query parameters, each of a known name and given once. Raises MalformedRequest."""
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in names:
            raise MalformedRequest(f"there is no query parameter {name[:50]!r} here; there is {', '.join(names) or 'none at all'}")
        if given.count(name) > 1:
            raise MalformedRequest(f"the query parameter {name} is given {given.count(name)} times; give it once")
    return request.query_params


def _share(name: str, text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise MalformedRequest(f"{name} = {text[:50]!r} is no number from 0 to 1")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

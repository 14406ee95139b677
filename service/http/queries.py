"""Query parameters of the routes that predict, read by hand so that a wrong one is a problem that names it."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fastapi import Request

from models_store.pixels import MIN_SIDE, Crop
from service.answers import AnswerOptions
from service.errors import MalformedRequest
from service.inference.detector import MAX_PLANTS, MOST_PLANTS, DetectionOptions
from service.inference.predictor import WantedCrop

MAX_TOP_K = 10_000

# As OpenAPI describes them.
CROP_PARAMETER: dict[str, Any] = {
    "name": "crop",
    "in": "query",
    "required": False,
    "description": "Where to look. `centre`, as without it: the central square of the photo. `auto`: the square around the largest plant;"
    " where the central square shows that as well, or no plant is found, the central square. `x,y,width,height`: this part, in pixels of"
    f" the whole photo turned upright (after its EXIF orientation). It must lie in the photo, with at least {MIN_SIDE} pixels a side. Of a"
    " part that is not square the central square is looked at. Of several photos, it is the same part of each.",
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


_MIN_SIDE: dict[str, Any] = {
    "name": "min_side",
    "in": "query",
    "required": False,
    "description": "Leave out plants whose longer side is under so many pixels of the photo; 1% of its width unless given.",
    "schema": {"type": "number", "minimum": 0},
}
_MIN_SCORE: dict[str, Any] = {
    "name": "min_score",
    "in": "query",
    "required": False,
    "description": "Leave out what the segmenter is less sure of to be a plant: those with a `score` below this. `cover` stays as it is.",
    "schema": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
}
_MAX_PLANTS: dict[str, Any] = {
    "name": "max_plants",
    "in": "query",
    "required": False,
    "description": "Name so many plants, the largest ones. Where there are more, `truncated` is true.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MOST_PLANTS, "default": MAX_PLANTS},
}
_MASKS: dict[str, Any] = {
    "name": "masks",
    "in": "query",
    "required": False,
    "description": "`rle`: give each plant its `segmentation`, COCO's uncompressed run-length encoding.",
    "schema": {"type": "string", "enum": ["rle"]},
}
_FINE: dict[str, Any] = {
    "name": "fine",
    "in": "query",
    "required": False,
    "description": "`true`: look at thin leaves of a large photo from nearer at up to 192 places, not at 12. Masks and `cover` of dense"
    " rows and narrow leaves are better then. It takes some seconds more, up to two fifths of the deadline. Places for which that"
    " is too short are left out.",
    "schema": {"type": "boolean", "default": False},
}
_BOXES: dict[str, Any] = {
    "name": "boxes",
    "in": "query",
    "required": False,
    "description": "`false`: the photo alone, for what draws boxes of its own and cannot show the photo's format. No plants are"
    " looked for.",
    "schema": {"type": "boolean", "default": True},
}
_PREDICTION: dict[str, Any] = {
    "name": "prediction",
    "in": "query",
    "required": False,
    "description": "Answer the photo as a whole, too: `prediction` is what `/predict` answers with this as its `crop`, `centre`, `auto` or"
    " `x,y,width,height`. The photo is sent and searched for plants once.",
    "schema": {"type": "string"},
}
_TOP_K, _THRESHOLD, _ = ANSWER_PARAMETERS
_OF_PLANTS = [_THRESHOLD, _MIN_SIDE, _MIN_SCORE, _MAX_PLANTS, _FINE]
OVERLAY_PARAMETERS = [*_OF_PLANTS, _BOXES]
DETECT_PARAMETERS = [_TOP_K, *_OF_PLANTS, _MASKS, _PREDICTION]


def detection_options(
    request: Request, accepted: Sequence[dict[str, Any]] = DETECT_PARAMETERS
) -> tuple[AnswerOptions, DetectionOptions, bool]:
    """What the query asks of the answers, of the plants, and whether of their masks. Raises MalformedRequest."""
    query = parameters(request, [one["name"] for one in accepted])
    min_side, max_plants, masks = query.get("min_side"), query.get("max_plants"), query.get("masks")
    if masks not in (None, "rle"):
        raise MalformedRequest(f"masks = {masks[:50]!r} is not rle")
    side = None if min_side is None else _number(min_side)
    if side is not None and not 0 <= side < math.inf:
        raise MalformedRequest(f"min_side = {str(min_side)[:50]!r} is no number of pixels, 0 or more")
    most = MAX_PLANTS if max_plants is None else whole_number("max_plants", max_plants, MOST_PLANTS)
    prediction = _PREDICTION["name"]
    score = _share("min_score", query.get("min_score", "0"))
    plants = DetectionOptions(side, score, most, prediction in query, crop_option(query, prediction), yes_or_no(query, _FINE))
    return _answer_options(query), plants, masks is not None


def boxes(request: Request) -> bool:
    """Whether the query of a picture wants boxes on it. Raises MalformedRequest."""
    return yes_or_no(request.query_params, _BOXES)


def yes_or_no(query: Mapping[str, str], parameter: Mapping[str, Any]) -> bool:
    """A parameter that is true or false. Raises MalformedRequest."""
    name, usual = parameter["name"], parameter["schema"]["default"]
    text = query.get(name, str(usual))
    if text.lower() not in ("true", "false"):  # Python writes them with a capital
        raise MalformedRequest(f"{name} = {text[:50]!r} is not true or false")
    return text.lower() == "true"


def answer_options(request: Request) -> AnswerOptions:
    """What the query asks of answers. Raises MalformedRequest."""
    query = parameters(request, [one["name"] for one in ANSWER_PARAMETERS])
    return _answer_options(query)


def _answer_options(query: Mapping[str, str]) -> AnswerOptions:
    top_k = query.get("top_k")
    k = None if top_k is None else whole_number("top_k", top_k, MAX_TOP_K)
    return AnswerOptions(k, _share("threshold", query.get("threshold", "0")), crop_option(query))


def crop_option(query: Mapping[str, str], name: str = "crop") -> WantedCrop:
    """Where a query asks to look. Raises MalformedRequest."""
    text = query.get(name, "centre")
    if text == "auto":
        return "auto"
    return None if text == "centre" else rectangle(query, name, "auto, centre or ")


def rectangle(query: Mapping[str, str], name: str, words: str = "") -> Crop | None:
    """The part of a photo that a query asks for; None for all of it. `words`: what else may stand there. Raises MalformedRequest."""
    text = query.get(name)
    if text is None:
        return None
    parts = text.split(",")
    values = [_number(part) for part in parts] if len(parts) == 4 else []
    if len(values) != 4 or not all(math.isfinite(value) for value in values):
        raise MalformedRequest(f"{name} = {text[:50]!r} is not {words}x,y,width,height: four numbers, in pixels of the upright photo")
    return Crop(*values)


def parameters(request: Request, names: Collection[str]) -> Mapping[str, str]:
    """The query parameters, each of a known name and given once. Raises MalformedRequest."""
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in names:
            raise MalformedRequest(f"there is no query parameter {name[:50]!r} here; there is {', '.join(names) or 'none at all'}")
        if given.count(name) > 1:
            raise MalformedRequest(f"the query parameter {name} is given {given.count(name)} times; give it once")
    return request.query_params


def whole_number(name: str, text: str, most: int) -> int:
    """A parameter that is a whole number from 1 to `most`. Raises MalformedRequest."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise MalformedRequest(f"{name} = {text[:50]!r} is no whole number from 1 to {most}")
    return int(text)


def _share(name: str, text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise MalformedRequest(f"{name} = {text[:50]!r} is no number from 0 to 1")
    return value


def _number(text: str) -> float:
    if not text.isascii() or "_" in text:  # Python reads more than people write
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan

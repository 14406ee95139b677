"""An error as a response: a problem, or under `/v2` as the Open Inference Protocol has it."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from service.errors import PROBLEM_TYPE, protocol_error


def error_response(path: str, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response to a request for `path`, of which a problem's JSON says what is wrong."""
    if f"{path}/".startswith("/v2/"):
        return JSONResponse(protocol_error(document["detail"]), document["status"], headers)
    return JSONResponse(document, document["status"], headers, PROBLEM_TYPE)

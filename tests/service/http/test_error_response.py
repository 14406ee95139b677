import json

import pytest

from service.errors import UndecodableImage, problem
from service.http.error_response import error_response


@pytest.mark.parametrize(
    ("path", "as_protocol"), [("/v2", True), ("/v2/models/seedlings/infer", True), ("/v2x", False), ("/predict", False), ("/", False)]
)
def test_under_v2_an_error_is_as_the_protocol_has_it(path: str, as_protocol: bool) -> None:
    told = problem(UndecodableImage("the file is cut off"))
    response = error_response(path, told, {"Retry-After": "3"})
    assert (response.status_code, response.headers["retry-after"]) == (422, "3")
    assert response.media_type == ("application/json" if as_protocol else "application/problem+json")
    assert json.loads(bytes(response.body)) == ({"error": "the file is cut off"} if as_protocol else told)

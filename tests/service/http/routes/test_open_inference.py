"""`/v2` by Triton's own client and by hand; KServe's client stands in `test_kserve.py`."""

import base64
import gzip
import json
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from benchmarks import hostile_requests
from service.errors import MalformedRequest
from service.http import open_inference_codec
from tests import fakes
from tests.service.conftest import Running, Start

INFER = "/v2/models/seedlings/infer"
COLOURS = [(200, 40, 10), (10, 90, 30), (3, 9, 250)]
PIXELS = np.stack([np.broadcast_to(np.array(c, np.uint8)[:, None, None], (3, fakes.SIZE, fakes.SIZE)) for c in COLOURS])
SHARES = np.stack([fakes.shares(colour) for colour in COLOURS])
TAKES = open_inference_codec.InputLimits((150, 150), open_inference_codec.MAX_IMAGES, open_inference_codec.OUTPUTS)
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gevent's hub, as Triton's client leaves it


@pytest.fixture(scope="module")
def service(module_service: Start) -> Running:
    """One service for all who leave it as it was."""
    return module_service(max_body_bytes=200_000)


@pytest.fixture
def client(service: Running) -> Any:
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        yield client


def pixels_input(*, binary: bool) -> triton.InferInput:
    tensor = triton.InferInput("images", [3, 3, fakes.SIZE, fakes.SIZE], "UINT8")
    return tensor.set_data_from_numpy(PIXELS, binary_data=binary)


def files_input() -> triton.InferInput:
    files = np.array([fakes.image(colour) for colour in COLOURS], object)
    return triton.InferInput("encoded", [3], "BYTES").set_data_from_numpy(files)


def test_triton_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("seedlings")
    assert client.is_model_ready("seedlings", "1")
    assert not client.is_model_ready("roses")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    for metadata in (client.get_model_metadata("seedlings"), client.get_model_metadata("seedlings", "1")):
        assert metadata["versions"] == ["1"]
        assert metadata["inputs"][0] == {"name": "images", "datatype": "UINT8", "shape": [-1, 3, fakes.SIZE, fakes.SIZE]}
        assert metadata["outputs"][0] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("tensor", [pixels_input(binary=True), pixels_input(binary=False), files_input()], ids=["raw", "json", "files"])
def test_triton_infers(client: Any, tensor: triton.InferInput, compression: str | None) -> None:
    result = client.infer("seedlings", [tensor], request_id="a7", request_compression_algorithm=compression)
    assert result.as_numpy("probabilities") == pytest.approx(SHARES, abs=1e-5)
    assert result.as_numpy("species").tolist() == [b"Maize", b"Sugar beet", b"Charlock"]
    assert result.get_response()["id"] == "a7"
    assert result.get_response()["model_version"] == "1"


@pytest.mark.parametrize("binary", [True, False])
def test_triton_chooses_outputs(client: Any, binary: bool) -> None:
    asked = [
        triton.InferRequestedOutput("species", binary_data=not binary),
        triton.InferRequestedOutput("probabilities", binary_data=binary),
    ]
    result = client.infer("seedlings", [pixels_input(binary=True)], model_version="1", outputs=asked)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["species", "probabilities"]
    assert result.as_numpy("probabilities") == pytest.approx(SHARES, abs=1e-5)


@pytest.mark.parametrize(("k", "width"), [(1, 1), (2, 2), (9, 3)])
def test_triton_classifies(client: Any, k: int, width: int) -> None:
    asked = [triton.InferRequestedOutput("probabilities", class_count=k)]
    classes = client.infer("seedlings", [pixels_input(binary=True)], outputs=asked).as_numpy("probabilities")
    assert classes.shape == (3, width)
    value, index, label = classes[2, 0].decode().split(":")
    assert (index, label) == ("2", "Charlock")
    assert float(value) == pytest.approx(SHARES[2, 2], abs=1e-5)


def test_triton_runs_many_at_once(client: Any, service: Running) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}", concurrency=8) as many:
        waiting = [many.async_infer("seedlings", [pixels_input(binary=True)]) for _ in range(24)]
        for request in waiting:
            assert request.get_result().as_numpy("probabilities") == pytest.approx(SHARES, abs=1e-5)


def test_triton_hears_of_errors(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="roses"):
        client.infer("roses", [pixels_input(binary=True)])
    with pytest.raises(InferenceServerException, match="version 1"):
        client.get_model_metadata("seedlings", "7")


def body(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "images", "shape": [1, 3, fakes.SIZE, fakes.SIZE], "datatype": "UINT8", "data": PIXELS[0].tolist()}
    return {"inputs": [tensor | changes]}


@pytest.mark.parametrize("data", [PIXELS[0].ravel().tolist(), PIXELS[0].tolist(), PIXELS[:1].tolist()], ids=["flat", "nested", "whole"])
def test_json(service: Running, data: list) -> None:
    answer = service.client.post(INFER, json=body(data=data) | {"id": "x"}).json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("x", "seedlings", "1")
    assert answer["outputs"][0]["data"] == pytest.approx(SHARES[0], abs=1e-5)
    assert answer["outputs"][1] == {"name": "species", "datatype": "BYTES", "shape": [1], "data": ["Maize"]}


def test_base64_in_json(service: Running) -> None:
    files = [base64.b64encode(fakes.image(colour)).decode() for colour in COLOURS]
    answer = service.client.post(INFER, json={"inputs": [{"name": "encoded", "shape": [3], "datatype": "BYTES", "data": files}]}).json()
    assert answer["outputs"][0]["data"] == pytest.approx(SHARES.ravel(), abs=1e-5)


def test_null_is_absent(service: Running) -> None:
    asked = body(parameters=None) | {"parameters": None, "id": None, "outputs": [{"name": "species", "parameters": None}]}
    response = service.client.post(INFER, json=asked)
    assert response.status_code == 200, response.text
    assert response.json()["outputs"] == [{"name": "species", "datatype": "BYTES", "shape": [1], "data": ["Maize"]}]
    assert "id" not in response.json()


def test_parameters_that_nobody_knows_are_passed_over(service: Running) -> None:
    asked = body(parameters={"priority": 3, "note": {"a": [1]}}) | {"parameters": {"sequence_id": "7"}, "extra": [[]]}
    assert service.client.post(INFER, json=asked).status_code == 200


def test_what_is_asked_costs_no_more_than_its_length() -> None:
    """Each of these took hundreds of megabytes or seconds once."""
    for make in (
        hostile_requests.strings_of_unequal_length,
        hostile_requests.shape_of_long_numbers,
        hostile_requests.lists,
        hostile_requests.unknown_fields,
        hostile_requests.many_inputs,
        hostile_requests.many_strings,
        hostile_requests.many_numbers,
        hostile_requests.deep,
    ):
        document = gzip.decompress(make().partition(b"\r\n\r\n")[2])
        tracemalloc.start()
        try:
            with pytest.raises(MalformedRequest) as refusal:
                open_inference_codec.read(document, None, TAKES)
            assert tracemalloc.get_traced_memory()[1] < 2.1 * len(document) + 2**20, make.__name__
        finally:
            tracemalloc.stop()
        assert len(str(refusal.value)) < 500


def test_chunked(service: Running) -> None:
    content = json.dumps(body()).encode()
    assert service.client.post(INFER, content=iter([content[:100], content[100:]])).status_code == 200


def binary(sizes: list[int], payload: bytes) -> dict[str, Any]:
    inputs = [{"name": "encoded", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": size}} for size in sizes]
    header = json.dumps({"inputs": inputs}).encode()
    return {"content": header + payload, "headers": {"Inference-Header-Content-Length": str(len(header))}}


def refused(name: str, status: int, **request: Any) -> Any:
    return pytest.param(request, status, id=name)


FILE = len(fakes.image()).to_bytes(4, "little") + fakes.image()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        refused("empty", 400, content=b""),
        refused("no JSON", 400, content=b"\xff\xfe"),
        refused("not an object", 400, content=b"[1]"),
        refused("nested deeply", 400, content=b"[" * 100_000),
        refused("data nested deeply", 400, content=json.dumps(body()).replace("[[[", "[" * 180 + "1" + "]" * 180 + ",[[[", 1).encode()),
        refused("no inputs", 400, json={}),
        refused("empty inputs", 400, json={"inputs": []}),
        refused("two inputs", 400, json={"inputs": body()["inputs"] * 2}),
        refused("unknown input", 400, json=body(name="image")),
        refused("another datatype", 400, json=body(datatype="FP32")),
        refused("no data", 400, json=body(data=None)),
        refused("data in other lists", 400, json=body(data=PIXELS[0].reshape(3, -1).tolist())),
        refused("too many dimensions", 400, json=body(shape=[1] * 9)),
        refused("a long shape", 400, json=body(shape=[1] * 40_000)),
        refused("long numbers in a shape", 400, json=body(shape=[int("9" * 4000)] * 2)),
        refused("a long number as a size", 400, **binary([10**4000], b"")),
        refused("too many objects", 400, json={"inputs": body()["inputs"] * 40}),
        refused("a long id", 400, json=body() | {"id": "a" * 2000}),
        refused("too many files", 400, json=body(name="encoded", shape=[1025], datatype="BYTES", data=[""] * 1025)),
        refused(
            "files in lists in lists", 400, json={"inputs": [{"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [[[""]]]}]}
        ),
        refused("size is no whole number", 400, **binary([1.5], FILE)),
        refused("negative dimension", 400, json=body(shape=[-1, 3, fakes.SIZE, fakes.SIZE])),
        refused("huge dimension", 400, json=body(shape=[10**30, 3, fakes.SIZE, fakes.SIZE])),
        refused("fractional dimension", 400, json=body(shape=[1.5, 3, fakes.SIZE, fakes.SIZE])),
        refused("no image", 400, json=body(shape=[0, 3, fakes.SIZE, fakes.SIZE], data=[])),
        refused("another size", 400, json=body(shape=[1, 3, 8, 8], data=[0] * 192)),
        refused("too few values", 400, json=body(data=[0, 1])),
        refused("ragged", 400, json=body(data=[[1, 2], [3]])),
        refused("over 255", 400, json=body(data=[256] * 3 * fakes.SIZE**2)),
        refused("huge number", 400, json=body(data=[10**40])),
        refused("fractions", 400, json=body(data=[0.5] * 3 * fakes.SIZE**2)),
        refused("words", 400, json=body(data=["a"])),
        refused("truths", 400, json=body(data=[True] * 3 * fakes.SIZE**2)),
        refused("bad base64", 400, json={"inputs": [{"name": "encoded", "shape": [1], "datatype": "BYTES", "data": ["%%"]}]}),
        refused("no strings", 400, json={"inputs": [{"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [1]}]}),
        refused("unknown output", 400, json=body() | {"outputs": [{"name": "logits"}]}),
        refused("output twice", 400, json=body() | {"outputs": [{"name": "species"}, {"name": "species"}]}),
        refused("bad k", 400, json=body() | {"outputs": [{"name": "probabilities", "parameters": {"classification": 0}}]}),
        refused("classes of names", 400, json=body() | {"outputs": [{"name": "species", "parameters": {"classification": 1}}]}),
        refused("id is no string", 400, json=body() | {"id": 7}),
        refused("header length no number", 400, json=body(), headers={"Inference-Header-Content-Length": "x"}),
        refused("header length negative", 400, json=body(), headers={"Inference-Header-Content-Length": "-1"}),
        refused("header length too long", 400, json=body(), headers={"Inference-Header-Content-Length": "9999999"}),
        refused("header length too short", 400, json=body(), headers={"Inference-Header-Content-Length": "10"}),
        refused("binary size too long", 400, **binary([len(FILE) + 1], FILE)),
        refused("binary size negative", 400, **binary([-1], FILE)),
        refused("binary left over", 400, **binary([len(FILE)], FILE + b"x")),
        refused("element cut off", 400, **binary([10], FILE[:10])),
        refused("length cut off", 400, **binary([2], FILE[:2])),
        refused("shape does not fit", 400, **binary([2 * len(FILE)], FILE * 2)),
        refused("no image in it", 415, **binary([7], b"\x03\0\0\0abc")),
        refused("truncated image", 422, **binary([len(FILE) - 30], (len(FILE) - 34).to_bytes(4, "little") + FILE[4:-30])),
        refused("unknown encoding", 400, json=body(), headers={"Content-Encoding": "br"}),
        refused("not gzip", 400, json=body(), headers={"Content-Encoding": "gzip"}),
        refused("gzip cut off", 400, content=gzip.compress(json.dumps(body()).encode())[:-20], headers={"Content-Encoding": "gzip"}),
        refused("bomb", 413, content=zlib.compress(b"a" * 10**6), headers={"Content-Encoding": "deflate"}),
        refused("too long", 413, content=b"a" * 300_000),
    ],
)
def test_refuses(service: Running, request_: dict[str, Any], status: int) -> None:
    response = service.client.post(INFER, **request_)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    assert service.client.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/models/seedlings/versions/1/ready"])
def test_paths_answer_without_redirect(service: Running, path: str) -> None:
    assert service.client.get(path).status_code == 200


def test_unknown_things_are_errors_of_the_protocol(service: Running) -> None:
    for path in ("/v2/nothing", "/v2/models/roses", "/v2/models/seedlings/versions/2", "/v2/models/seedlings/versions/x/ready"):
        response = service.client.get(path)
        assert response.status_code == 404
        assert list(response.json()) == ["error"]
    assert service.client.get(INFER).status_code == 405


def test_not_ready_yet(start: Start) -> None:
    service = start(ready=False)
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready("seedlings")
    assert service.client.post(INFER, json=body()).status_code == 503


def test_the_key_guards_all_but_the_probes(start: Start, publish_in) -> None:
    publish_in()
    service = start(api_key="secret")
    assert [service.client.get(f"/v2/health/{probe}").status_code for probe in ("live", "ready")] == [200, 200]
    for path in ("/v2", "/v2/models/seedlings"):
        response = service.client.get(path)
        assert response.status_code == 401
        assert list(response.json()) == ["error"]
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        assert client.infer("seedlings", [files_input()], headers={"X-API-Key": "secret"}).as_numpy("species")[0] == b"Maize"


def test_more_images_than_the_queue_holds(start: Start, publish_in) -> None:
    publish_in()
    service = start(max_queue=2)
    images = np.repeat(PIXELS, 20, axis=0)
    answer = service.client.post(INFER, json=body(shape=[60, 3, fakes.SIZE, fakes.SIZE], data=images.ravel().tolist())).json()
    assert answer["outputs"][0]["data"] == pytest.approx(np.repeat(SHARES, 20, axis=0).ravel(), abs=1e-5)


def test_the_outputs_say_what_may_be_relied_upon(start: Start, publish_in: Any) -> None:
    publish_in(fakes.Measured)
    client = start().client
    names = ["probabilities", "species", "confident", "answer", "answer_rank", "answer_probability", "familiar", "ood_score"]
    assert [output["name"] for output in client.get("/v2/models/seedlings").json()["outputs"]] == names
    images = [
        base64.b64encode(fakes.image(colour)).decode() for colour in ((255, 10, 10), (200, 10, 10))
    ]  # the first is brighter than any known
    asked = {"inputs": [{"name": "encoded", "shape": [2], "datatype": "BYTES", "data": images}]}
    outputs = {output["name"]: output for output in client.post("/v2/models/seedlings/infer", json=asked).json()["outputs"]}
    assert list(outputs) == names
    assert (outputs["confident"]["datatype"], outputs["confident"]["data"]) == ("BOOL", [False, True])
    assert outputs["familiar"]["data"] == [False, True]
    assert outputs["ood_score"]["data"] == pytest.approx([1.0, 200 / 255], abs=1e-3)


def test_a_model_that_measures_no_distance_has_no_output_for_it(service: Running) -> None:
    outputs = service.client.get("/v2/models/seedlings").json()["outputs"]
    assert [output["name"] for output in outputs] == [
        *("probabilities", "species", "confident", "answer", "answer_rank", "answer_probability")
    ]
    response = service.client.post("/v2/models/seedlings/infer", json=body() | {"outputs": [{"name": "familiar"}]})
    assert response.status_code == 400
    assert "familiar" in response.json()["error"]


def test_triton_reads_the_answers(start: Start, publish_in: Any) -> None:
    publish_in(threshold=0.9, group=0.8)
    with triton.InferenceServerClient(f"127.0.0.1:{start().port}") as client:
        colours = np.array([(99, 1, 0), (50, 40, 10), (4, 3, 3)], np.uint8)
        images = np.broadcast_to(colours[:, :, None, None], (3, 3, fakes.SIZE, fakes.SIZE))
        tensor = triton.InferInput("images", list(images.shape), "UINT8").set_data_from_numpy(images, binary_data=True)
        for binary in (True, False):
            names = ("answer", "answer_rank", "answer_probability", "confident")
            asked = [triton.InferRequestedOutput(name, binary_data=binary) for name in names]
            result = client.infer("seedlings", [tensor], outputs=asked)
            said = {name: result.as_numpy(name).tolist() for name in names[:2]}
            if binary:  # in JSON the client leaves text as it is
                said = {name: [text.decode() for text in texts] for name, texts in said.items()}
            assert said == {"answer": ["Maize", "crop", ""], "answer_rank": ["species", "group", ""]}
            assert result.as_numpy("answer_probability") == pytest.approx([0.99, 0.9, 0], abs=1e-4)
            assert result.as_numpy("confident").tolist() == [True, False, False]


def test_triton_reads_the_booleans(client: Any) -> None:
    result = client.infer("seedlings", [pixels_input(binary=True)])
    assert result.as_numpy("confident").dtype == bool
    assert result.as_numpy("confident").shape == result.as_numpy("species").shape


def test_an_answer_says_where_the_time_went(service: Running) -> None:
    response = service.client.post("/v2/models/seedlings/infer", json=body())
    assert [span.partition(";")[0] for span in response.headers["server-timing"].split(", ")] == ["decode", "queue", "inference"]


def test_a_query_parameter_is_refused(service: Running) -> None:
    response = service.client.post("/v2/models/seedlings/infer?top_k=3", json=body())
    assert response.status_code == 400
    assert "no query parameter 'top_k'" in response.json()["error"]

"""The segmenter as a model of `/v2`, by Triton's client and by hand; the classifier stands in `routes/test_open_inference.py`."""

import base64
import json
import typing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from service.errors import QueueFull
from service.inference.runtimes import choice
from service.settings import RuntimeName
from tests import fakes
from tests.service.conftest import Running, Start

NAME = fakes.SEGMENTER
PHOTO = fakes.field([(100, 90, 30), (300, 120, 20), (400, 300, 12)])
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gevent's hub, as Triton's client leaves it


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, module_service: Start) -> Running:
    root = tmp_path_factory.mktemp("served")
    fakes.publish(root)
    fakes.publish_segmenter(root)
    running = module_service(store=root)
    running.wait_for(lambda: running.services.segmenters.current, "the segmenter is loaded")
    return running


@pytest.fixture
def client(service: Running) -> Any:
    with triton.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        yield client


def asked(service: Running, tensor: dict[str, Any], **more: Any) -> Any:
    return service.client.post(f"/v2/models/{NAME}/infer", json={"inputs": [tensor], **more})


def file_of(photo: bytes) -> dict[str, Any]:
    return {"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(photo).decode()]}


def test_its_metadata(client: Any) -> None:
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "1")
    assert not client.is_model_ready(NAME, "2")
    metadata = client.get_model_metadata(NAME)
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": [1, 3, -1, -1]},
        {"name": "encoded", "datatype": "BYTES", "shape": [1]},
    ]
    assert {output["name"]: output["datatype"] for output in metadata["outputs"]} == {
        **dict.fromkeys(("plant", "centres_near", "centres_afar", "areas"), "FP32"),
        "boxes": "INT32",
        "clumps": "BOOL",
    }


@pytest.mark.parametrize("pixels", [True, False])
def test_triton_gets_maps_and_plants(client: Any, service: Running, pixels: bool) -> None:
    if pixels:
        array = np.asarray(PHOTO).transpose(2, 0, 1)[None]
        tensor = triton.InferInput("images", [*array.shape], "UINT8").set_data_from_numpy(np.ascontiguousarray(array))
    else:
        tensor = triton.InferInput("encoded", [1], "BYTES").set_data_from_numpy(np.array([fakes.encoded(PHOTO)], object))
    result = client.infer(NAME, [tensor])
    plant = result.as_numpy("plant")
    assert plant.shape == (1, 384, 512)  # as the manifest of the fake says
    assert result.as_numpy("centres_near").shape == (1, 96, 128)
    assert result.as_numpy("centres_afar").shape == (1, 24, 32)
    green = np.asarray(PHOTO)[..., 1] > 100
    assert (plant[0] > 0.5).sum() == pytest.approx(green.sum(), rel=0.02)
    plants = service.client.post("/detect", files={"file": fakes.encoded(PHOTO)}).json()["plants"]
    assert result.as_numpy("boxes").tolist() == [found["box"] for found in plants]
    assert result.as_numpy("areas") == pytest.approx([found["area"] for found in plants], abs=1e-6)
    assert result.as_numpy("clumps").tolist() == [found["clump"] for found in plants]


def test_in_json_by_choice(service: Running) -> None:
    answer = asked(service, file_of(fakes.encoded(PHOTO)), outputs=[{"name": "boxes"}, {"name": "plant"}], id="7").json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (NAME, "1", "7")
    boxes, plant = answer["outputs"]
    assert (boxes["datatype"], boxes["shape"], len(boxes["data"])) == ("INT32", [3, 4], 12)
    assert (plant["shape"], len(plant["data"]), set(plant["data"])) == ([1, 384, 512], 384 * 512, {0.0, 1.0})


def test_a_photo_without_plants_has_empty_tensors(client: Any) -> None:
    tensor = triton.InferInput("encoded", [1], "BYTES").set_data_from_numpy(np.array([fakes.encoded(fakes.field([]))], object))
    result = client.infer(NAME, [tensor], outputs=[triton.InferRequestedOutput("boxes"), triton.InferRequestedOutput("clumps")])
    assert (result.as_numpy("boxes").shape, result.as_numpy("clumps").shape) == ((0, 4), (0,))


@pytest.mark.parametrize(
    ("tensor", "more", "words"),
    [
        (file_of(fakes.image()) | {"shape": [2], "data": [base64.b64encode(fakes.image()).decode()] * 2}, {}, "send one request for each"),
        ({"name": "images", "shape": [1, 3, 4, 90], "datatype": "UINT8", "data": [0] * 1080}, {}, "n = 1 and sides from 8"),
        ({"name": "images", "shape": [2, 3, 8, 8], "datatype": "UINT8", "data": [0] * 384}, {}, "[n, 3, height, width] with n = 1"),
        ({"name": "images", "shape": [1, 3, 8, 8], "datatype": "UINT8", "data": [0] * 191}, {}, "does not hold the 191 values"),
        (file_of(fakes.image()), {"outputs": [{"name": "probabilities"}]}, "there is no output 'probabilities'; there are plant"),
        (
            file_of(fakes.image()),
            {"outputs": [{"name": "plant", "parameters": {"classification": 2}}]},
            "classification is of a model that names species, and this one does not",
        ),
    ],
)
def test_what_is_wrong_is_said(service: Running, tensor: dict[str, Any], more: dict[str, Any], words: str) -> None:
    response = asked(service, tensor, **more)
    assert (response.status_code, words in response.json()["error"]) == (400, True), response.text


def test_a_file_that_is_no_photo_is_named(service: Running) -> None:
    response = asked(service, file_of(b"no photo"))
    assert (response.status_code, "image 0: not an image" in response.json()["error"]) == (415, True), response.text


@pytest.mark.parametrize(("name", "room", "asked_of"), [(NAME, "detector", "segment"), ("seedlings", "predictor", "predict")])
def test_one_photo_is_turned_away_by_a_full_queue_at_once(
    service: Running, monkeypatch: pytest.MonkeyPatch, name: str, room: str, asked_of: str
) -> None:
    tries = []

    async def full(*_: Any) -> None:
        tries.append(1)
        raise QueueFull("full", retry_after_s=1)

    monkeypatch.setattr(getattr(service.services, room), asked_of, full)
    response = service.client.post(f"/v2/models/{name}/infer", json={"inputs": [file_of(fakes.image())]})
    assert (response.status_code, response.headers["retry-after"], len(tries)) == (429, "1", 1)


@pytest.mark.parametrize("runtime", typing.get_args(RuntimeName))
def test_the_platform_is_that_of_the_file_that_answers(service: Running, monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    file = choice.FILES.get(cast(RuntimeName, runtime), "model.pt")
    platform = {".pt": "pytorch_torchscript", ".onnx": "onnx_onnxv1", ".pt2": "pytorch_pt2"}[Path(file).suffix]
    for name, model in (("seedlings", service.services.registry.current), (NAME, service.services.segmenters.current)):
        monkeypatch.setattr(model, "runtime", runtime)
        assert service.client.get(f"/v2/models/{name}").json()["platform"] == platform


def test_other_names_and_versions_are_unknown(client: Any, service: Running) -> None:
    assert f"there are 'seedlings' and '{NAME}'" in service.client.get("/v2/models/roses").json()["error"]
    with pytest.raises(InferenceServerException, match="version 1 is"):
        client.get_model_metadata(NAME, "3")


def test_without_a_segmenter_it_is_not_ready(start: Start, publish_in) -> None:
    publish_in()
    service = start(segmenter="none-such")
    assert service.client.get("/v2/models/none-such/ready").status_code == 503
    response = service.client.post("/v2/models/none-such/infer", json={})
    assert (response.status_code, "none-such" in response.json()["error"]) == (503, True), response.text
    assert service.client.get("/v2/models/seedlings/ready").status_code == 200


@pytest.mark.parametrize("path", [f"/v2/models/{NAME}/infer", f"/v2/models/{NAME}/versions/1/infer"])
def test_the_version_that_was_found_answers_though_another_takes_over_meanwhile(start: Start, publish_in, tmp_path, path: str) -> None:
    publish_in()
    fakes.publish_segmenter(tmp_path)
    service = start()
    body = json.dumps({"inputs": [file_of(fakes.encoded(fakes.field([])))], "outputs": [{"name": "areas"}]}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    with service.raw(head.encode()) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")  # the version was looked up
        fakes.publish_segmenter(tmp_path, fakes.Middle)  # takes the middle of any photo for a plant
        service.wait_for(lambda: service.services.detector.segmenter().version == "2", "version 2")
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    inferred = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (inferred["model_version"], inferred["outputs"][0]["data"]) == ("1", [])

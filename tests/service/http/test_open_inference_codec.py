"""Bodies of the Open Inference Protocol, read and written by hand. Its routes are tested with real clients."""

import base64
import json
import struct

import numpy as np
import pytest

from models_store.manifest import Species
from service.errors import MalformedRequest, UndecodableImage
from service.http import open_inference_codec as codec

SPECIES = [Species(name="Maize"), Species(name="Charlock")]
PROBABILITIES = np.array([[0.75, 0.25], [0.125, 0.875]], np.float32)
SMALL = codec.InputLimits((2, 2), codec.MAX_IMAGES, codec.OUTPUTS)
TENSORS = {
    "probabilities": PROBABILITIES,
    "species": np.array(["Maize", "Charlock"], object),
    "confident": np.array([False, True]),
}


def request(data: object, shape: list[int], datatype: str, name: str, **more: object) -> bytes:
    return json.dumps({"inputs": [{"name": name, "shape": shape, "datatype": datatype, "data": data}], **more}).encode()


@pytest.mark.parametrize("nested", [True, False])
def test_pixels_in_json(nested: bool) -> None:
    pixels = np.arange(2 * 3 * 2 * 2, dtype=np.uint8).reshape(2, 3, 2, 2)
    data = pixels.tolist() if nested else pixels.ravel().tolist()
    _, images = codec.read(request(data, [2, 3, 2, 2], "UINT8", "images"), None, SMALL)
    assert np.array_equal(np.stack(images), pixels)


def test_pixels_keep_the_limit_of_files():
    any_side = codec.InputLimits((-1, -1), 1, codec.OUTPUTS, most_pixels=100)
    assert codec.read(request([0] * 300, [1, 3, 10, 10], "UINT8", "images"), None, any_side)[1][0].shape == (3, 10, 10)
    with pytest.raises(UndecodableImage, match="11×10 pixels, more than the 100 allowed"):
        codec.read(request([0] * 330, [1, 3, 10, 11], "UINT8", "images"), None, any_side)


def test_files_in_base64() -> None:
    data = [base64.b64encode(file).decode() for file in (b"one", b"two!")]
    _, images = codec.read(request(data, [2], "BYTES", "encoded"), None, SMALL)
    assert images == [b"one", b"two!"]


def test_files_behind_the_json() -> None:
    raw = b"".join(struct.pack("<I", len(file)) + file for file in (b"one", b"two!"))
    head = json.dumps(
        {"inputs": [{"name": "encoded", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}]}
    ).encode()
    _, images = codec.read(head + raw, str(len(head)), SMALL)
    assert images == [b"one", b"two!"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "JSON"),
        (request([1], [1], "UINT8", "images"), "shape"),
        (request([1] * 11, [1, 3, 2, 2], "UINT8", "images"), "shape"),
        (request([300] * 12, [1, 3, 2, 2], "UINT8", "images"), "from 0 to 255"),
        (request(["not base64!"], [1], "BYTES", "encoded"), "base64"),
        (request([], [0], "BYTES", "encoded"), "1 to"),
        (request([1], [1], "FP32", "images"), "UINT8"),
    ],
)
def test_what_does_not_fit_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(MalformedRequest, match=message):
        codec.read(body, None, SMALL)


def test_answers_in_json() -> None:
    asked, _ = codec.read(request(["AAAA"], [1], "BYTES", "encoded", id="7"), None, SMALL)
    body, header_length = codec.write(asked, ("seedlings", "3"), SPECIES, TENSORS)
    assert header_length is None
    assert json.loads(body) == {
        "model_name": "seedlings",
        "model_version": "3",
        "id": "7",
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [2, 2], "data": [0.75, 0.25, 0.125, 0.875]},
            {"name": "species", "datatype": "BYTES", "shape": [2], "data": ["Maize", "Charlock"]},
            {"name": "confident", "datatype": "BOOL", "shape": [2], "data": [False, True]},
        ],
    }


def test_answers_behind_the_json() -> None:
    outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    asked, _ = codec.read(request(["AAAA"], [1], "BYTES", "encoded", outputs=outputs), None, SMALL)
    body, header_length = codec.write(asked, ("seedlings", "3"), SPECIES, TENSORS)
    assert header_length is not None
    assert np.array_equal(np.frombuffer(body[header_length:], "<f4").reshape(2, 2), PROBABILITIES)

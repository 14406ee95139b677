"""The Open Inference Protocol's tensors: request bodies → images, answers → response bodies. Knows no HTTP.

A body is JSON, or JSON followed by the raw bytes of the tensors that say so by `binary_data_size`, little-endian; an
element of a BYTES tensor is its length in four bytes, then itself. In JSON, where bytes have no place, they are base64.
"""

import base64
import binascii
import json
import math
import zlib
from typing import Annotated, Any

import numpy as np
import pydantic_core
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from models_store.manifest import Species
from service.errors import BodyTooLarge, MalformedRequest

PIXELS, ENCODED = "images", "encoded"  # inputs, of which a request has one
PROBABILITIES, SPECIES = "probabilities", "species"  # outputs
MAX_IMAGES = 1024
_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class InputTensor(BaseModel):
    """One tensor of a request; without `data` its bytes follow the JSON."""

    name: str
    shape: list[Annotated[int, Field(strict=True, ge=0)]]
    datatype: str
    parameters: dict[str, Any] = {}
    data: Any = None


class RequestedOutput(BaseModel):
    """One tensor of the response, and the form it shall have."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    """The JSON of a request."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[InputTensor] = Field(min_length=1)
    outputs: list[RequestedOutput] | None = None


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding. Raises MalformedRequest, or BodyTooLarge past `limit` bytes."""
    if encoding in ("", "identity"):
        return body
    if encoding not in _WINDOW:
        raise MalformedRequest(f"Content-Encoding {encoding[:50]!r} is not read here; send gzip, deflate or none")
    reader = zlib.decompressobj(_WINDOW[encoding])
    try:
        plain = reader.decompress(body, limit + 1)
    except zlib.error:
        raise MalformedRequest(f"the body is not {encoding}") from None
    if len(plain) > limit:
        raise BodyTooLarge(f"the body inflates to more than {limit} bytes; send fewer images at once")
    if not reader.eof:
        raise MalformedRequest(f"the {encoding} body is cut off")
    return plain


def read(body: bytes, header_length: str | None, size: int) -> tuple[InferRequest, list[bytes | NDArray[np.uint8]]]:
    """A request and its images: files, or pixels uint8 [3, size, size].

    `header_length` is the header Inference-Header-Content-Length, the bytes of JSON in front. Raises MalformedRequest.
    """
    split = len(body) if header_length is None else _length(header_length, len(body))
    try:
        asked = InferRequest.model_validate(pydantic_core.from_json(body[:split]))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise MalformedRequest(f"{where}: {first['msg']}") from None
    except ValueError as error:  # also of JSON nested too deeply
        raise MalformedRequest(f"the JSON cannot be read: {str(error)[:200]}") from None
    _check_outputs(asked)
    raw, rest = _raw_tensors(asked.inputs, body[split:])
    if rest:
        raise MalformedRequest(f"{rest} bytes follow the last tensor")
    if len(asked.inputs) != 1:
        raise MalformedRequest(f"one input is needed, {PIXELS!r} or {ENCODED!r}; there are {len(asked.inputs)}")
    images = _images(asked.inputs[0], raw[0], size)
    if not 1 <= len(images) <= MAX_IMAGES:
        raise MalformedRequest(f"a request holds 1 to {MAX_IMAGES} images; this one has {len(images)}")
    return asked, images


def _length(given: str, most: int) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 20 and 0 < int(given) <= most):
        raise MalformedRequest(f"Inference-Header-Content-Length {given[:50]!r} does not lie between 1 and the body's {most} bytes")
    return int(given)


def _raw_tensors(inputs: list[InputTensor], binary: bytes) -> tuple[list[bytes | None], int]:
    """Each input's own bytes, None for those in JSON, and how many bytes are left over."""
    found: list[bytes | None] = []
    at = 0
    for tensor in inputs:
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            found.append(None)
            continue
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(binary) - at:
            raise MalformedRequest(
                f"input {tensor.name[:50]!r}: binary_data_size does not lie between 0 and the {len(binary) - at} bytes left"
            )
        if tensor.data is not None:
            raise MalformedRequest(f"input {tensor.name[:50]!r} has both data and binary_data_size")
        found.append(binary[at : at + size])
        at += size
    return found, len(binary) - at


def _images(tensor: InputTensor, raw: bytes | None, size: int) -> list[bytes | NDArray[np.uint8]]:
    if raw is None and tensor.data is None:
        raise MalformedRequest(f"input {tensor.name[:50]!r} has no data")
    if (tensor.name, tensor.datatype) == (PIXELS, "UINT8"):
        return list(_pixels(tensor, raw, size))
    if (tensor.name, tensor.datatype) == (ENCODED, "BYTES"):
        files: list[bytes | NDArray[np.uint8]] = [*(_from_binary(raw) if raw is not None else _from_base64(tensor.data))]
        if math.prod(tensor.shape) != len(files):
            raise MalformedRequest(f"shape {tensor.shape} does not hold the {len(files)} elements that came")
        return files
    raise MalformedRequest(f"inputs are {PIXELS!r} of UINT8 or {ENCODED!r} of BYTES, not {tensor.name[:50]!r} of {tensor.datatype[:20]!r}")


def _pixels(tensor: InputTensor, raw: bytes | None, size: int) -> NDArray[np.uint8]:
    """[n, 3, size, size]."""
    if len(tensor.shape) != 4 or tensor.shape[1:] != [3, size, size]:
        raise MalformedRequest(f"input {PIXELS!r} needs the shape [n, 3, {size}, {size}]; it has {tensor.shape}")
    values = np.frombuffer(raw, np.uint8) if raw is not None else _integers(tensor.data)
    if values.size != math.prod(tensor.shape):
        raise MalformedRequest(f"shape {tensor.shape} does not hold the {values.size} values that came")
    return values.reshape(tensor.shape)


def _integers(data: Any) -> NDArray[np.uint8]:
    try:
        values = np.asarray(data)  # flat or nested
    except (ValueError, OverflowError):
        raise MalformedRequest("data is not a regular array of numbers") from None
    if values.dtype.kind not in "iu" or (values.size and not 0 <= values.min() <= values.max() <= 255):
        raise MalformedRequest("data of a UINT8 tensor is whole numbers from 0 to 255")
    return values.astype(np.uint8).ravel()


def _from_binary(raw: bytes) -> list[bytes]:
    elements: list[bytes] = []
    at = 0
    while at < len(raw):
        start = at + 4
        at = start + int.from_bytes(raw[at:start], "little")
        if start > len(raw) or at > len(raw) or len(elements) >= MAX_IMAGES:
            raise MalformedRequest(f"the BYTES tensor is cut off, or has more than {MAX_IMAGES} elements")
        elements.append(raw[start:at])
    return elements


def _from_base64(data: Any) -> list[bytes]:
    items = data if isinstance(data, list) else [data]
    if len(items) == 1 and isinstance(items[0], list):
        items = items[0]
    if not all(isinstance(item, str) for item in items):
        raise MalformedRequest("data of a BYTES tensor is a list of strings")
    try:
        return [base64.b64decode(item, validate=True) for item in items]
    except (binascii.Error, ValueError):
        raise MalformedRequest("data of a BYTES tensor in JSON is base64; send bytes as they are in a binary tensor") from None


def _check_outputs(asked: InferRequest) -> None:
    names = [output.name for output in asked.outputs or []]
    for name in names:
        if name not in (PROBABILITIES, SPECIES):
            raise MalformedRequest(f"there is no output {name[:50]!r}; there are {PROBABILITIES!r} and {SPECIES!r}")
    if len(set(names)) != len(names):
        raise MalformedRequest("an output is asked for twice")
    for output in asked.outputs or []:
        if "classification" in output.parameters and not (output.name == PROBABILITIES and _counts(output.parameters["classification"])):
            raise MalformedRequest(f"classification is a whole number from 1, of the output {PROBABILITIES!r}")


def _counts(k: object) -> bool:
    return isinstance(k, int) and not isinstance(k, bool) and k >= 1


def write(
    asked: InferRequest, model: tuple[str, str], species: list[Species], probabilities: NDArray[np.float32]
) -> tuple[bytes, int | None]:
    """The response for `probabilities`, [n, species], of a model's name and version.

    Gives the body, and the bytes of JSON in front where binary tensors follow.
    """
    outputs, binary = [], []
    for output in asked.outputs or [RequestedOutput(name=PROBABILITIES), RequestedOutput(name=SPECIES)]:
        tensor = _tensor(output, species, probabilities)
        datatype = "BYTES" if tensor.dtype == object else "FP32"
        described: dict[str, Any] = {"name": output.name, "datatype": datatype, "shape": [*tensor.shape]}
        if output.parameters.get("binary_data", asked.parameters.get("binary_data_output", False)) is True:
            raw = _to_binary(tensor)
            binary.append(raw)
            described["parameters"] = {"binary_data_size": len(raw)}
        elif tensor.dtype == object:
            described["data"] = tensor.ravel().tolist()
        else:
            described["data"] = [round(value, 7) for value in tensor.ravel().tolist()]  # all the digits that float32 has
        outputs.append(described)
    answer = {"model_name": model[0], "model_version": model[1], "outputs": outputs}
    if asked.id is not None:
        answer["id"] = asked.id
    header = json.dumps(answer, ensure_ascii=False).encode()
    return header + b"".join(binary), len(header) if binary else None


def _tensor(output: RequestedOutput, species: list[Species], probabilities: NDArray[np.float32]) -> NDArray[Any]:
    """float32 [n, species]; or strings, [n] of the best species' names, [n, k] of the k best as `value:index:label`."""
    k = output.parameters.get("classification")
    if output.name == PROBABILITIES and k is None:
        return probabilities
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, : 1 if k is None else k]  # [n, k]
    if k is None:
        return np.array([species[row[0]].name for row in best], object)
    return np.array([[f"{probabilities[n, i]:.6f}:{i}:{species[i].name}" for i in row] for n, row in enumerate(best)], object)


def _to_binary(tensor: NDArray[Any]) -> bytes:
    if tensor.dtype != object:
        return tensor.astype("<f4").tobytes()
    encoded = [text.encode() for text in tensor.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)

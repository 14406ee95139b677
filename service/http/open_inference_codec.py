"""The Open Inference Protocol's tensors: request bodies → images, answers → response bodies. Knows no HTTP.

A body is JSON, or JSON followed by the raw bytes of the tensors that say so by `binary_data_size`, little-endian; an
element of a BYTES tensor is its length in four bytes, then itself. In JSON, where bytes have no place, they are base64.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct
from numpy.typing import NDArray

from models_store.manifest import Species
from models_store.rollup import DIGITS
from service.errors import MalformedRequest, UndecodableImage
from service.inference.predictor import Prediction

PIXELS, ENCODED = "images", "encoded"  # inputs, of which a request has one
PROBABILITIES, SPECIES, CONFIDENT, FAMILIAR, OOD_SCORE = "probabilities", "species", "confident", "familiar", "ood_score"
ANSWER, ANSWER_RANK, ANSWER_PROBABILITY = "answer", "answer_rank", "answer_probability"
OUTPUTS = (PROBABILITIES, SPECIES, CONFIDENT, ANSWER, ANSWER_RANK, ANSWER_PROBABILITY, FAMILIAR, OOD_SCORE)
_DATATYPES = {"f": "FP32", "i": "INT32", "b": "BOOL", "O": "BYTES"}  # by numpy's kind of the tensor
_RAW = {"f": "<f4", "i": "<i4", "b": "?"}  # the same, as bytes
Image = bytes | NDArray[np.uint8]  # a file, or pixels [3, height, width]
MAX_IMAGES = 1024
MAX_RANK = 8
_MAX_SHAPE_BYTES = 256  # of JSON
MAX_OBJECTS = 32  # of JSON; a request of one input and two outputs has eight
_MAX_TEXT = 1024  # characters of an id or a name
_SLICE_BYTES = 64 * 2**10  # of numbers read between two turns of other threads
_SLICE_VALUES = 16 * 2**10  # written between two
_SPACE = b" \t\r\n"
_Text = Annotated[str, Meta(max_length=_MAX_TEXT)]
_Dimension = Annotated[int, Meta(ge=0, lt=2**31)]
_SHAPE_SCHEMA = {
    "type": "array",
    "items": {"type": "integer", "minimum": 0},
    "maxItems": MAX_RANK,
    "description": "its dimensions: [n] for files, [n, 3, height, width] for pixels",
}
_SHAPE = msgspec.json.Decoder(Annotated[list[_Dimension], Meta(max_length=MAX_RANK)])
_NUMBERS = msgspec.json.Decoder(list[Annotated[int, Meta(ge=0, le=255)]])


class Parameters(Struct, frozen=True):
    """What is heeded of the parameters of a request and its tensors; others are passed over."""

    binary_data_size: Annotated[int | None, Meta(description="of an input: its bytes follow the JSON, so many")] = None
    binary_data: Annotated[bool | None, Meta(description="of an output: send its bytes after the JSON")] = None
    binary_data_output: Annotated[bool | None, Meta(description="of a request: the same for all outputs")] = None
    classification: Annotated[
        int | None, Meta(description="of the output probabilities: the k best species as text, `value:index:label`")
    ] = None


_NO_PARAMETERS = Parameters()


class InputTensor(Struct):
    """One tensor of a request; without `data` its bytes follow the JSON."""

    name: Annotated[_Text, Meta(description="`encoded` for image files, `images` for pixels")]
    shape: Annotated[Raw, Meta(extra_json_schema=_SHAPE_SCHEMA)]
    datatype: Annotated[_Text, Meta(description="BYTES for image files, UINT8 for pixels")]
    parameters: Annotated[Parameters | None, Meta(description="`binary_data_size`")] = None
    # Left as it came: as objects, the numbers of one body would take a gigabyte and hold up all threads meanwhile.
    data: Annotated[Raw, Meta(extra_json_schema={"description": "a list, flat or nested as the shape says; image files as base64"})] = (
        msgspec.field(default_factory=Raw)
    )


class RequestedOutput(Struct):
    """One tensor of the response, and the form it shall have."""

    name: Annotated[_Text, Meta(description="one of those that the model has")]
    parameters: Annotated[Parameters | None, Meta(description="`binary_data` and `classification`")] = None


class InferRequest(Struct):
    """The JSON of a request."""

    inputs: Annotated[list[InputTensor], Meta(description="one tensor")]
    id: Annotated[_Text | None, Meta(description="any text; it comes back with the answer")] = None
    parameters: Annotated[Parameters | None, Meta(description="`binary_data_output`")] = None
    outputs: Annotated[list[RequestedOutput] | None, Meta(description="the outputs wanted; all of them if left out")] = None


_REQUEST = msgspec.json.Decoder(InferRequest)


@dataclass(frozen=True)
class InputLimits:
    """What a request to a model may hold."""

    size: tuple[int, int]  # height and width of pixels; -1: any
    most: int  # images
    outputs: Sequence[str]
    least_side: int = 1  # pixels, where any are taken
    most_pixels: float = math.inf  # of an image

    def check(self, shape: list[int]) -> None:
        """Whether pixels may have this shape. Raises MalformedRequest, or UndecodableImage as for a file of so many pixels."""
        fits = len(shape) == 4 and shape[1] == 3 and 1 <= shape[0] <= self.most
        sides = zip(shape[2:], self.size, strict=False)
        if not fits or not all(given >= self.least_side if wanted == -1 else given == wanted for given, wanted in sides):
            height, width = self.size if -1 not in self.size else ("height", "width")
            n = "n = 1" if self.most == 1 else f"n from 1 to {self.most}"
            sides_of = f" and sides from {self.least_side}" if -1 in self.size else ""
            raise MalformedRequest(f"input {PIXELS!r} needs the shape [n, 3, {height}, {width}] with {n}{sides_of}; it has {shape}")
        if math.prod(shape[2:]) > self.most_pixels:
            raise UndecodableImage(f"the image has {shape[3]}×{shape[2]} pixels, more than the {self.most_pixels} allowed; scale it down")


def read(body: bytes, header_length: str | None, takes: InputLimits) -> tuple[InferRequest, list[Image]]:
    """A request, without its inputs, and its images: files, or pixels uint8 [3, height, width].

    `header_length` is the header Inference-Header-Content-Length, the bytes of JSON in front. It may need three times
    the memory of `body` for a while. Raises MalformedRequest, or UndecodableImage where an image has too many pixels.
    """
    split = len(body) if header_length is None else _length(header_length, len(body))
    document = body[:split]
    if document.count(b"{") > MAX_OBJECTS:
        raise MalformedRequest(f"the JSON has more than {MAX_OBJECTS} objects; a request has one input")
    asked = _decode(_REQUEST, document, "the JSON")
    del document
    _check_outputs(asked, takes.outputs)
    if len(asked.inputs) != 1:
        raise MalformedRequest(f"one input is needed, {PIXELS!r} or {ENCODED!r}; there are {len(asked.inputs)}")
    tensor = asked.inputs[0]
    images = _images(tensor, _raw_bytes(tensor, body, split), takes)
    if not 1 <= len(images) <= takes.most:
        holds = f"1 to {takes.most} images" if takes.most > 1 else "1 image to this model; send one request for each"
        raise MalformedRequest(f"a request holds {holds}; this one has {len(images)}")
    return msgspec.structs.replace(asked, inputs=[]), images


def _decode(decoder: msgspec.json.Decoder[Any], text: bytes | Raw, what: str) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedRequest(f"{what} cannot be read: {str(error)[:200]}") from None
    except RecursionError:
        raise MalformedRequest(f"{what} is nested too deeply") from None


def _length(given: str, most: int) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 20 and 0 < int(given) <= most):
        raise MalformedRequest(f"Inference-Header-Content-Length {given[:50]!r} does not lie between 1 and the body's {most} bytes")
    return int(given)


def _raw_bytes(tensor: InputTensor, body: bytes, split: int) -> bytes | None:
    """The bytes of a tensor that follow the JSON; None where it is in the JSON."""
    left = len(body) - split
    size = (tensor.parameters or _NO_PARAMETERS).binary_data_size
    if size is not None:
        if not 0 <= size <= left:
            raise MalformedRequest(f"input {tensor.name[:50]!r}: binary_data_size does not lie between 0 and the {left} bytes left")
        if _given(tensor.data):
            raise MalformedRequest(f"input {tensor.name[:50]!r} has both data and binary_data_size")
        left -= size
    if left:
        raise MalformedRequest(f"{left} bytes follow the last tensor")
    return None if size is None else body[split:]


def _given(data: Raw) -> bool:
    return bytes(memoryview(data)[:5]) not in (b"", b"null")


def _images(tensor: InputTensor, raw: bytes | None, takes: InputLimits) -> list[Image]:
    if raw is None and not _given(tensor.data):
        raise MalformedRequest(f"input {tensor.name[:50]!r} has no data")
    if len(memoryview(tensor.shape)) > _MAX_SHAPE_BYTES:
        raise MalformedRequest(f"a shape has at most {MAX_RANK} dimensions, each a whole number")
    shape: list[int] = _decode(_SHAPE, tensor.shape, "shape")
    if (tensor.name, tensor.datatype) == (PIXELS, "UINT8"):
        return list(_pixels(tensor, shape, raw, takes))
    if (tensor.name, tensor.datatype) == (ENCODED, "BYTES"):
        files: list[Image] = [*(_from_binary(raw) if raw is not None else _from_base64(bytes(tensor.data)))]
        if math.prod(shape) != len(files):
            raise MalformedRequest(f"shape {shape} does not hold the {len(files)} elements that came")
        return files
    raise MalformedRequest(f"inputs are {PIXELS!r} of UINT8 or {ENCODED!r} of BYTES, not {tensor.name[:50]!r} of {tensor.datatype[:20]!r}")


def _pixels(tensor: InputTensor, shape: list[int], raw: bytes | None, takes: InputLimits) -> NDArray[np.uint8]:
    """[n, 3, height, width]."""
    takes.check(shape)
    values = np.frombuffer(raw, np.uint8) if raw is not None else _integers(bytes(tensor.data), shape)
    if values.size != math.prod(shape):
        raise MalformedRequest(f"shape {shape} does not hold the {values.size} values that came")
    return values.reshape(shape)


def _integers(text: bytes, shape: list[int]) -> NDArray[np.uint8]:
    """The numbers of JSON that is known to be whole, flat or nested as `shape` says, [n]."""
    if text.translate(None, b"0123456789,[]" + _SPACE):
        raise MalformedRequest("data of a UINT8 tensor is whole numbers from 0 to 255")
    structure = text.translate(None, b"0123456789" + _SPACE)
    count = math.prod(shape)
    if structure.count(b",") + 1 != count:
        raise MalformedRequest(f"shape {shape} does not hold the {structure.count(b',') + 1} values that came")
    if structure not in (_brackets([count]), _brackets(shape), _brackets(shape[1:])):  # one image may lack its first dimension
        raise MalformedRequest("data is neither flat nor nested as the shape says")
    flat = text.translate(None, b"[]" + _SPACE)
    values = np.empty(count, np.uint8)
    start = at = 0
    while start < len(flat):
        end = flat.find(b",", start + _SLICE_BYTES)
        end = len(flat) if end < 0 else end
        numbers = _decode(_NUMBERS, b"[" + flat[start:end] + b"]", "data of a UINT8 tensor, whole numbers from 0 to 255,")
        values[at : at + len(numbers)] = numbers
        start, at = end + 1, at + len(numbers)
    return values


def _brackets(shape: list[int]) -> bytes:
    """Nested lists of that shape without what is in them."""
    text = b""
    for length in reversed(shape):
        text = b"[" + b",".join([text] * length) + b"]"
    return text


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


def _from_base64(text: bytes) -> list[bytes]:
    """One string, a list of some, or that list in another one."""
    if text.count(b",") >= MAX_IMAGES:
        raise MalformedRequest(f"a request holds 1 to {MAX_IMAGES} images; this one has more")
    depth = text[: len(text) - len(text.lstrip(b"[" + _SPACE))].count(b"[")
    kinds: list[Any] = [bytes, list[bytes], Annotated[list[list[bytes]], Meta(max_length=1)]]
    decoder = msgspec.json.Decoder(kinds[min(depth, 2)])
    decoded = _decode(decoder, text, "data of a BYTES tensor in JSON, base64 or binary beside it,")
    if depth == 0:
        return [decoded]
    return decoded if depth == 1 else [item for row in decoded for item in row]


def _check_outputs(asked: InferRequest, known: Sequence[str]) -> None:
    names = [output.name for output in asked.outputs or []]
    for name in names:
        if name not in known:
            raise MalformedRequest(f"there is no output {name[:50]!r}; there are {', '.join(known)}")
    if len(set(names)) != len(names):
        raise MalformedRequest("an output is asked for twice")
    for output in asked.outputs or []:
        k = (output.parameters or _NO_PARAMETERS).classification
        if k is not None and PROBABILITIES not in known:
            raise MalformedRequest("classification is of a model that names species, and this one does not: leave it out")
        if k is not None and (output.name != PROBABILITIES or k < 1):
            raise MalformedRequest(f"classification is a whole number from 1, of the output {PROBABILITIES!r}")


def outputs(species: list[Species], predictions: Sequence[Prediction]) -> dict[str, NDArray[Any]]:
    """All outputs of n images by name: probabilities float32 [n, species]; all others [n].

    species, answer and answer_rank are text, confident and familiar bool, answer_probability and ood_score float32. Where nothing
    can be relied upon, answer and answer_rank are empty and answer_probability is 0. A model without an out-of-distribution score
    has neither familiar nor ood_score.
    """
    probabilities = np.stack([one.probabilities for one in predictions])
    said = [one.relied_upon() for one in predictions]
    found: dict[str, NDArray[Any]] = {
        PROBABILITIES: probabilities,
        SPECIES: np.array([species[best].name for best in probabilities.argmax(1)], object),
        CONFIDENT: np.array([one.confident for one in predictions]),
        ANSWER: np.array([one.name if one else "" for one in said], object),
        ANSWER_RANK: np.array([one.rank if one else "" for one in said], object),
        ANSWER_PROBABILITY: np.array([one.probability if one else 0 for one in said], np.float32),
    }
    if all(one.familiar is not None for one in predictions):
        found[FAMILIAR] = np.array([one.familiar for one in predictions])
        found[OOD_SCORE] = np.array([one.distance for one in predictions], np.float32)
    return found


def write(
    asked: InferRequest, model: tuple[str, str], species: list[Species], tensors: Mapping[str, NDArray[Any]]
) -> tuple[bytes, int | None]:
    """The response of a model's name and version, with the `outputs` that were asked for, or all.

    Gives the body, and the bytes of JSON in front where binary tensors follow. Raises MalformedRequest.
    """
    written, binary = [], []
    binary_by_default = (asked.parameters or _NO_PARAMETERS).binary_data_output
    for output in asked.outputs or [RequestedOutput(name=name) for name in tensors]:
        if output.name not in tensors:
            raise MalformedRequest(f"this model has no output {output.name!r}: it has no out-of-distribution score")
        tensor = _tensor(output, species, tensors)
        described: dict[str, Any] = {"name": output.name, "datatype": _DATATYPES[tensor.dtype.kind], "shape": [*tensor.shape]}
        wanted = (output.parameters or _NO_PARAMETERS).binary_data
        if binary_by_default if wanted is None else wanted:
            raw = _to_binary(tensor)
            binary.append(raw)
            described["parameters"] = {"binary_data_size": len(raw)}
        else:
            described["data"] = Raw(b"[" + b",".join(_in_json(tensor.ravel())) + b"]")
        written.append(described)
    answer = {"model_name": model[0], "model_version": model[1], "outputs": written}
    if asked.id is not None:
        answer["id"] = asked.id
    header = msgspec.json.encode(answer)
    return header + b"".join(binary), len(header) if binary else None


def _in_json(values: NDArray[Any]) -> Iterator[bytes]:
    """A flat tensor in pieces, so that a photo's map does not hold up other threads."""
    for at in range(0, len(values), _SLICE_VALUES):
        few = values[at : at + _SLICE_VALUES].tolist()
        yield msgspec.json.encode([round(value, DIGITS) for value in few] if values.dtype.kind == "f" else few)[1:-1]


def _tensor(output: RequestedOutput, species: list[Species], tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The output as it is; or, with `classification`, strings [n, k] of the k best species as `value:index:label`."""
    k = (output.parameters or _NO_PARAMETERS).classification
    if k is None:
        return tensors[output.name]
    probabilities = tensors[PROBABILITIES]
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]  # [n, k]
    return np.array([[f"{probabilities[n, i]:.6f}:{i}:{species[i].name}" for i in row] for n, row in enumerate(best)], object)


def _to_binary(tensor: NDArray[Any]) -> bytes:
    if tensor.dtype != object:
        return tensor.astype(_RAW[tensor.dtype.kind]).tobytes()
    encoded = [text.encode() for text in tensor.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)

"""Requests with mutated images, for every route that takes some, and what is wrong with an answer to one."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks import mutations
from benchmarks.mutations import File

BUSY = (429, 503)  # to be asked again
_INFER = "/v2/models/seedlings/infer"
_TYPES = ("image/png", "image/jpeg", "application/octet-stream", "image/x-nonsense", "text/plain", "multipart/form-data", "")
_LENGTH = "Inference-Header-Content-Length"
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Case:
    """One POST request."""

    path: str
    headers: dict[str, str]
    body: bytes


def make(random: Random, files: Sequence[File]) -> Case:
    """A request on one of the routes; now and then its framing is broken as well."""
    images = [mutations.mutated(random, files) for _ in range(random.choice((1, 1, 2, 4)))]
    made = random.choice((_raw, _raw, _form, _batch, _explain, _json, _binary))(random, images)
    if random.random() < 0.1:
        made = Case(made.path, made.headers, mutations.flip_bits(random, File(made.body, (0, 0))))
    return made


def _raw(random: Random, images: list[bytes]) -> Case:
    kind = random.choice(_TYPES) if random.random() < 0.2 else "image/png"
    return Case("/predict", {"Content-Type": kind} if kind else {}, images[0])


def _form(random: Random, images: list[bytes]) -> Case:
    return Case("/predict", *_parts(random, "file", images[:1]))


def _batch(random: Random, images: list[bytes]) -> Case:
    return Case("/predict/batch", *_parts(random, "files", images))


def _explain(random: Random, images: list[bytes]) -> Case:
    species = random.choice(("", "", "", "?species=Maize", "?species=Nettle", "?species=%ff%00"))
    return Case("/explain" + species, {"Content-Type": "image/png"}, images[0])


def _parts(random: Random, name: str, images: list[bytes]) -> tuple[dict[str, str], bytes]:
    names = random.choice(("photo.png", "фото.jpg", "", "a" * 300))
    head = f'--limit\r\nContent-Disposition: form-data; name="{name}"; filename="{names}"\r\n\r\n'.encode()
    body = b"".join(head + image + b"\r\n" for image in images) + b"--limit--\r\n"
    return {"Content-Type": "multipart/form-data; boundary=limit"}, body


def _json(random: Random, images: list[bytes]) -> Case:
    shape = [len(images) if random.random() < 0.9 else random.choice((0, 1, 2**40))]
    data = [base64.b64encode(image).decode() for image in images]
    body = json.dumps({"inputs": [{"name": "encoded", "shape": shape, "datatype": "BYTES", "data": data}]}).encode()
    if random.random() < 0.2:
        return Case(_INFER, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, gzip.compress(body, mtime=0))
    return Case(_INFER, {"Content-Type": "application/json"}, body)


def _binary(random: Random, images: list[bytes]) -> Case:
    raw = b"".join(len(image).to_bytes(4, "little") + image for image in images)
    size = len(raw) if random.random() < 0.9 else random.choice((0, 3, 2**40, -1))
    tensor = {"name": "encoded", "shape": [len(images)], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": random.random() < 0.5}}).encode()
    length = len(header) if random.random() < 0.9 else random.choice((0, 1, len(header) - 1, 2**40))
    return Case(_INFER, {"Content-Type": "application/octet-stream", _LENGTH: str(length)}, header + raw)


def fault(made: Case, status: int, headers: Mapping[str, str], content: bytes) -> str | None:
    """What is wrong with an answer; None if it is as promised. `headers` are named in small letters."""
    try:
        if status == 200:
            return _fault_of_success(made, content, int(headers.get(_LENGTH.lower(), len(content))))
        if not 400 <= status < 500:
            return f"status {status}"
        document = json.loads(content)
        if made.path.startswith("/v2"):
            return None if document.keys() == {"error"} and document["error"] else "not an error of the protocol"
        if headers.get("content-type") != "application/problem+json":
            return f"a problem of the type {headers.get('content-type')}"
        return _fault_of_problem(document, status)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"an answer of another form: {error!r}"


def _fault_of_success(made: Case, content: bytes, json_length: int) -> str | None:
    if made.path.startswith("/explain"):
        return None if content.startswith(b"\x89PNG\r\n") else "no PNG"
    answer = json.loads(content[:json_length])
    if made.path == "/predict":
        return _fault_of_prediction(answer)
    if made.path.startswith("/v2"):
        names = [output["name"] for output in answer["outputs"]]
        always = ["probabilities", "species", "confident", "answer", "answer_rank", "answer_probability"]
        where_measured = ["familiar", "ood_score"]
        return None if names in (always, always + where_measured) else "other outputs"
    for one in answer["results"]:
        wrong = _fault_of_prediction(one["prediction"]) if "prediction" in one else _fault_of_problem(one["problem"], None)
        if wrong is not None:
            return wrong
    return None


def _fault_of_prediction(answer: dict[str, Any]) -> str | None:
    total = sum(answer["probabilities"].values())
    if abs(total - 1) > _SUM_TOLERANCE:
        return f"probabilities that sum to {total}"
    return None if answer["probabilities"][answer["species"]] == answer["probability"] else "another species than the most probable"


def _fault_of_problem(document: dict[str, Any], status: int | None) -> str | None:
    if not {"type", "title", "status", "detail"} <= document.keys() or not document["detail"]:
        return "not a whole problem"
    if status not in (None, document["status"]):
        return f"a problem that says {document['status']}"
    return None if 400 <= document["status"] < 500 or document["status"] in BUSY else f"a problem of status {document['status']}"

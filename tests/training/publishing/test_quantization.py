"""A network in 8 bits: what that costs is counted, and layers that cost too much stay in float32."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from models_store import store
from models_store.manifest import Calibration, Familiarity, Manifest, Species
from service.inference import engine
from training.data.images import Images
from training.data.split import Split
from training.errors import RunError
from training.publishing import export, quantization
from training.publishing.convert import convert

SPECIES = [Species(name="less", group="weed"), Species(name="more", group="crop")]
onnx = pytest.importorskip("onnx", reason="it is in the extra onnx")
WIDE = 1000.0  # how much larger what nobody needs is than what decides: in 8 bits the latter would be lost


def network(spread: float) -> bytes:
    """uint8 [N,3,2,2] → probabilities [N,2], of the first value being less or more than the second one, and a distance [N].

    The layer *narrow* gives the difference of the two, and `spread` times the third value beside it.
    """
    helper, tensor = onnx.helper, onnx.numpy_helper.from_array
    narrow, last = np.zeros((12, 2), np.float32), np.zeros((2, 2), np.float32)
    narrow[2, 0], narrow[0, 1], narrow[1, 1], last[1] = spread, 1, -1, (-50, 50)
    nodes = [
        helper.make_node("Cast", ["images"], ["cast"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Div", ["cast", "full"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "same"], ["copied"], "copy"),
        helper.make_node("Gemm", ["copied", "narrow"], ["two"], "narrow"),
        helper.make_node("Gemm", ["two", "last"], ["logits"], "last"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ReduceMean", ["copied"], ["distances"], keepdims=0, axes=[1]),
    ]
    constants = {"full": np.array(255, np.float32), "same": np.eye(12, dtype=np.float32), "narrow": narrow, "last": last}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("images", onnx.TensorProto.UINT8, ["n", 3, 2, 2])],
        [value("probabilities", onnx.TensorProto.FLOAT, ["n", 2]), value("distances", onnx.TensorProto.FLOAT, ["n"])],
        [tensor(array, name) for name, array in constants.items()],
    )
    content: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()
    return content


@pytest.fixture(scope="module")
def pairs() -> Images:
    """200 of them, whose first two values are at least 12 apart."""
    values = np.random.default_rng(0).integers(20, 236, (200, 12), np.uint8)
    values[:, 1] = values[:, 0] + np.where(np.arange(200) % 2, -12, 12)
    pixels = torch.from_numpy(values.reshape(200, 3, 2, 2))
    labels = torch.arange(200) % 2
    return Images(["less", "more"], [str(number) for number in range(200)], pixels, labels, [""] * 200)


def answers(content: bytes, pairs: Images) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, {"images": pairs.pixels.numpy()})
    return found


def right(content: bytes, pairs: Images) -> int:
    return int((answers(content, pairs)[0].argmax(1) == pairs.labels.numpy()).sum())


def calibrated(threshold: float, familiarity: Familiarity | None = None) -> Calibration:
    """A species can be relied upon from `threshold` on, and nothing else."""
    worth = {"validation_coverage": 1, "validation_accuracy": 1}
    return Calibration(temperature=1, threshold=threshold, threshold_rule="fixed", familiarity=familiarity, **worth)


def kinds(content: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(content).graph.node}


def test_all_layers_are_quantised_where_nothing_is_lost(pairs: Images) -> None:
    plain = network(1.0)
    content, found = quantization.quantized(plain, pairs.pixels, pairs.pixels, pairs.labels, 0.5)
    assert (found.n, found.right, found.right_float, found.float_layers) == (200, right(content, pairs), right(plain, pairs), [])
    assert found.right == 200
    assert found.other_side == 0
    assert "QuantizeLinear" in kinds(content)
    assert "QuantizeLinear" not in kinds(plain)


def test_layers_that_lose_what_decides_stay_in_float32(pairs: Images) -> None:
    content, found = quantization.quantized(network(WIDE), pairs.pixels, pairs.pixels, pairs.labels, None)
    assert {*found.float_layers} == {"narrow", "last"}
    assert (found.right, found.other_side) == (right(content, pairs), None)
    assert found.right >= 0.998 * found.right_float
    assert "QuantizeLinear" in kinds(content)


def test_images_that_change_sides_at_the_limit_count_as_lost(pairs: Images) -> None:
    distances = np.sort(answers(network(1.0), pairs)[1])
    limit = float((distances[99] + distances[100]) / 2)
    _, found = quantization.quantized(network(1.0), pairs.pixels, pairs.pixels, pairs.labels, limit)
    assert found.other_side is not None
    assert found.other_side <= quantization.LOST * 200


@pytest.mark.parametrize("limit", [None, 0.5])
def test_images_that_get_another_answer_are_counted(pairs: Images, limit: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "LOST", 1.0)  # those on the other side of the limit are not what is looked at
    plain, split = network(1.0), Split([*range(200)], [*range(200)], [], "digest")
    threshold = float(np.median(answers(plain, pairs)[0].max(1)))
    familiarity = None if limit is None else Familiarity(convolution=1, limit=limit, limit_rule="fixed", validation_share=0.5)
    content, found = quantization.of_split(plain, pairs, split, SPECIES, calibrated(threshold, familiarity))

    def said(network: bytes) -> np.ndarray:
        probabilities, distances = answers(network, pairs)
        sure = np.round(probabilities.max(1).astype(float), 7) >= threshold
        return np.where(sure & (limit is None or distances <= limit), probabilities.argmax(1), -1)

    assert found.other_answer == (said(content) != said(plain)).sum() > 0


def test_a_network_that_has_learnt_from_all_images_cannot_be_measured(pairs: Images) -> None:
    split = Split([*range(200)], [], [], "digest")
    with pytest.raises(RunError, match="leave int8 out of --format"):
        quantization.of_split(network(1.0), pairs, split, SPECIES, calibrated(0.5))
    halves = Split([*range(100)], [*range(100, 200)], [], "digest")
    assert quantization.of_split(network(1.0), pairs, halves, SPECIES, calibrated(0.5))[1].n == 100


@pytest.mark.slow
def test_export_and_convert_publish_it_with_what_it_is_worth(learnt: Path, images: Images, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(quantization, "LOST", 1.0)  # of a handful of drawn images one is more than the usual share
    folder = export.export(learnt, images, tmp_path, "seedlings", forms=("torchscript", "onnx", "int8"))
    manifest = store.verify(folder)
    assert isinstance(manifest, Manifest)
    assert manifest.int8 is not None
    assert (manifest.int8.n, manifest.int8.float_layers) == (manifest.training.images["validation"], [])
    assert {"model.pt", "model.onnx", "model.int8.onnx"} < {*manifest.files}
    told = f"Of {manifest.int8.n} validation images {manifest.int8.right} are right, in float32 {manifest.int8.right_float}."
    assert told in (folder / "card.md").read_text()
    assert f"{manifest.int8.other_answer} get another `answer`" in (folder / "card.md").read_text()
    again = convert(folder, tmp_path / "again", ("onnx", "int8"), images)
    assert store.read_manifest(again).int8 == manifest.int8
    assert told in (again / "card.md").read_text()
    loaded = engine.load(store.open_artifact(again), device="cpu", threads=1, batch_size=1, runtime="int8")
    assert loaded.predict_batch(images.pixels[:2].numpy()).probabilities.shape == (2, len(manifest.species))

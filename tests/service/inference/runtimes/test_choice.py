"""Every runtime answers as model.pt does, on real exports; what cannot be run, or answers otherwise, is refused and told."""

import functools
import hashlib
import io
import json
import logging
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from models_store import store
from models_store.manifest import Familiarity, Input
from models_store.republish import republish
from models_store.store import ArtifactCorrupt, ArtifactUnsuitable
from service.inference import engine
from service.inference.runtimes import choice
from service.inference.runtimes.runtime import Threads
from service.process import memory
from service.settings import BadSetting, Settings, from_environment
from tests import drawn, fakes
from tests.service.conftest import PATIENCE_S
from tests.training.conftest import Tiny
from training import networks
from training.artifact import compression, formats, torchscript
from training.artifact.ood_distance import Distance
from training.publishing import quantization

OTHERS = ("exported", "onnxruntime", "openvino")
OPTIONS = {"device": "cpu", "threads": 2, "streams": 2, "batch_size": 3}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small network with a distance, published in all formats."""
    torch.manual_seed(0)
    network = Tiny(3).eval().requires_grad_(requires_grad=False)
    images = torch.randint(0, 256, (4, 3, 150, 150), dtype=torch.uint8)
    activations = images.float() / 255
    for layer in network.convolutions[: networks.halfway(network)]:
        activations = layer(activations)
    distance = Distance(activations.mean((2, 3)).clamp(min=0).sqrt() + 0.1 * torch.rand(4, 1))
    network = compression.STORAGES["int8"](network)  # libraries round activations in front of such weights, unless told not to
    content = torchscript.to_torchscript(network, 0.05, distance)
    beside = formats.files(("pt2", "onnx"), network, 0.05, distance, torchscript.open_module(io.BytesIO(content)), images)
    labels = torch.from_numpy(answers_of(content, images).argmax(1))
    beside["model.int8.onnx"], _ = quantization.quantized(beside["model.onnx"], images, images, labels, None)
    familiarity = Familiarity(convolution=1, limit=1, limit_rule="fixed", validation_share=0.5)

    def describe(version: int, sha256: str, size_bytes: int):
        made = fakes.manifest(version, sha256, size_bytes, familiarity=familiarity)
        digests = {name: hashlib.sha256(body).hexdigest() for name, body in beside.items()}
        return made.model_copy(update={"files": made.files | digests, "input": Input(size=150)})

    return store.publish(tmp_path_factory.mktemp("store"), content, describe, lambda _: "# tiny\n", "seedlings", beside)


def answers_of(content, images):
    return torchscript.open_module(io.BytesIO(content))(images).detach().numpy()


def altered(exported, folder, change):
    """A copy of the version whose model.onnx is another one, named by its manifest."""
    copy = folder / "seedlings" / "1"
    shutil.copytree(exported, copy)
    document = json.loads((copy / "manifest.json").read_text())
    content = change((copy / "model.onnx").read_bytes())
    (copy / "model.onnx").write_bytes(content)
    document["files"]["model.onnx"] = hashlib.sha256(content).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(document))
    return copy


def otherwise(content: bytes) -> bytes:
    """The network with one of its weights changed."""
    import onnx

    model = onnx.load_from_string(content)
    weight = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    weight.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weight), weight.name))
    return model.SerializeToString()


@pytest.mark.parametrize("name", OTHERS)
def test_it_answers_as_torchscript_does_from_several_threads(exported, name):
    opened = functools.partial(store.open_artifact, exported)
    expected, loaded = engine.load(opened(), **OPTIONS), engine.load(opened(), **OPTIONS, runtime=name)
    random = np.random.default_rng(1)
    batches = [random.integers(0, 256, (n, 3, 3, 3), np.uint8).repeat(50, 2).repeat(50, 3) for n in (1, 2, 3, 5, 1, 2)]
    assert loaded.explainable
    np.testing.assert_allclose(loaded.saliency(batches[1], [0, 2]), expected.saliency(batches[1], [0, 2]), atol=1e-5)
    with ThreadPoolExecutor(2) as pool:
        for alone in (True, False):
            ask = functools.partial(loaded.predict_batch, alone=alone)
            for batch, found in zip(batches, pool.map(ask, batches), strict=True):
                theirs = expected.predict_batch(batch)
                np.testing.assert_allclose(found.probabilities, theirs.probabilities, rtol=0, atol=1e-4)
                np.testing.assert_allclose(found.distances, theirs.distances, rtol=1e-4)
    assert expected.predict_batch(batches[3]).probabilities.std(0).max() > 0.01  # images have answers of their own


def test_in_8_bits_it_answers_nearly_so_where_that_is_asked_for_alone(exported, caplog, monkeypatch):
    monkeypatch.setattr(choice, "MEASURED_S", 0.05)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 150, 150), np.uint8)
    expected = engine.load(store.open_artifact(exported), **OPTIONS).predict_batch(pixels)
    found = engine.load(store.open_artifact(exported), **OPTIONS, runtime="int8").predict_batch(pixels)
    assert 0 < np.abs(found.probabilities - expected.probabilities).max() < 0.2
    caplog.set_level(logging.INFO)
    engine.load(store.open_artifact(exported), **OPTIONS, runtime="auto")
    assert "int8" not in caplog.text


def test_a_version_without_the_file_is_refused_and_a_segmenter_without_it_is_served(tmp_path, caplog):
    with pytest.raises(ArtifactUnsuitable, match=r"has no model\.onnx, which SEEDLINGS_RUNTIME=openvino needs; .*--format onnx, or"):
        engine.load(store.open_artifact(fakes.publish(tmp_path)), **OPTIONS, runtime="openvino")
    opened = store.open_segmenter(fakes.publish_segmenter(tmp_path))
    segmenter = engine.load_segmenter(opened, Settings(store=tmp_path, device="cpu", runtime="exported"))
    assert segmenter.segment(np.zeros((3, 64, 64), np.uint8))[0].shape == (64, 64)
    convert = f"python -m training convert --artifact {opened.path} --store STORE --format pt2"
    assert f"seedlings-segmenter/1 has no model.pt2 and is served by torchscript; put it in with: {convert}" in caplog.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [(lambda _: b"no network", r"cannot run its model\.onnx"), (otherwise, r"answers otherwise than its model\.pt, by")],
)
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_file_that_is_not_the_network_is_refused(exported, tmp_path, name, change, reason):
    with pytest.raises(ArtifactCorrupt, match=reason):
        engine.load(store.open_artifact(altered(exported, tmp_path, change)), **OPTIONS, runtime=name)


def test_auto_takes_the_quickest_one_that_answers_alike_and_says_so(exported, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(choice, "MEASURED_S", 0.05)
    caplog.set_level(logging.INFO)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 150, 150), np.uint8)
    expected = engine.load(store.open_artifact(exported), **OPTIONS).predict_batch(pixels).probabilities
    monkeypatch.setattr(choice, "CLEARLY", 0.0)  # as if TorchScript were slow
    loaded = engine.load(store.open_artifact(exported), **OPTIONS, runtime="auto")
    np.testing.assert_allclose(loaded.predict_batch(pixels).probabilities, expected, atol=1e-4)
    assert "is served by torchscript;" not in caplog.text
    assert all(f"{name} " in caplog.text.split("images/s of a core:")[1] for name in ("torchscript", *OTHERS))
    monkeypatch.setattr(choice, "CLEARLY", 1e9)
    engine.load(store.open_artifact(altered(exported, tmp_path, otherwise)), **OPTIONS, runtime="auto")
    assert caplog.text.count("answers otherwise than its model.pt") == 2  # by ONNX Runtime and by OpenVINO
    assert "is served by torchscript;" in caplog.text


@pytest.mark.parametrize(("change", "runtime"), [(bytes, "onnxruntime"), (otherwise, "torchscript"), (lambda _: b"", "torchscript")])
def test_who_asks_little_gets_one_that_is_not_measured(exported, tmp_path, caplog, change, runtime):
    caplog.set_level(logging.INFO)
    path = altered(exported, tmp_path, change)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 150, 150), np.uint8)
    loaded = engine.load(store.open_artifact(path), **OPTIONS, runtime="auto", brief=True)
    expected = engine.load(store.open_artifact(path), **OPTIONS).predict_batch(pixels)
    for alone in (True, False):
        np.testing.assert_allclose(loaded.predict_batch(pixels, alone).probabilities, expected.probabilities, atol=1e-4)
    assert loaded.runtime == runtime
    assert f"seedlings/1 is served by {runtime}" in caplog.text
    assert "images/s" not in caplog.text


@pytest.mark.parametrize(
    ("limit", "workers", "second", "measures"),
    [
        (None, 8, "auto", True),
        (2**31, 1, "auto", True),
        (2**31, 2, "auto", False),
        (3 * 2**29, 1, "auto", False),  # two models do not fit
        (3 * 2**29, 1, "none", True),
        (2**30, 1, "none", False),
    ],
)
def test_a_small_container_measures_nothing(exported, tmp_path, caplog, monkeypatch, limit, workers, second, measures):
    monkeypatch.setattr(memory, "limit_bytes", lambda: limit)
    monkeypatch.setattr(choice, "MEASURED_S", 0.05)
    caplog.set_level(logging.INFO)
    settings = Settings(store=tmp_path, device="cpu", threads=1, max_batch=1, workers=workers, second_model=second)
    loaded = engine.load_as_set(store.open_artifact(exported), settings, lambda: True)
    assert ("images/s" in caplog.text) == measures
    assert measures or loaded.runtime == "onnxruntime"


def test_one_that_fails_while_it_is_measured_is_left_out(exported, caplog, monkeypatch):
    monkeypatch.setattr(choice, "MEASURED_S", 0.05)
    monkeypatch.setattr(choice, "CLEARLY", 1e9)  # else nothing is taken in its place
    batches = [np.random.default_rng(0).integers(0, 256, (n, 3, 150, 150), np.uint8) for n in (1, 3)]
    opened, threads = store.open_artifact(exported), Threads.of(2, 2)
    published = engine.TorchScriptModel(opened, torch.device("cpu"), threads).as_published(opened.manifest)

    def short_of_memory(images, alone):
        if not alone:
            raise MemoryError
        return published(images, alone)

    chosen = choice.choose("auto", opened, lambda: short_of_memory, published, batches, threads, on_cpu=True)
    assert chosen.name in OTHERS
    assert "is not served by torchscript: it failed while it was measured (MemoryError)" in caplog.text


def test_bfloat16_is_torchscripts(exported, caplog, monkeypatch):
    if not engine.computes_in_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    monkeypatch.setattr(choice, "CLEARLY", 0.0)  # as if TorchScript were slow
    load = functools.partial(engine.load, **OPTIONS, precision="bfloat16")
    assert load(store.open_artifact(exported), runtime="auto").runtime == "torchscript"
    assert load(store.open_artifact(exported), runtime="onnxruntime").runtime == "onnxruntime"
    assert "SEEDLINGS_PRECISION is bfloat16, which onnxruntime does not take" in caplog.text


def test_a_library_that_is_not_installed_is_named(exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "service.inference.runtimes.openvino", raising=False)
    with pytest.raises(BadSetting, match=r"SEEDLINGS_RUNTIME: openvino is not installed; .* -m pip install openvino"):
        from_environment({"SEEDLINGS_RUNTIME": "openvino", "SEEDLINGS_STORE": str(tmp_path)})
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BadSetting, match=r"SEEDLINGS_RUNTIME: onnxruntime is not installed; "):
        from_environment({"SEEDLINGS_RUNTIME": "int8", "SEEDLINGS_STORE": str(tmp_path)})
    with pytest.raises(engine.EngineError, match=r"pip install openvino"):
        engine.load(store.open_artifact(exported), **OPTIONS, runtime="openvino")
    assert not choice.installed("openvino")


def test_versions_are_changed_under_load_without_a_failed_request(exported, tmp_path, start):
    republish(tmp_path, exported, "seedlings")
    service = start(runtime="onnxruntime", deadline_s=PATIENCE_S)  # which a busy machine alone may pass
    photo, answers, done = drawn.encoded(drawn.plant(0, 1, 200), "PNG"), [], threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(service.client.post("/predict", params={"crop": "centre"}, content=photo))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        for version in (2, 3):
            republish(tmp_path, exported, "seedlings")
            service.wait_for(lambda: service.services.registry.current.version == str(version), f"version {version}")  # noqa: B023
    finally:
        done.set()
        for thread in asking:
            thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["model"]["version"] for answer in answers} >= {"1", "2"}
    found = [answer.json()["probability"] for answer in answers]
    assert max(found) - min(found) < 1e-6
    assert service.client.post("/explain", content=photo).status_code == 200


@pytest.mark.parametrize(("runtime", "file"), [("onnxruntime", "model.onnx"), ("int8", "model.int8.onnx")])
def test_a_damaged_file_that_is_mended_is_served(exported, tmp_path, start, runtime, file):
    folder = republish(tmp_path, exported, "seedlings")
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-1])
    service = start(runtime=runtime, ready=False)
    service.wait_for(lambda: service.client.get("/health").json()["refused"], "it is refused")
    (refused,) = service.client.get("/health").json()["refused"]
    assert f"{file} does not have the SHA-256" in refused["reason"]
    (folder / file).write_bytes(content)
    service.wait_ready()
    assert service.client.get("/health").json()["model"]["runtime"] == runtime
    assert f'seedlings_model_runtime{{model="seedlings",runtime="{runtime}"}} 1.0' in service.client.get("/metrics").text


@pytest.mark.parametrize(("beside", "runtime"), [("onnxruntime", "onnxruntime"), ("torchscript", "torchscript")])
def test_a_second_model_measures_nothing_and_runs_as_the_first(exported, tmp_path, caplog, beside, runtime):
    caplog.set_level(logging.INFO)
    settings = Settings(store=tmp_path, device="cpu", threads=1, max_batch=1)
    loaded = engine.load_as_set(store.open_artifact(exported), settings, lambda: True, beside=beside)
    assert loaded.runtime == runtime
    assert "images/s" not in caplog.text

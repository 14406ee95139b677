"""Loading verified artifacts: good ones answer, bad ones are refused with an error that names them."""

import dataclasses
import functools
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from models_store import store
from models_store.manifest import Familiarity
from models_store.store import ArtifactCorrupt
from service.errors import ModelFailed
from service.inference import cpu_graph, engine
from service.inference.runtimes import torchscript
from service.process import logs
from service.settings import Settings
from tests import fakes

OPTIONS = {"device": "cpu", "threads": 1, "batch_size": 3}
PATIENCE_S = 60.0  # a loaded machine is no failure


def load(path: Path) -> engine.Engine:
    return engine.load(store.open_artifact(path), **OPTIONS)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_answers_batches(publish_in, n: int) -> None:
    loaded = load(publish_in(fakes.Shares))
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    sums = pixels.astype(float).sum((2, 3))
    assert loaded.predict_batch(pixels).probabilities == pytest.approx(sums / sums.sum(1, keepdims=True), abs=1e-5)
    assert (loaded.version, loaded.size) == ("1", fakes.SIZE)


@pytest.mark.parametrize("network", [fakes.Logits, fakes.TooNarrow])
def test_refuses_what_gives_no_probabilities(publish_in, network: type) -> None:
    path = publish_in(network)
    with pytest.raises(ArtifactCorrupt, match=str(path)):
        load(path)


def test_refuses_what_is_no_torchscript(tmp_path: Path) -> None:
    path = store.publish(tmp_path, b"not a network", fakes.manifest, lambda _: "", "seedlings")
    with pytest.raises(ArtifactCorrupt, match=str(path)):
        load(path)


def test_a_raising_network_is_a_model_failure(publish_in) -> None:
    loaded = load(publish_in(fakes.Fragile))
    with pytest.raises(ModelFailed):
        loaded.predict_batch(np.zeros((1, 3, fakes.SIZE, fakes.SIZE), np.uint8))


def test_threads_hold_in_the_thread_that_infers(publish_in) -> None:
    loaded = load(publish_in(fakes.Shares))
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(torch.set_num_threads, 2).result()
            pool.submit(loaded.predict_batch, np.ones((1, 3, fakes.SIZE, fakes.SIZE), np.uint8)).result()
            assert pool.submit(torch.get_num_threads).result() == 1
    finally:
        torch.set_num_threads(before)


def test_a_batch_that_is_not_alone_has_its_share_of_the_threads(publish_in) -> None:
    loaded = engine.load(store.open_artifact(publish_in(fakes.Shares)), device="cpu", threads=4, streams=2, batch_size=1)
    pixels = np.ones((1, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    with ThreadPoolExecutor(1) as pool:
        for alone, threads in ((True, 4), (False, 2), (True, 4)):
            pool.submit(loaded.predict_batch, pixels, alone).result()
            assert pool.submit(torch.get_num_threads).result() == threads


def test_no_cuda_is_told(publish_in, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(engine.EngineError, match="SEEDLINGS_DEVICE"):
        engine.load(store.open_artifact(publish_in()), device="cuda", threads=1, batch_size=1)


def test_bfloat16_answers_nearly_the_same(publish_in) -> None:
    if not engine.computes_in_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    path = publish_in(fakes.Convolving)
    exact, rounded = (engine.load(store.open_artifact(path), **OPTIONS, precision=precision) for precision in ("float32", "bfloat16"))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    assert rounded.predict_batch(pixels).probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    assert rounded.predict_batch(pixels).probabilities == pytest.approx(exact.predict_batch(pixels).probabilities, abs=0.03)
    assert (rounded.predict_batch(pixels).probabilities != exact.predict_batch(pixels).probabilities).any()


@pytest.mark.parametrize("network", [fakes.Shares, fakes.Convolving])
def test_what_bfloat16_would_change_is_served_in_float32(publish_in, monkeypatch, caplog, network) -> None:
    monkeypatch.setitem(torchscript.TOLERANCE, torch.bfloat16, 0.0)  # where the processor has no bfloat16, that is the reason
    path = publish_in(network)
    loaded = engine.load(store.open_artifact(path), **OPTIONS, precision="bfloat16")
    assert "served in float32" in caplog.text
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    assert loaded.predict_batch(pixels).probabilities == pytest.approx(load(path).predict_batch(pixels).probabilities, abs=1e-5)


@pytest.mark.parametrize("missing", ["the processor", "oneDNN"])
def test_bfloat16_where_there_is_none_is_float32_and_told(publish_in, monkeypatch, caplog, missing: str) -> None:
    if missing == "oneDNN":  # whose limits torch's list does not know
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    path = publish_in(fakes.Convolving)
    loaded = engine.load(store.open_artifact(path), **OPTIONS, precision="bfloat16")
    assert "SEEDLINGS_PRECISION" in caplog.text
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    assert (loaded.predict_batch(pixels).probabilities == load(path).predict_batch(pixels).probabilities).all()


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("could not create a primitive")


class FailsForTwo(torch.nn.Module):
    """A quick forward pass that fails for one size of a batch, as kernels that depend on shapes may."""

    def __init__(self, rebuilt: torch.nn.Module) -> None:
        super().__init__()
        self.rebuilt = rebuilt

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if images.size(0) == 2:
            raise RuntimeError("could not create a primitive")
        probabilities, activations = self.rebuilt(images)
        return probabilities, activations


@pytest.mark.parametrize("where", ["freezing", "packing", "scripting", "running", "running two"])
def test_a_quicker_form_that_fails_is_a_warning(publish_in, monkeypatch, caplog, where: str) -> None:
    path = publish_in(fakes.Convolving)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    expected = load(path).predict_batch(pixels).probabilities
    assert not caplog.text
    rebuild = cpu_graph.rebuild
    if where == "freezing":
        monkeypatch.setattr(torch.jit, "freeze", fail)
    elif where == "packing":
        monkeypatch.setattr(cpu_graph.Convolution, "__init__", fail)
    elif where == "scripting":
        monkeypatch.setattr(torch.jit, "script", fail)
    elif where == "running":
        monkeypatch.setattr(torch.jit, "script", lambda _: fail)
    else:
        monkeypatch.setattr(cpu_graph, "rebuild", lambda *arguments: FailsForTwo(rebuild(*arguments)).eval())
    loaded = load(path)
    assert caplog.text.count("more slowly") == 1
    assert "fails here (could not create a primitive)" in caplog.text  # of TorchScript's many lines the one that says why
    assert loaded.predict_batch(pixels).probabilities == pytest.approx(expected, abs=1e-5)


class FailsOnce(torch.nn.Module):
    """A quick forward pass that has failed when it ran for the first time."""

    def __init__(self, rebuilt: torch.nn.Module) -> None:
        super().__init__()
        self.rebuilt = rebuilt
        self.runs = torch.zeros(1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.runs += 1
        if self.runs.item() == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        probabilities, activations = self.rebuilt(images)
        return probabilities, activations


def test_a_quicker_form_is_tried_again(publish_in, monkeypatch, caplog) -> None:
    monkeypatch.setattr(torchscript, "FIRST_PAUSE_S", 0.0)
    rebuild = cpu_graph.rebuild
    monkeypatch.setattr(cpu_graph, "rebuild", lambda *arguments: FailsOnce(rebuild(*arguments)).eval())
    loaded = load(publish_in(fakes.Convolving))
    assert caplog.text.count("more slowly") == 1
    loaded.predict_batch(np.zeros((4, 3, fakes.SIZE, fakes.SIZE), np.uint8))  # the size that had failed, when forms were compared
    assert caplog.text.count("quicker form works again") == 1


class FailsOnceThenDiffers(FailsOnce):
    """As FailsOnce, and from then on it answers wrongly."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.runs += 1
        if self.runs.item() == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        probabilities, activations = self.rebuilt(images)
        return probabilities.roll(1, 1), activations


def test_a_quicker_form_that_failed_at_first_is_compared_later(publish_in, monkeypatch) -> None:
    path = publish_in(fakes.Convolving)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    expected = load(path).predict_batch(pixels).probabilities
    rebuild = cpu_graph.rebuild
    monkeypatch.setattr(cpu_graph, "rebuild", lambda *arguments: FailsOnceThenDiffers(rebuild(*arguments)).eval())
    for _ in range(2):
        assert load(path).predict_batch(pixels).probabilities == pytest.approx(expected, abs=1e-5)


def test_what_fails_in_every_form_is_no_fault_of_the_quick_one(publish_in, monkeypatch, caplog) -> None:
    loaded = load(publish_in(fakes.Convolving))
    with pytest.raises(ModelFailed):
        loaded.predict_batch(np.zeros((1, 3, 3, 3), np.uint8))  # another size than its dense layer takes
    loaded.predict_batch(np.zeros((1, 3, fakes.SIZE, fakes.SIZE), np.uint8))
    assert not caplog.text


class Hungry(torch.nn.Module):
    """Needs more memory than any machine has."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.zeros(pixels.size(0), 1 << 50)


@pytest.mark.parametrize("where", ["reading", "allocating", "running"])
def test_too_little_memory_is_no_fault_of_the_artifact(publish_in, monkeypatch, where: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError if where == "reading" else RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 2 bytes")

    path = publish_in(Hungry if where == "running" else fakes.Shares)
    if where != "running":
        monkeypatch.setattr(torch.jit, "load", fail)
    with pytest.raises(engine.EngineError, match=str(path)):
        load(path)


def test_models_are_compiled_one_after_the_other(publish_in, monkeypatch) -> None:
    """The compiler's tables are of all threads."""
    path, rebuild = publish_in(fakes.Convolving), cpu_graph.rebuild
    at_work, most_at_work, both = [], [], threading.Barrier(2)

    def slowly(*arguments: object) -> torch.nn.Module | None:
        at_work.append(arguments)
        time.sleep(0.1)
        most_at_work.append(len(at_work))
        at_work.pop()
        return rebuild(*arguments)

    def load_with_the_other(_: int) -> str:
        both.wait(PATIENCE_S)
        return load(path).version

    monkeypatch.setattr(cpu_graph, "rebuild", slowly)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(load_with_the_other, range(2))) == ["1", "1"]
    assert most_at_work == [1, 1]


def test_what_torch_says_of_its_future_is_kept_back(publish_in) -> None:
    path = publish_in(fakes.Convolving)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        logs.quiet_libraries()
        load(path)
    assert [str(one.message) for one in seen] == []


def test_refuses_what_fails_on_a_batch_of_some_size(publish_in) -> None:
    with pytest.raises(ArtifactCorrupt, match="on 3 images at a time"):
        load(publish_in(FailsOnThree))


class FailsOnThree(fakes.Shares):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if pixels.size(0) == 3:
            raise RuntimeError("three")
        sums = pixels.float().sum(dim=[2, 3]) + 1e-3
        return sums / sums.sum(dim=1, keepdim=True)


def test_gives_up_warming_when_told(publish_in) -> None:
    loaded = engine.load(store.open_artifact(publish_in()), device="cpu", threads=1, batch_size=10**6, given_up=lambda: True)
    assert loaded.version == "1"


def test_the_distance_stands_beside_the_probabilities(publish_in) -> None:
    loaded = load(publish_in(fakes.Measured))
    pixels = np.stack([np.full((3, fakes.SIZE, fakes.SIZE), value, np.uint8) for value in (0, 51, 255)])
    answer = loaded.predict_batch(pixels)
    assert answer.probabilities == pytest.approx(np.full((3, 3), 1 / 3), abs=1e-6)  # grey speaks for all species alike
    assert answer.distances == pytest.approx([0, 0.2, 1], abs=1e-5)


def test_what_a_plant_view_sees_is_measured(publish_in, monkeypatch) -> None:
    """By the quick form and by the published one alike."""
    path = publish_in(fakes.PlantViewing)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    pixels[1] = 51
    quick = load(path).predict_batch(pixels)
    assert quick.distances[1] == pytest.approx(0.2, abs=1e-5)
    rebuilt = []
    monkeypatch.setattr(cpu_graph, "rebuild", lambda *arguments: rebuilt.append(arguments))
    published = load(path).predict_batch(pixels)
    assert rebuilt
    assert quick.probabilities == pytest.approx(published.probabilities, abs=1e-5)
    assert quick.distances == pytest.approx(published.distances, abs=1e-5)


def test_refuses_a_limit_without_a_distance(tmp_path: Path) -> None:
    known = Familiarity(convolution=1, limit=1, limit_rule="fixed", validation_share=1)
    describe = functools.partial(fakes.manifest, familiarity=known)
    path = store.publish(tmp_path, fakes.scripted(fakes.Halves), describe, lambda _: "", "seedlings")
    with pytest.raises(ArtifactCorrupt, match="distance"):
        load(path)


def test_without_a_distance_there_is_none(publish_in) -> None:
    loaded = load(publish_in(fakes.Shares))
    assert loaded.predict_batch(np.ones((2, 3, fakes.SIZE, fakes.SIZE), np.uint8)).distances is None


def test_saliency_of_several_species_in_one_batch(publish_in) -> None:
    loaded = load(publish_in(fakes.Halves))
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, fakes.SIZE, fakes.SIZE), np.uint8)
    together = loaded.saliency(pixels, [2, 0, 2])
    for image, species, found in zip(pixels, [2, 0, 2], together, strict=True):
        # The network sees means over 4 × 4 pixels, and each species is spoken for by one colour.
        by_hand = image[species].astype(float).reshape(fakes.SIZE // 4, 4, fakes.SIZE // 4, 4).mean((1, 3))
        assert found == pytest.approx(by_hand / by_hand.max(), abs=1e-5)
        assert (found == loaded.saliency(image[None], [species])[0]).all()


def test_a_segmenter_is_loaded_and_checked(tmp_path: Path) -> None:
    settings = Settings(store=tmp_path, threads=1, device="cpu")
    segmenter = engine.load_segmenter(store.open_segmenter(fakes.publish_segmenter(tmp_path)), settings)
    photo = np.zeros((3, 64, 128), np.uint8)
    photo[1, :16, :32] = 200
    plant, near, afar, _ = segmenter.segment(photo)
    assert (plant.shape, near.shape, afar.shape) == ((64, 128), (16, 32), (4, 8))
    assert plant.mean() == 1 / 16
    with pytest.raises(ArtifactCorrupt, match="the segmenter's output has a wrong shape; export it again"):
        engine.load_segmenter(store.open_segmenter(fakes.publish_segmenter(tmp_path, fakes.Broken)), settings)


@pytest.mark.parametrize(
    ("network", "stated", "lacking"),
    [
        (fakes.Measured, ["explain", "measure", "of-a-newer-release"], None),
        (fakes.Measured, [], None),
        (fakes.Halves, ["explain", "measure"], "measure"),
        (fakes.Shares, ["explain"], "explain"),
    ],
)
def test_a_model_can_do_what_its_manifest_says(tmp_path: Path, network: type, stated: list[str], lacking: str | None) -> None:
    opened = store.open_artifact(fakes.publish(tmp_path, network))
    opened = dataclasses.replace(opened, manifest=opened.manifest.model_copy(update={"capabilities": stated}))
    if lacking is None:
        assert engine.load(opened, **OPTIONS).explainable
        return
    with pytest.raises(ArtifactCorrupt, match=f"can {lacking}, its model cannot"):
        engine.load(opened, **OPTIONS)

"""Images unlike those trained on: told apart where the model can, and never answered with confidence."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models_store import store
from models_store.manifest import Familiarity
from service.__main__ import main
from service.inference import engine
from tests import fakes
from tests.service.conftest import Running, Start
from training import networks
from training.artifact import torchscript
from training.artifact.ood_distance import Distance

KNOWN, STRANGE = (200, 10, 10), (255, 10, 10)  # as sure of both, by probability


@pytest.fixture(scope="module")
def service(module_service: Start) -> Running:
    return module_service(network=fakes.Measured)


@pytest.mark.parametrize(("colour", "familiar"), [(KNOWN, True), (STRANGE, False)])
def test_an_unfamiliar_image_is_not_answered_with_confidence(service: Running, colour: tuple[int, int, int], familiar: bool) -> None:
    answer = service.client.post("/predict", content=fakes.image(colour)).json()
    assert answer["species"] == "Maize"
    assert answer["probability"] > 0.9
    assert answer["familiar"] is answer["confident"] is familiar


def test_unfamiliar_images_are_counted(start: Start, publish_in: Callable[..., Path]) -> None:
    publish_in(fakes.Measured)
    service = start()
    for colour in (KNOWN, STRANGE, STRANGE):
        service.client.post("/predict", content=fakes.image(colour))
    assert "seedlings_unfamiliar_total 2.0" in service.client.get("/metrics").text


def test_familiar_is_not_yet_confident(service: Running) -> None:
    answer = service.client.post("/predict", content=fakes.image((90, 90, 90))).json()
    assert (answer["familiar"], answer["confident"]) == (True, False)


def test_each_image_of_a_batch_by_itself(service: Running) -> None:
    files = [("files", (f"{i}.png", fakes.image(STRANGE if i % 3 else KNOWN))) for i in range(20)]
    results = service.client.post("/predict/batch", files=files).json()["results"]
    assert [result["prediction"]["familiar"] for result in results] == [i % 3 == 0 for i in range(20)]


def test_a_model_that_cannot_tell_says_nothing(start: Start, publish_in) -> None:
    publish_in(fakes.Halves)
    answer = start().client.post("/predict", content=fakes.image(STRANGE)).json()
    assert "familiar" not in answer
    assert answer["confident"] is True


@pytest.mark.parametrize("network", [fakes.Halves, fakes.Measured])
def test_the_command_line_says_the_same(
    network: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes.publish(tmp_path / "store", network)
    monkeypatch.setenv("SEEDLINGS_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("service.process.memory.keep_freed", lambda: None)  # it is for the rest of the process
    for name, colour in (("known", KNOWN), ("strange", STRANGE)):
        (tmp_path / f"{name}.png").write_bytes(fakes.image(colour))
    photos = [str(tmp_path / "known.png"), str(tmp_path / "strange.png")]
    told = network is fakes.Measured
    assert main(["predict", *photos, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["familiar"] for row in rows] == (["yes", "no"] if told else ["", ""])
    assert [row["confident"] for row in rows] == ["yes", "no" if told else "yes"]
    assert main(["predict", *photos, "--format", "json"]) == 0
    assert [result.get("familiar") for result in json.loads(capsys.readouterr().out)] == ([True, False] if told else [None, None])
    assert main(["predict", *photos]) == 0
    known, strange = capsys.readouterr().out.splitlines()
    assert "unlike" not in known
    assert ("unlike the photos it learned from" in strange) == told
    assert any(name in strange for name in fakes.NAMES) == (not told)  # a name would be taken for an answer


@pytest.mark.slow
def test_the_built_anew_forward_pass_measures_as_the_artifact_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = networks.build("base", len(fakes.NAMES)).eval()
    model = torchscript.to_torchscript(network, 0.7, Distance(torch.rand(600, 256)))
    known = Familiarity(convolution=3, limit=1, limit_rule="fixed", validation_share=1)

    def describe(version: int, sha256: str, size_bytes: int):
        manifest = fakes.manifest(version, sha256, size_bytes, familiarity=known)
        return manifest.model_copy(update={"input": manifest.input.model_copy(update={"size": 150})})

    path = store.publish(tmp_path, model, describe, lambda _: "# fake\n", "seedlings")
    loaded = engine.load(store.open_artifact(path), device="cpu", threads=1, batch_size=1)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 3, 150, 150), np.uint8)
    with torch.inference_mode():
        probabilities, distances = torchscript.load(path)[1].answer(torch.from_numpy(pixels))
    answer = loaded.predict_batch(pixels)
    assert answer.probabilities == pytest.approx(probabilities.numpy(), abs=1e-4)
    assert answer.distances == pytest.approx(distances.numpy(), rel=1e-3)

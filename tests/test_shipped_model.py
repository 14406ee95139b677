"""The shipped model on the real images: what the card says, what `evaluate` says and what the service answers agree."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from models_store import store
from service.settings import Settings
from tests import drawn
from tests.service.conftest import serve
from training.__main__ import main
from training.artifact import torchscript
from training.evaluation import synthetic_ood

FOLDER, FIELD = (store.resolve(store.SHIPPED_STORE, name) for name in ("seedlings", "seedlings-field"))
CROPS = ("Maize", "Common wheat", "Sugar beet")


@pytest.fixture(scope="module")
def evaluated(real_images, cache, tmp_path_factory):
    """`evaluate --json` of the shipped model on the test split."""
    folder, draw = tmp_path_factory.mktemp("evaluated"), synthetic_ood.draw
    options = ["--artifact", str(FOLDER), "--data", str(real_images), "--cache", str(cache), "--split", "test"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_ood, "draw", lambda _, seed: draw(1, seed))  # hundreds take their time, and no test here looks at them
        assert main(["evaluate", *options, "--json", str(folder / "figures.json")]) == 0
    return json.loads((folder / "figures.json").read_text())


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The service with the shipped model alone, which a store of its own, empty, leaves to answer."""
    with serve(Settings(store=tmp_path_factory.mktemp("empty"), second_model="none")) as running:
        running.wait_ready()
        yield running


def test_together_they_are_small():
    assert sum(file.stat().st_size for file in store.SHIPPED_STORE.rglob("*")) < 48_500_000


def test_its_onnx_file_answers_as_model_pt_does():
    images = np.random.default_rng(3).integers(0, 256, (4, 3, 150, 150), np.uint8)
    images[1:] = np.stack([drawn.plant(index, 0) for index in range(3)]).transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(FOLDER / "model.onnx", providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = torchscript.load(FOLDER)[1].answer(torch.from_numpy(images))
    for ours, theirs in zip(session.run(None, {"images": images}), expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("folder", [FOLDER, FIELD], ids=["seedlings", "seedlings-field"])
def test_it_is_what_its_manifest_says_and_small(folder):
    manifest = store.verify(folder)
    assert manifest.size_bytes <= 12_000_000
    assert manifest.training.parameters == 54_717_714
    assert f"{manifest.figures.accuracy:.2%}" in (folder / "card.md").read_text()


@pytest.mark.slow
def test_the_model_for_the_field_claims_no_species_and_knows_no_plant_where_there_is_none(real_images, tmp_path):
    photos = sorted((real_images / "Maize").iterdir())[:20]
    with serve(Settings(store=tmp_path, model="seedlings-field", max_batch=2)) as running:
        running.wait_ready()
        answers = [running.client.post("/predict", files={"file": photo.read_bytes()}).json() for photo in photos]
        blank = running.client.post("/predict", files={"file": drawn.encoded(Image.new("RGB", (300, 300), (90, 90, 90)), "PNG")}).json()
    assert sum(answer["species"] == "Maize" for answer in answers) >= 18
    assert not any(answer["confident"] for answer in [*answers, blank])
    assert sum(answer["familiar"] for answer in answers) >= 19
    assert blank["familiar"] is False
    assert blank["answer"] is None
    assert sum((answer["answer"] or {}).get("name") == "grass crop" for answer in answers) >= 10


@pytest.mark.slow
def test_evaluate_prints_what_the_card_states(evaluated):
    manifest = store.verify(FOLDER)
    assert evaluated["accuracy"] == pytest.approx(manifest.figures.accuracy, abs=1e-6)
    assert evaluated["confusion"] == manifest.figures.confusion
    assert evaluated["accuracy"] >= 0.91
    assert (evaluated["left_out"], evaluated["unknown_origins"]) == (0, [])


@pytest.mark.slow
def test_the_service_answers_with_the_same_probabilities(evaluated, service, real_images):
    for prediction in evaluated["predictions"][::20]:
        answer = service.client.post("/predict", files={"file": (real_images / prediction["file"]).read_bytes()}).json()
        assert list(answer["probabilities"].values()) == pytest.approx(prediction["probabilities"], abs=1e-5)
        assert list(answer["probabilities"]) == evaluated["species"]


@pytest.mark.slow
@pytest.mark.parametrize("crop", CROPS)
def test_nine_of_ten_photos_of_a_crop_are_recognised(evaluated, service, real_images, crop):
    of_crop = [prediction["file"] for prediction in evaluated["predictions"] if prediction["file"].startswith(crop)]
    photos = [(real_images / file).read_bytes() for file in of_crop[:30]]
    answers = [service.client.post("/predict", files={"file": photo}).json() for photo in photos]
    right = [answer["species"] == crop and answer["group"] == "crop" for answer in answers]
    assert sum(right) >= 0.9 * len(right)

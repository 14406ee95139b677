"""A network with a plant view is published and measured like any other."""

import pytest
import torch

from models_store import store
from training.artifact import torchscript
from training.fitting import loop, plant_view_segmenter
from training.publishing import export, gates, measured_model


@pytest.mark.slow
@pytest.mark.usefixtures("quick_gate")
def test_it_is_published_with_its_view_inside(fabric, recipe, images, parts, drawn_folder, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(plant_view_segmenter, "BATCH", 4)
    monkeypatch.setattr(
        gates, "check_better_than_guessing", lambda *_, **__: None
    )  # two epochs behind a segmenter of one step learn nothing
    plant_view_segmenter.train(images.pixels, images.pixels, None, [], 1, 0, tmp_path / "one.pt")
    recipe = recipe.model_copy(update={"plant_view": "alone", "epochs": 2})
    loop.fit(fabric, recipe, "plant", images, parts, tmp_path / "run", segmenter=tmp_path / "one.pt")
    folder = export.export(tmp_path / "run", images, tmp_path / "store", "seedlings", forms=("pt2", "onnx"))
    manifest, module = torchscript.load(folder)
    assert manifest.training.recipe["plant_view"] == "alone"
    familiarity = manifest.calibration.familiarity
    assert familiarity.convolution is None  # the texture of the plant is measured, not activations
    assert "look" in manifest.capabilities
    assert {"model.pt2", "model.onnx"} < {*store.verify(folder).files}
    assert "It sees the plant alone" in (folder / "card.md").read_text()
    run, artifact = measured_model.of_run(tmp_path / "run"), measured_model.of_artifact(folder)
    answers, distances = artifact.answers(images.pixels[:4])
    shown, texture = module.look(images.pixels[:4])
    assert shown.shape == (4, 3, 150, 150)
    assert torch.allclose(module.distance(texture), distances)
    assert torch.equal(answers.argmax(1), run.probabilities(images.pixels[:4]).argmax(1))
    soil = torch.full((1, 3, 150, 150), 90, dtype=torch.uint8)
    assert torch.isfinite(module(soil)).all()
    noise = torch.randint(0, 256, (4, 3, 150, 150), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert (module.answer(noise)[1] > familiarity.limit).all()

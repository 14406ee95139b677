"""What cuts plants out, trained for a few steps."""

import pytest
import torch

from training.data.masked_photos import MaskedSquares
from training.errors import RunError
from training.fitting import loop, plant_view_segmenter
from training.fitting.run_folder import load_best


@pytest.fixture(autouse=True)
def few(monkeypatch, quick_gate):
    """Small batches, and a checkpoint after each second step."""
    monkeypatch.setattr(plant_view_segmenter, "BATCH", 8)
    monkeypatch.setattr(plant_view_segmenter, "CHECKPOINT_STEPS", 2)


def green_discs():
    places = torch.arange(64) - 31.5
    mask = ((places[:, None] ** 2 + places**2) < 300).float().expand(16, 1, 64, 64)
    brown, green = (torch.tensor(colour)[:, None, None] for colour in ([0.45, 0.33, 0.25], [0.25, 0.6, 0.2]))
    pixels = torch.lerp(brown.expand(16, 3, 64, 64), green.expand(16, 3, 64, 64), mask).mul(255).to(torch.uint8)
    return MaskedSquares(pixels, mask.mul(255).to(torch.uint8), torch.ones(len(mask), dtype=torch.bool))


def test_the_loss_by_hand():
    plants = torch.zeros(1, 1, 10, 10)
    plants[..., :5] = 1
    sure = torch.where(plants > 0, 20.0, -20.0)
    assert float(plant_view_segmenter.mask_loss(sure, plants)) == pytest.approx(0, abs=1e-4)
    unsure = float(plant_view_segmenter.mask_loss(torch.zeros_like(plants), plants))
    assert unsure == pytest.approx(2 * 0.693147 + 0.3 * (1 - (2 * 25 + 30) / (50 + 50 + 30)), rel=1e-4)


def test_it_learns_and_is_read_again(tmp_path):
    discs = green_discs()
    before = plant_view_segmenter.iou(plant_view_segmenter.Segmenter().eval(), discs)
    trained = plant_view_segmenter.train(discs.pixels, discs.pixels, None, [discs], 40, 0, tmp_path / "one.pt")
    assert plant_view_segmenter.iou(trained, discs) > max(0.5, before)
    assert plant_view_segmenter.iou(plant_view_segmenter.load(tmp_path / "one.pt"), discs) == plant_view_segmenter.iou(trained, discs)
    assert [file.name for file in tmp_path.iterdir()] == ["one.pt"]  # no checkpoint


def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    discs = green_discs()
    whole = plant_view_segmenter.train(discs.pixels, discs.pixels, None, [], 6, 0, tmp_path / "whole.pt").state_dict()
    loss, calls = plant_view_segmenter.mask_loss, []

    def interrupted(logits, plants):
        calls.append(0)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return loss(logits, plants)

    monkeypatch.setattr(plant_view_segmenter, "mask_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plant_view_segmenter.train(discs.pixels, discs.pixels, None, [], 6, 0, tmp_path / "parts.pt")
    monkeypatch.setattr(plant_view_segmenter, "mask_loss", loss)
    with pytest.raises(RunError, match="is of another training"):
        plant_view_segmenter.train(discs.pixels, discs.pixels, None, [], 7, 0, tmp_path / "parts.pt")
    resumed = plant_view_segmenter.train(discs.pixels, discs.pixels, None, [], 6, 0, tmp_path / "parts.pt").state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.slow
def test_a_run_behind_it(tmp_path, fabric, images, parts, recipe):
    plant_view_segmenter.train(images.pixels, images.pixels, None, [], 2, 0, tmp_path / "one.pt")
    recipe = recipe.model_copy(update={"plant_view": "light", "epochs": 1})
    with pytest.raises(RunError, match="--segmenter FILE"):
        loop.fit(fabric, recipe, "plant", images, parts, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    loop.fit(fabric, recipe, "plant", images, parts, tmp_path / "run", segmenter=tmp_path / "one.pt")
    description, network, _ = load_best(tmp_path / "run")
    given = plant_view_segmenter.load(tmp_path / "one.pt").state_dict()
    kept = network.convolutions[0].segmenter.state_dict()
    assert all(torch.equal(kept[name], given[name]) for name in given)
    assert description.segmenter.startswith("one.pt@")
    with pytest.raises(RunError, match="has no plant_view"):
        loop.fit(fabric, recipe.model_copy(update={"plant_view": "off"}), "x", images, parts, tmp_path / "b", segmenter=tmp_path / "one.pt")


def test_what_is_no_segmenter_is_refused(tmp_path):
    with pytest.raises(RunError, match="is no segmenter"):
        plant_view_segmenter.load(tmp_path / "none.pt")
    torch.save({"segmenter": {}}, tmp_path / "empty.pt")
    with pytest.raises(RunError, match="holds no segmenter of this form"):
        plant_view_segmenter.load(tmp_path / "empty.pt")

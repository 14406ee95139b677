"""The segmenter of whole photos, trained for a few steps. Its commands are tested in tests/training/cli."""

import math
from pathlib import Path

import pytest
import torch

from training.data.masked_photos import MaskedSquares
from training.errors import RunError
from training.fitting import photo_segmenter
from training.fitting.fabric import make_fabric
from training.fitting.photo_segmenter import LabelledSquares, TrainingPlan, centre_loss, plant_loss


def test_the_loss_of_centres_counts_on_plants_alone():
    logits, hills = torch.zeros(2, 1, 16, 16), torch.zeros(2, 1, 16, 16)
    hills[0, 0, 4, 4] = 1
    plants = torch.zeros(2, 1, 64, 64)
    plants[:, :, 17, 17] = 1  # reaches nine places around its own
    known = torch.tensor([1.0, 0.0])
    assert float(centre_loss(logits, hills, plants, known)) == pytest.approx(math.log(2))
    logits[0, 0, 4, 4] = 20.0  # right on the hill
    logits[0, 0, 12:], logits[1] = 9.0, 9.0  # wrong far from plants, and where nothing is known
    assert float(centre_loss(logits, hills, plants, known)) == pytest.approx(8 / 9 * math.log(2), rel=1e-4)
    assert float(centre_loss(logits, hills, plants, 0 * known)) == 0


def test_the_loss_of_plants_is_cross_entropy_and_the_iou_of_each_source():
    plants = torch.zeros(3, 1, 20, 20)
    plants[:2, :, :10] = 1  # 200 pixels each; the third image is of another source, and bare
    sure = torch.where(plants > 0.5, 30.0, -30.0)
    assert float(plant_loss(sure, plants, [2, 1])) == pytest.approx(0, abs=1e-6)
    half = sure.clone()
    half[0] = -sure[0]  # all 400 pixels wrong: 200 of 400 plants found, 200 found that are none
    expected = 30 * 400 / 1200 + 1 - (2 * (200 + 15) / (600 + 15) + 1) / 3  # softened by 15 pixels
    assert float(plant_loss(half, plants, [2, 1])) == pytest.approx(expected, rel=1e-5)
    soft = 0.5 * plants + 0.25  # soft masks are found without a rest, too
    entropy = -(soft * soft.log() + (1 - soft) * (1 - soft).log()).mean()
    assert float(plant_loss(soft.logit(), soft, [3])) == pytest.approx(float(entropy), rel=1e-4)


def test_of_many_photos_fewer_squares_are_learnt_from():
    assert [photo_segmenter.squares_of_each(photos) for photos in (0, 500, 501, 2000, 10**6)] == [20, 20, 19, 5, 2]


def test_a_published_version_is_no_file_of_weights():
    with pytest.raises(RunError, match=r"seedlings-segmenter/14 is a published version; name the file .*--artifact"):
        photo_segmenter.load(Path("seedlings-segmenter/14"))


def test_a_folder_is_no_file_of_weights(tmp_path):
    with pytest.raises(RunError, match=r"is a folder; name the file .*--artifact"):
        photo_segmenter.load(tmp_path)


@pytest.mark.slow
def test_it_learns_from_masks(images, tmp_path):
    places = torch.arange(256) - 127.5
    mask = ((places[:, None] ** 2 + places**2) < 3600).float().expand(4, 1, 256, 256)
    brown, green = (torch.tensor(colour)[:, None, None] for colour in ([0.45, 0.33, 0.25], [0.25, 0.6, 0.2]))
    pixels = torch.lerp(brown.expand(4, 3, 256, 256), green.expand(4, 3, 256, 256), mask).mul(255).to(torch.uint8)
    field = LabelledSquares(
        "discs", MaskedSquares(pixels, mask.mul(255).to(torch.uint8), torch.ones(len(mask), dtype=torch.bool)), single=True
    )
    fabric = make_fabric("cpu")
    trained = photo_segmenter.train(
        fabric, images.pixels, None, [field], TrainingPlan(12, batch_size=2), tmp_path / "one.pt", split_digest="0"
    )
    with torch.inference_mode():
        plant, centre = trained.network(pixels.float() / 255)
        again = photo_segmenter.load(tmp_path / "one.pt").network(pixels.float() / 255)[0]
    inside, outside = plant[mask > 0.5].mean(), plant[mask < 0.5].mean()
    assert float(inside) > float(outside)
    assert centre.shape == (4, 1, 64, 64)
    assert torch.allclose(plant, again, atol=1e-4)
    assert trained.made_of.masks == ["discs"]


@pytest.mark.slow
@pytest.mark.parametrize("apart", [True, False])
def test_centres_of_plants_that_touch_are_not_learnt(images, tmp_path, monkeypatch, apart):
    mask = torch.zeros(2, 1, 256, 256, dtype=torch.uint8)
    mask[:, :, 90:160, 90:160] = 255
    masked = MaskedSquares(mask.expand(2, 3, 256, 256), mask, torch.full((2,), apart))
    loss, seen = photo_segmenter.centre_loss, []
    monkeypatch.setattr(photo_segmenter, "centre_loss", lambda *given: seen.append(given[3]) or loss(*given))
    given = (images.pixels, None, [LabelledSquares("squares", masked, single=True)], TrainingPlan(1, batch_size=2), tmp_path / "one.pt")
    photo_segmenter.train(make_fabric("cpu"), *given, split_digest="0")
    assert seen[0][2:].tolist() == [float(apart)] * 2  # behind two composed pictures


@pytest.mark.slow
def test_an_interrupted_training_ends_as_if_it_had_not_been(images, tmp_path, monkeypatch):
    monkeypatch.setattr(photo_segmenter, "CHECKPOINT_STEPS", 4)
    fabric, loss, calls = make_fabric("cpu", precision="32-true"), photo_segmenter.plant_loss, []

    def train(name, steps=11, backgrounds=None):  # more than twice as many as pictures are kept
        given = (images.pixels, backgrounds, [], TrainingPlan(steps, batch_size=1), tmp_path / name)
        return photo_segmenter.train(fabric, *given, split_digest="0").network.state_dict()

    def interrupted(*given):
        calls.append(0)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return loss(*given)

    whole = train("whole.pt")
    monkeypatch.setattr(photo_segmenter, "plant_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train("parts.pt")
    assert not (tmp_path / "parts.pt").exists()
    monkeypatch.setattr(photo_segmenter, "plant_loss", lambda *given: calls.append(0) or loss(*given))
    for others, differing in (({"steps": 12}, r"steps \(11 then, 12 now\)"), ({"backgrounds": images.pixels[:2]}, "pixels of photos")):
        with pytest.raises(RunError, match=f"parts.pt.part is of another training, with other {differing}[^(]*; remove it, or"):
            train("parts.pt", **others)
    torch.save({"weights": 1}, tmp_path / "other.pt.part")
    with pytest.raises(RunError, match="is of another training"):
        train("other.pt")
    calls.clear()
    resumed = train("parts.pt")
    assert len(calls) == 3  # of 11, eight were kept
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not (tmp_path / "parts.pt.part").exists()

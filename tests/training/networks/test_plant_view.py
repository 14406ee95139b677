"""A network that sees the plant alone."""

import io

import pytest
import torch
from torch import Tensor, nn

from training import networks
from training.artifact import compression, torchscript
from training.evaluation import predictions
from training.networks.plant_view import PlantView, Segmenter, view_of, with_plant_view

NEUTRAL = torch.tensor([0.45, 0.42, 0.38])


class Green(Segmenter):
    """Calls plant what is greener than red, and known any background that is not blue, in place of what is learnt."""

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        blue = images[:, 2].mean((1, 2)) > images[:, 0].mean((1, 2))
        return (images[:, 1:2] - images[:, :1]) * 1000, torch.where(blue, -20.0, 20.0)[:, None]


@pytest.fixture
def view():
    return PlantView(Green(), alone=True).eval()


def pictures(light=1.0):
    """A green square on red, twice."""
    images = torch.tensor([0.4, 0.2, 0.1])[:, None, None].expand(2, 3, 20, 20).clone()
    images[:, :, 5:15, 5:15] = torch.tensor([0.1, 0.4, 0.1])[:, None, None]
    return images * light


def test_the_segmenter_is_small_and_gives_a_logit_for_each_pixel():
    segmenter = Segmenter().eval()
    assert networks.parameters(segmenter) == 94_277
    with torch.no_grad():
        assert segmenter(torch.rand(2, 3, 150, 150)).shape == (2, 1, 150, 150)
        assert segmenter(torch.rand(1, 3, 32, 48)).shape == (1, 1, 32, 48)


def test_a_darker_photo_has_the_same_mask():
    torch.manual_seed(0)
    segmenter = Segmenter().eval()
    images = torch.rand(1, 3, 40, 40)
    with torch.no_grad():
        assert torch.allclose(segmenter(images), segmenter(images * 0.6), atol=0.1)


def test_background_is_neutral_and_the_plant_has_the_same_light(view):
    bright, dark = view(pictures()), view(pictures(0.3))
    assert torch.allclose(bright[:, :, 0, 0], NEUTRAL.expand(2, 3), atol=1e-4)
    plant = bright[0, :, 10, 10]
    assert float(plant @ torch.tensor([0.299, 0.587, 0.114])) == pytest.approx(0.38, abs=0.03)
    assert torch.allclose(plant / plant.sum(), torch.tensor([0.1, 0.4, 0.1]) / 0.6, atol=1e-3)  # its colour stays
    assert torch.allclose(bright, dark, atol=0.06)


def test_other_backgrounds_look_the_same(view):
    other = pictures()
    other[:, :, :5] = torch.tensor([0.9, 0.1, 0.8])[:, None, None]
    assert torch.allclose(view(pictures()), view(other), atol=0.005)


def test_in_the_light_of_the_plant_the_background_stays():
    lit = PlantView(Green(), alone=False).eval()
    bright, dark = lit(pictures()), lit(pictures(0.3))
    assert torch.allclose(bright, dark, atol=0.06)
    background = bright[0, :, 0, 0]
    assert torch.allclose(background / background[1], torch.tensor([2.0, 1.0, 0.5]), atol=1e-3)
    assert torch.allclose(bright[0, :, 10, 10] / background, torch.tensor([0.25, 2.0, 1.0]), atol=1e-2)


def test_without_a_plant_all_is_neutral(view):
    background = torch.tensor([0.5, 0.2, 0.2])[:, None, None].expand(1, 3, 16, 16)
    assert torch.allclose(view(background), NEUTRAL[:, None, None].expand(1, 3, 16, 16), atol=1e-4)


def test_behind_a_gate_a_known_background_stays_and_any_other_goes():
    gated, lit, alone = PlantView(Green(), True, gated=True).eval(), PlantView(Green(), False).eval(), PlantView(Green(), True).eval()
    blue = pictures()[:, [2, 1, 0]]
    assert torch.equal(gated(pictures()), lit(pictures()))
    assert torch.equal(gated(blue), alone(blue))


def test_in_training_some_images_lose_a_background_that_would_stay():
    torch.manual_seed(0)
    gated = PlantView(Green(), True, gated=True).train()
    corner = gated(pictures().repeat(100, 1, 1, 1))[:, :, 0, 0]
    gone = (corner - NEUTRAL).abs().max(1).values < 0.1
    assert 0.08 < float(gone.float().mean()) < 0.25


def test_masks_have_errors_in_training_alone(view):
    assert torch.equal(view(pictures()), view(pictures()))
    logits = torch.where(pictures()[:, 1:2] > 0.3, 6.0, -6.0).repeat(64, 1, 1, 1)
    torch.manual_seed(0)
    wrong = ((view.mistaken(logits) > 0) != (logits > 0)).float().mean((1, 2, 3))
    assert 0.1 < float((wrong > 0.01).float().mean()) < 0.6
    assert float(wrong.mean()) < 0.1


def test_the_network_behind_it_is_the_reports_to_the_last_weight():
    with torch.device("meta"):
        network = networks.build("base", 12, plant_view="alone")
        assert networks.parameters(network) == 54_717_714
        assert view_of(network) is not None
        assert view_of(networks.build("base", 12)) is None


def test_training_leaves_the_segmenter_alone():
    network = networks.build("tiny", 3, plant_view="alone").train()
    before = {name: tensor.clone() for name, tensor in view_of(network).segmenter.state_dict().items()}
    network(torch.rand(4, 3, 48, 48)).sum().backward()
    assert all(torch.equal(before[name], tensor) for name, tensor in view_of(network).segmenter.state_dict().items())
    assert all(parameter.grad is None for parameter in view_of(network).parameters())
    assert any(isinstance(layer, nn.BatchNorm2d) and layer.training for layer in network.convolutions[1:])


@pytest.mark.parametrize("stored", [lambda network: network, compression.store_halves], ids=["whole", "float16"])
@pytest.mark.parametrize("kind", ["alone", "gated"])
def test_it_is_part_of_the_artifact(stored, kind):
    torch.manual_seed(0)
    network = stored(with_plant_view(networks.build("tiny", 3), Segmenter(), kind).eval())
    pixels = torch.randint(0, 256, (3, 3, 150, 150), dtype=torch.uint8)
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, 2.0)))
    expected = (predictions.logits(network, pixels) / 2).softmax(1)
    assert torch.allclose(predictions.probabilities(module, pixels), expected, atol=1e-5)
    assert torch.allclose(predictions.probabilities(torchscript.freeze(module), pixels), expected, atol=1e-4)

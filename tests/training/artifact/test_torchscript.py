import io

import pytest
import torch

from training import networks
from training.artifact import compression, torchscript
from training.networks.photo_segmenter import PhotoSegmenter


@pytest.fixture
def network():
    torch.manual_seed(0)
    return networks.build("tiny", 5).eval()


def some_pixels(n=3):
    return torch.randint(0, 256, (n, 3, 150, 150), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", [lambda network: network, lambda network: compression.store_halves(compression.factorize(network, 8))])
def test_what_is_read_back_answers_as_what_was_written(network, make):
    served = make(network)
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(served, temperature=1.7)))
    pixels = some_pixels()
    with torch.no_grad():
        probabilities = module(pixels)
        assert torch.allclose(probabilities, (served(pixels.float() / 255) / 1.7).softmax(1), atol=1e-6)
        assert torch.allclose(module.classify(module.features(pixels)).softmax(1), probabilities, atol=1e-6)
    assert probabilities.dtype == torch.float32
    assert probabilities.shape == (3, 5)
    assert torch.allclose(probabilities.sum(1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("store", compression.STORAGES.values(), ids=compression.STORAGES)
def test_freezing_folds_the_storage_away(network, store):
    module = torchscript.open_module(io.BytesIO(torchscript.to_torchscript(store(network), 1.0)))
    frozen = torchscript.freeze(module)
    assert not {"Half", "Char", "aten::mul"} & set(str(frozen.graph).replace("(", " ").split())
    with torch.no_grad():
        assert torch.allclose(frozen(some_pixels()), module(some_pixels()), atol=1e-5)


def test_the_file_says_nothing_of_the_machine_it_was_made_on(network):
    model = torchscript.to_torchscript(compression.factorize(network, 2), 1.0)
    assert b"artifact.py" not in model
    assert b".debug_pkl" not in model
    assert model == torchscript.to_torchscript(compression.factorize(network, 2), 1.0)


@pytest.mark.parametrize("sides", [[3], [2], [2, 3]])
def test_a_segmenter_gives_mirrored_maps_of_a_mirrored_photo(sides):
    torch.manual_seed(0)
    network = PhotoSegmenter()
    with torch.no_grad():  # one that has learnt nothing says nearly the same everywhere
        for layer in (network.last, network.centre[-1]):
            layer.weight.mul_(300)
    segmenter = torchscript.open_module(io.BytesIO(torchscript.segmenter_to_torchscript(network)))
    photo = torch.randint(256, (1, 3, 64, 128), dtype=torch.uint8)
    photo[..., :20, :50] //= 4
    with torch.inference_mode():
        ahead, back = segmenter(photo), segmenter(photo.flip(sides))
        together = segmenter(torch.cat([photo, photo.flip(sides)]))
    assert [values.shape for values in ahead] == [(1, 64, 128), (1, 16, 32), (1, 4, 8)]
    for one, other, both in zip(ahead, back, together, strict=True):
        assert float(one.std()) > 1e-3
        assert torch.allclose(one.flip([side - 1 for side in sides]), other, atol=1e-4)
        assert torch.allclose(torch.cat([one, other]), both, atol=1e-4)


def test_evenness_is_told_by_the_deviation_beside_the_level():
    lights = torch.tensor([0.2, 0.8]).repeat_interleave(2)[:, None, None, None].expand(4, 3, 24, 24)
    stripes = 1 + torch.tensor([0.0, 0.03, 0.0, 0.03])[:, None, None, None] * torch.tensor([1.0, -1.0]).repeat(12)
    shares = torchscript.evenness(lights * stripes, 4, 0.02)
    assert shares.shape == (4, 1, 24, 24)
    assert shares[0].min() == shares[2].min() == 1
    within = shares[:, 0, 8:16, 8:16]  # at an image's edge the blocks beyond count as 0
    assert within[1].mean() == pytest.approx(2 - 0.03 * 0.2 / 0.21 / 0.02, abs=1e-3)
    assert within[3].mean() == pytest.approx(2 - 0.03 * 0.8 / 0.81 / 0.02, abs=1e-3)


def test_a_smooth_leaf_is_seen_from_afar():
    class FromAfarAlone(PhotoSegmenter):
        """A plant everywhere in a small image, none in a large one."""

        def forward(self, images):
            n, _, height, width = images.shape
            sign = 1 if width < 64 else -1
            return torch.full((n, 1, height, width), 5.0 * sign), torch.zeros(n, 1, height // 4, width // 4)

    photo = torch.full((1, 3, 64, 128), 120, dtype=torch.uint8)
    photo[..., 64:] = torch.randint(60, 180, (1, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    plant, _, _ = torchscript.ExportedSegmenter(FromAfarAlone())(photo)
    assert plant[..., 8:48].min() > 0.99
    assert plant[..., 72:].max() < 0.01

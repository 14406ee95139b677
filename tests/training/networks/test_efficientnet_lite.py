"""EfficientNet-Lite by its published counts, and padding by hand."""

import pytest
import torch
from torch import nn

from training import networks
from training.networks.efficientnet_lite import _Same, centred, efficientnet_lite0, pyramid

# Of the TensorFlow release, with ImageNet's 1,000 classes: 4.65, 5.42 and 6.09 million.
PUBLISHED = {"efficientnet-lite0": 4_652_008, "efficientnet-lite1": 5_416_680, "efficientnet-lite2": 6_092_072}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_with_the_classes_of_imagenet(name):
    with torch.device("meta"):
        assert networks.parameters(networks.build(name, 1000)) == PUBLISHED[name]


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "before", "after"),
    [(150, 3, 2, 0, 1), (75, 3, 2, 1, 1), (38, 5, 2, 1, 2), (19, 3, 2, 1, 1), (10, 5, 2, 1, 2), (38, 5, 1, 2, 2), (224, 3, 2, 0, 1)],
)
def test_padding_is_tensorflows(side, kernel, stride, before, after):
    padded = _Same(kernel, stride)(torch.ones(1, 1, side, side))
    assert padded.shape == (1, 1, side + before + after, side + before + after)
    assert (padded[0, 0, :before] == 0).all()
    assert (padded[0, 0, side + before :] == 0).all()
    assert torch.nn.functional.conv2d(padded, torch.ones(1, 1, kernel, kernel), stride=stride).shape[2] == -(-side // stride)


def test_stages_at_150_pixels():
    network = networks.build("efficientnet-lite0", 12).eval()
    sizes = []
    features = torch.zeros(1, 3, 150, 150)
    with torch.no_grad():
        for layer in network.convolutions:
            features = layer(features)
            if not sizes or sizes[-1] != features.shape[2]:
                sizes.append(features.shape[2])
    assert sizes == [150, 151, 75, 38, 19, 10, 5]
    assert features.shape == (1, 1280, 5, 5)
    assert float(features.max()) <= 6
    assert all(layer.eps == 1e-3 and layer.momentum == 0.01 for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))


@pytest.mark.parametrize("size", [(64, 96), (128, 32)])
def test_the_pyramid_gives_what_the_network_does(size):
    network = efficientnet_lite0(1).eval()
    images = torch.rand(1, 3, *size)
    with torch.no_grad():
        whole = network.convolutions(images)
        features = [centred(images)]
        for stage in pyramid(network):
            features.append(stage(features[-1]))
    assert torch.allclose(features[-1], whole, atol=1e-5)
    assert [tuple(one.shape[1:]) for one in features[1:5]] == [
        (channels, size[0] // stride, size[1] // stride) for channels, stride in ((16, 2), (24, 4), (40, 8), (112, 16))
    ]

"""A drawn data folder, and a network small enough to train in a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from tests import drawn
from training import networks
from training.data import split
from training.data.images import Images, load
from training.data.split import Split
from training.fitting import known_background
from training.fitting.fabric import make_fabric
from training.fitting.loop import fit
from training.networks.network import Network
from training.publishing import export
from training.recipe import Recipe


class Tiny(Network):
    """A network of the same two halves as the real ones, with norm and dropout, in a few thousand weights."""

    def __init__(self, species: int) -> None:
        super().__init__(
            nn.Sequential(
                nn.BatchNorm2d(3), nn.Conv2d(3, 8, 7, stride=4), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(8, 12, 3, stride=2), nn.ReLU()
            ),
            nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, species)),
        )


class Laborious(Tiny):
    """The network `tiny` after 24 convolutions of the whole image: dozens of times its work."""

    def __init__(self, species: int) -> None:
        super().__init__(species)
        self.convolutions = nn.Sequential(*(nn.Conv2d(3, 3, 7, padding=3) for _ in range(24)), *self.convolutions)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny layers are done sooner by one thread: several wait for each other at the end of each, for long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def tiny() -> Iterator[None]:
    """The network `tiny` stands among those a recipe can name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.NETWORKS, "tiny", Tiny)
        yield


@pytest.fixture(scope="session")
def drawn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 species × 12 drawn images; not to be written to."""
    return drawn.folder(tmp_path_factory.mktemp("drawn") / "data")


@pytest.fixture(scope="session")
def images(drawn_folder: Path, cache: Path) -> Images:
    """The drawn folder, decoded."""
    return load(drawn_folder, cache)


@pytest.fixture(scope="session")
def parts(images: Images) -> Split:
    """The split of the drawn folder."""
    return split.of(images)


@pytest.fixture(scope="session")
def fabric():
    """Lightning Fabric on the CPU, in float32."""
    return make_fabric("cpu", precision="32-true")


@pytest.fixture(scope="session")
def learnt(fabric, images: Images, parts: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the drawn folder that learnt something: what may be guessing is not published. Not to be written to."""
    settings = Recipe(network="tiny", epochs=20, batch_size=8, ema_decay=0.8, label_smoothing=0.0, optimizer={"learning_rate": 5e-3})
    folder = tmp_path_factory.mktemp("learnt") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.NETWORKS, "tiny", Tiny)  # a session begins before its packages
        fit(fabric, settings, "test", images, parts, folder)
    return folder


@pytest.fixture(scope="session")
def published(learnt: Path, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The version that `learnt` is exported as. Not to be written to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.NETWORKS, "tiny", Tiny)
        return export.export(learnt, images, tmp_path_factory.mktemp("published"), "seedlings")


@pytest.fixture
def quick_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate of a segmenter learns for a few steps: where it is asked for, what it learns is no matter."""
    monkeypatch.setattr(known_background, "STEPS", 10)


@pytest.fixture
def recipe() -> Recipe:
    """A recipe of a few seconds."""
    return Recipe(network="tiny", epochs=4, batch_size=8, ema_decay=0.9, label_smoothing=0.05, optimizer={"learning_rate": 3e-3})

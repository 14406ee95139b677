"""What may not be published as a segmenter. Whole publications are tested in tests/training/cli."""

from pathlib import Path

import pytest
import torch

from tests import fakes
from training.errors import RunError, TrainingError
from training.fitting import photo_segmenter as fitting
from training.fitting.photo_segmenter import SegmenterOrigin, TrainedSegmenter
from training.networks.photo_segmenter import PhotoSegmenter
from training.publishing import photo_segmenter


def trained() -> TrainedSegmenter:
    """Weights that have learnt nothing."""
    torch.manual_seed(0)
    return TrainedSegmenter(PhotoSegmenter().eval(), SegmenterOrigin(1, 0, [], None, "0", 1), "mine.pt", None)


def export(weights: Path, folder: Path, name: str = "mine") -> None:
    photo_segmenter.export(weights, folder / "store", name, [folder / "frames"], [], None)


@pytest.fixture
def weights(tmp_path):
    fitting.save(trained(), tmp_path / "mine.pt")
    return tmp_path / "mine.pt"


def test_weights_that_ran_away(tmp_path):
    ran_away = trained()
    next(ran_away.network.parameters()).data.view(-1)[0] = float("nan")
    fitting.save(ran_away, tmp_path / "mine.pt")
    with pytest.raises(RunError, match=r"mine\.pt holds numbers that are not finite"):
        export(tmp_path / "mine.pt", tmp_path)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["../x", "a b", "", "seedlings"])
def test_a_name_that_cannot_be_is_refused_first(name, tmp_path):
    fakes.publish(tmp_path / "store")
    with pytest.raises(TrainingError, match=r"cannot be a model's name|holds a model for classification"):
        export(tmp_path / "no weights", tmp_path, name)
    assert [str(found.relative_to(tmp_path)) for found in tmp_path.rglob("*") if found.is_dir()] == [
        "store",
        "store/seedlings",
        "store/seedlings/1",
    ]

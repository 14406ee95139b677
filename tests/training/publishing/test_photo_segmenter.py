"""What may not be published as a segmenter. Whole publications are tested in tests/training/cli."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models_store.manifest import PlantFigures
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
    photo_segmenter.export(str(weights), folder / "store", name, [folder / "frames"], [], None)


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


@pytest.fixture
def frames(tmp_path):
    """One photo of green discs, with a mask of these."""
    for name in ("frames", "masks"):
        (tmp_path / name).mkdir()
    photo = fakes.field([(100, 90, 40), (300, 120, 30)])
    photo.save(tmp_path / "frames" / "a.png")
    Image.fromarray((np.asarray(photo)[..., 1] > 100).astype(np.uint8)).save(tmp_path / "masks" / "a.png")
    return tmp_path / "frames"


@pytest.mark.slow
def test_what_is_worse_than_greenness_is_not_published(weights, frames, tmp_path):
    with pytest.raises(RunError, match=r"nothing was published: it finds plants worse than an excess green index .*IoU: .* beside 1\.000"):
        photo_segmenter.export(str(weights), tmp_path / "store", "mine", [frames], [], None)
    assert not (tmp_path / "store").exists()
    found = photo_segmenter.export(str(weights), tmp_path / "store", "mine", [frames], [], None, force=True)
    assert found.folder == tmp_path / "store" / "mine" / "1"
    (warning,) = found.warnings
    assert warning.startswith("published by --force: it finds plants worse than an excess green index")


def figures_of(folder: Path) -> PlantFigures:
    iou, fixed, otsu = {"mine": (0.2, 0.3, 0.1), "other": (0.2, 0.1, 0.3), "easy": (0.9, 0.8, 0.8)}[folder.name]
    ious = {"iou": iou, "green_fixed_iou": fixed, "green_otsu_iou": otsu}
    plants = dict.fromkeys(("plants", "precision", "recall", "f1", "count_error"))
    return PlantFigures(folder=folder.name, photos=1, learnt_from="nothing", least_side=30, **ious, **plants)


def test_the_better_threshold_of_greenness_counts_and_one_folder_is_enough(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(photo_segmenter, "figures", lambda _, masks, *__: [figures_of(folder) for folder in masks])
    with pytest.raises(RunError, match=r"IoU: mine 0\.200 beside 0\.300, other 0\.200 beside 0\.300"):
        photo_segmenter.export(str(weights), tmp_path / "store", "mine", [Path("mine"), Path("other")], [], None)
    assert photo_segmenter.export(str(weights), tmp_path / "store", "mine", [Path("mine"), Path("easy")], [], None).warnings == []


@pytest.mark.slow
def test_a_better_version_before_is_named(weights, frames, tmp_path):
    fakes.publish_segmenter(tmp_path / "store", name="mine")
    found = photo_segmenter.export(str(weights), tmp_path / "store", "mine", [frames], [], None, force=True)
    (figures,) = found.figures
    before = photo_segmenter.of_artifact(tmp_path / "store" / "mine" / "1")
    (better,) = photo_segmenter.figures(before, [frames], [], None)
    assert better.iou > figures.iou
    said = f"mine/1, which it takes the place of, is better on {tmp_path.name}: IoU {better.iou:.3f}, this one {figures.iou:.3f} "
    assert found.warnings[1].startswith(said)
    again = photo_segmenter.export(str(weights), tmp_path / "store", "mine", [frames], [], None, force=True)
    assert len(again.warnings) == 1  # as good as the one before
    (tmp_path / "store" / "mine" / "3" / "model.pt").write_bytes(b"damaged")
    again = photo_segmenter.export(str(weights), tmp_path / "store", "mine", [frames], [], None, force=True)
    assert again.warnings[1].startswith("it was not compared with the version before: ")

"""A run becomes a published version."""

import hashlib

import pytest
import torch

from models_store import store
from tests import fakes
from training import networks
from training.artifact import torchscript
from training.data.images import Images
from training.errors import DataError, DiskError, RunError, TrainingError
from training.evaluation import metrics, predictions
from training.fitting import run_folder
from training.publishing import export


def test_the_manifest_says_what_was_published(published, learnt, images, parts):
    manifest, module = torchscript.load(published)
    description, network, epoch = run_folder.load_best(learnt)
    beside = [file for file in published.iterdir() if file.name not in (store.MANIFEST, store.CARD)]
    assert manifest.files == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in beside}
    assert store.MODEL in manifest.files
    answers = predictions.probabilities(module, images.pixels[parts.test])
    expected = metrics.figures("test", images.species, answers, images.labels[parts.test])
    assert manifest.figures.ece == pytest.approx(expected.ece, abs=1e-6)  # sums of float32 differ by the batch
    # Those of answers are tests/training/artifact/test_thresholds.py's.
    assert manifest.figures.model_copy(update={"answers": None, "ece": 0.0}) == expected.model_copy(update={"ece": 0.0})
    assert [species.name for species in manifest.species] == images.species
    assert (manifest.training.network, manifest.training.epoch, manifest.training.seed) == ("tiny", epoch, 0)
    assert manifest.training.split_digest == parts.digest
    assert manifest.training.parameters == networks.parameters(network)
    assert manifest.training.recipe["name"] == description.recipe_name
    assert manifest.training.recipe["epochs"] == 20
    assert (manifest.compact, manifest.capabilities) == (None, ["explain", "measure"])


def test_the_temperature_is_inside(published, learnt, images):
    manifest, module = torchscript.load(published)
    _, network, _ = run_folder.load_best(learnt)
    pixels = images.pixels[:6]
    expected = (predictions.logits(network, pixels) / manifest.calibration.temperature).softmax(1)
    assert torch.allclose(predictions.probabilities(module, pixels), expected, atol=1e-5)


def test_a_compact_version_keeps_the_figures_of_the_whole_one(published, learnt, images, tmp_path):
    folder = export.export(learnt, images, tmp_path, "seedlings", rank=8, storage="int8")
    whole, small = store.read_manifest(published), store.read_manifest(folder)
    assert (small.compact.rank, small.compact.storage) == (8, "int8")
    assert small.compact.full_figures.accuracy == whole.figures.accuracy
    assert small.compact.full_figures.ece == pytest.approx(whole.figures.ece, abs=1e-5)
    assert small.training.parameters == whole.training.parameters
    # Its largest dense layer, 192 × 32, is 192 × 8 and 8 × 32 instead.
    assert whole.training.parameters - small.compact.parameters == 192 * 32 - 8 * (192 + 32)
    assert small.size_bytes < whole.size_bytes


def test_a_rank_that_the_layer_does_not_have_is_refused(learnt, images, tmp_path):
    with pytest.raises(RunError, match=r"--rank = 99: .*ranks from 1 to 32; give one of these"):
        export.export(learnt, images, tmp_path / "store", "seedlings", rank=99)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("name", "words"), [("../x", "cannot be a model's name"), ("seedlings-segmenter", "holds a model for segmentation")]
)
def test_a_name_that_cannot_be_is_refused_first(name, words, images, tmp_path):
    fakes.publish_segmenter(tmp_path / "store")
    with pytest.raises(TrainingError, match=words):
        export.export(tmp_path / "no run", images, tmp_path / "store", name)
    assert [found.name for found in tmp_path.iterdir()] == ["store"]
    assert [found.name for found in (tmp_path / "store").iterdir()] == ["seedlings-segmenter"]


def test_other_images_than_those_of_the_training_are_refused(learnt, images, tmp_path):
    fewer = Images(images.species, images.files[:-1], images.pixels[:-1], images.labels[:-1], images.digests[:-1])
    with pytest.raises(DataError, match="not the images of the training"):
        export.export(learnt, fewer, tmp_path, "seedlings")


def test_a_store_that_cannot_be_written_is_named(learnt, images, tmp_path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(DiskError, match="store/seedlings cannot be written"):
        export.export(learnt, images, tmp_path / "store", "seedlings")


@pytest.mark.slow
def test_other_formats_lie_beside_it_and_the_store_verifies_them(learnt, images, tmp_path):
    folder = export.export(learnt, images, tmp_path, "seedlings", forms=("torchscript", "pt2", "onnx"))
    manifest = store.verify(folder)
    assert {"model.pt", "model.pt2", "model.onnx"} < {*manifest.files}
    (folder / "model.onnx").write_bytes(b"altered")
    with pytest.raises(store.ArtifactCorrupt, match=r"model\.onnx does not have the SHA-256 of its manifest"):
        store.verify(folder)

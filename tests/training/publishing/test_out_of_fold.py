"""Thresholds from answers of networks that have not learnt from the images."""

import pytest
import torch

from models_store import store
from training.atomic_files import write_json
from training.data import split
from training.errors import RunError
from training.fitting import folds, run_folder
from training.fitting.loop import fit
from training.publishing import export, out_of_fold
from training.recipe import Recipe


@pytest.fixture(scope="module")
def folded(fabric, images, parts, tmp_path_factory):
    """A run with two folds, which learnt something; not to be written to."""
    settings = Recipe(
        network="tiny", epochs=40, batch_size=8, seed=1, ema_decay=0.8, label_smoothing=0.0, optimizer={"learning_rate": 5e-3}
    )
    folder = tmp_path_factory.mktemp("folded") / "run"
    fit(fabric, settings, "test", images, parts, folder)
    for number in (1, 2):
        fit(fabric, settings, "test", images, split.fold(images, parts, number, 2), folds.folder(folder, number))
    return folder


@pytest.mark.slow
def test_each_image_of_train_and_validation_is_answered_once(folded, images, parts):
    found = out_of_fold.answers(folded, images, lambda network: network)
    pool = parts.train + parts.validation
    assert (found.folds, len(found.labels)) == (2, len(pool))
    assert found.labels.bincount().tolist() == images.labels[pool].bincount().tolist()
    right = int((found.logits.argmax(1) == found.labels).sum())
    assert right == sum(one.right for one in folds.results(folded))


@pytest.mark.slow
def test_thresholds_are_chosen_on_them(folded, images, parts, tmp_path):
    version = export.export(folded, images, tmp_path, "seedlings", promise=0.6)
    calibration = store.read_manifest(version).calibration
    pool = len(parts.train + parts.validation)
    assert (calibration.folds, calibration.validation_answers.n) == (2, pool)
    assert "out-of-fold answers" in calibration.threshold_rule
    card = " ".join((version / store.CARD).read_text().split())
    assert "fitted on out-of-fold answers" in card
    assert "On validation" not in card


def test_none_without_folds(learnt, images):
    assert out_of_fold.answers(learnt, images, lambda network: network) is None


@pytest.mark.slow
def test_an_unfinished_fold_is_named(folded, images):
    file = folds.folder(folded, 2) / run_folder.DESCRIPTION
    before = run_folder.read_description(file.parent)
    kept = (file.parent / run_folder.METRICS).read_bytes()
    try:
        write_json(file, before.model_copy(update={"finished": False}).model_dump(mode="json"))
        run_folder.write_metrics(file.parent, run_folder.read_metrics(file.parent)[:3])
        with pytest.raises(RunError, match=r"fold 2 of 2 of .* is not finished"):
            out_of_fold.answers(folded, images, lambda network: network)
    finally:
        write_json(file, before.model_dump(mode="json"))
        (file.parent / run_folder.METRICS).write_bytes(kept)


@pytest.mark.slow
def test_a_fold_is_measured_as_a_run_is(folded, images, parts):
    description, _, _ = run_folder.load_best(folds.folder(folded, 1))
    assert description.fold == (1, 2)
    found = split.of_training(images, description.recipe, description.split_digest, description.fold)
    assert found == split.fold(images, parts, 1, 2)
    assert torch.equal(images.labels[found.test], images.labels[parts.test])

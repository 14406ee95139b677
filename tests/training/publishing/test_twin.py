"""A network that learnt from all images is published with what its twin has chosen."""

import dataclasses
import shutil

import pytest
import torch

from models_store import store
from models_store.learnt import FILE, Learnt
from tests import drawn
from training.artifact import torchscript
from training.data.images import load
from training.errors import DataError, RunError, TrainingError
from training.evaluation import metrics, predictions
from training.fitting import run_folder, weight_average
from training.fitting.loop import fit
from training.publishing import adaptation, appraisal, export, measured_model, recalibrate
from training.publishing import twin as twins

PROMISE = 0.4  # for which a handful of validation images is enough


@pytest.fixture(scope="module")
def refit(fabric, learnt, images, parts, tmp_path_factory):
    """The recipe of `learnt` on all images. Not to be written to."""
    folder = tmp_path_factory.mktemp("refit") / "run"
    fit(fabric, run_folder.read_description(learnt).recipe, "test", images, parts, folder, all_images=True)
    return folder


@pytest.fixture(scope="module")
def twin(learnt, images, tmp_path_factory):
    """The version that `learnt` is published as. Not to be written to."""
    return export.export(learnt, images, tmp_path_factory.mktemp("twin"), "seedlings", promise=PROMISE)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Other drawn plants of the same species, 8 each."""
    root = tmp_path_factory.mktemp("others")
    for number, name in enumerate(drawn.SPECIES[:3]):
        (root / name).mkdir()
        for seed in range(8):
            drawn.plant(number, 5000 + seed).save(root / name / f"{seed}.png")
    return root


@pytest.fixture
def outside(others, cache):
    return appraisal.ExternalFolders(measure={"others": others}, cache=cache)


def test_all_that_is_chosen_is_its_twin_s_and_all_that_is_measured_its_own(refit, twin, images, outside, others, cache, tmp_path):
    folder = export.export(refit, images, tmp_path, "seedlings", twin=twin, outside=outside)
    manifest, module = torchscript.load(folder)
    before = store.read_manifest(twin)
    assert store.verify(folder).calibration == before.calibration
    assert before.calibration.threshold is not None
    assert (manifest.twin.name, manifest.twin.figures) == (f"seedlings/1@{before.sha256[:12]}", before.figures)
    assert manifest.training.images == {"train": len(images.labels), "validation": 0, "test": 0}
    assert Learnt.read((folder / FILE).read_bytes()).holds_file(images.records).all()
    _, network, epoch = run_folder.load_best(refit)
    assert manifest.training.epoch == epoch == 20
    photos = load(others, cache)
    expected = (predictions.logits(network, photos.pixels) / before.calibration.temperature).softmax(1)
    answers = predictions.answers(module, photos.pixels)
    assert torch.allclose(answers.probabilities, expected, atol=1e-5)
    found = metrics.figures("others", images.species, answers.probabilities, photos.labels)
    assert manifest.figures.model_copy(update={"answers": None}) == found
    assert (manifest.elsewhere["others"].n, manifest.elsewhere["others"].accuracy) == (24, pytest.approx(found.accuracy))
    assert manifest.elsewhere["others"].familiar == float((answers.distances <= before.calibration.familiarity.limit).double().mean())


def test_the_card_says_so(refit, twin, images, outside, tmp_path):
    folder = export.export(refit, images, tmp_path, "seedlings", twin=twin, outside=outside, rank=None, storage="float32")
    card = " ".join((folder / store.CARD).read_text().split())
    name = store.read_manifest(folder).twin.name
    assert "It has learnt from all 36 images, so nothing can be measured on these. Its figures are those of 24 photos of others" in card
    assert f"Temperature, thresholds and the limit of its distance are those of its twin {name}" in card
    assert "fitted on validation of its twin, is inside the model." in card
    assert "| validation of its twin, where the thresholds were chosen |" in card
    assert f"| its twin {name}, test |" in card
    assert "| this model, others |" in card
    assert "Weights of epoch 20 of 20, the last" in card
    assert "| test |" not in card
    assert "24 others images are few" in card


def test_weights_of_another_epoch_are_said(refit, learnt, twin, images, outside, tmp_path):
    assert twins.other_epoch(20, 20) is None
    said = twins.other_epoch(20, 12)
    assert said is not None
    assert "of epoch 20 and its twin's of epoch 12" in said
    of_twin = twins.other_epoch(20, run_folder.load_best(learnt)[2])
    for other in (twin, learnt):
        warnings = store.read_manifest(
            export.export(refit, images, tmp_path, "seedlings", twin=other, outside=outside, promise=PROMISE)
        ).warnings
        assert [one for one in warnings if "twin's of epoch" in one] == ([of_twin] if of_twin else [])


def test_a_run_is_as_good_a_twin_as_the_version_that_it_becomes(refit, learnt, twin, images, outside, others, tmp_path):
    by_field = dataclasses.replace(outside, field={"field": shutil.copytree(others, tmp_path / "field")})
    folder = export.export(refit, images, tmp_path / "a", "seedlings", twin=learnt, outside=outside, promise=PROMISE)
    manifest, before = store.read_manifest(folder), store.read_manifest(twin)
    assert manifest.calibration == before.calibration
    assert manifest.twin.figures == before.figures
    assert manifest.twin.name.startswith("test.tiny.0@")
    chosen = store.read_manifest(
        export.export(refit, images, tmp_path / "b", "seedlings", twin=learnt, outside=by_field, promise=PROMISE, rank=8, storage="int8")
    )
    assert chosen.calibration.field_promise == PROMISE
    assert (chosen.elsewhere["field"].chosen_by, chosen.elsewhere["others"].chosen_by) == (True, False)
    assert (chosen.figures.split, chosen.compact.full_figures.split, chosen.compact.full_figures.n) == ("others", "others", 24)


def test_it_is_compared_with_the_version_before_on_photos_that_neither_has_learnt_from(refit, twin, images, outside, others, tmp_path):
    export.export(refit, images, tmp_path, "seedlings", twin=twin, outside=outside)
    (tmp_path / "others").mkdir()
    for number, name in enumerate(drawn.SPECIES[:3]):  # each under the name of the next species
        (others / name).rename(tmp_path / "others" / drawn.SPECIES[(number + 1) % 3])
    wrong = dataclasses.replace(outside, measure={"wrong": tmp_path / "others"})
    try:
        with pytest.raises(RunError, match="of 24 wrong images are answered rightly"):
            export.export(refit, images, tmp_path / "s", "seedlings", twin=twin, outside=wrong)
        folder = export.export(refit, images, tmp_path, "seedlings", twin=twin, outside=wrong, force=True)
    finally:
        for number, name in enumerate(drawn.SPECIES[:3]):
            (tmp_path / "others" / drawn.SPECIES[(number + 1) % 3]).rename(others / name)
    assert not [one for one in store.read_manifest(folder).warnings if "worse" in one]  # the same weights as the version before


def test_what_does_not_fit_together_is_refused(refit, learnt, twin, images, outside, others, tmp_path, fabric, parts):
    def refused(folder, message, error=RunError, **options):
        with pytest.raises(error, match=message):
            export.export(folder, images, tmp_path / "store", "seedlings", **({"outside": outside} | options))
        assert not (tmp_path / "store").exists()

    refused(refit, "none is left to choose thresholds on. Give a run or version .* with --twin DIR")
    refused(learnt, "has images to choose thresholds on; --twin is for a run of 'fit --all-images'", twin=twin)
    refused(refit, "--twin .* has learnt from all images itself", twin=refit)
    refused(refit, "published in another form, .* give --storage float32", twin=twin, rank=8, storage="int8")
    refused(refit, "name these photos by --measure in place of --field", twin=twin, outside=appraisal.ExternalFolders(field={"a": others}))
    refused(refit, "leave --promise out", twin=twin, promise=0.9)
    refused(refit, "with --measure NAME=DIR; they have to show each of the 3 species", DataError, twin=twin, outside=appraisal.NOWHERE)
    refused(refit, "is no run", twin=tmp_path)
    shorter = run_folder.read_description(learnt).recipe.model_copy(update={"epochs": 1})
    fit(fabric, shorter, "test", images, parts, tmp_path / "shorter")
    refused(refit, "it differs in recipe; fit the same recipe", twin=tmp_path / "shorter")


def test_nothing_of_it_is_measured_or_chosen_on_what_it_has_learnt_from(refit, twin, images, outside, fabric, tmp_path):
    folder = export.export(refit, images, tmp_path, "seedlings", twin=twin, outside=outside)
    for model in (measured_model.of_run(refit), measured_model.of_artifact(folder)):
        with pytest.raises(DataError, match=r"has learnt from all images, .* so nothing is left to measure on; measure it on other photos"):
            model.split(images)
    with pytest.raises(TrainingError, match=r"has its thresholds from seedlings/1@.*; recalibrate that, and export the run anew"):
        recalibrate.recalibrate(folder, images, tmp_path)
    nothing = adaptation.CorrectionFolders(tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"what it would forget cannot be measured; adapt seedlings/1@.*, its twin"):
        adaptation.adapt(fabric, nothing, tmp_path, tmp_path, "seedlings", tmp_path / "adapted")


def test_its_mean_with_a_run_that_has_not_learnt_from_all_images_is_refused(refit, learnt, tmp_path):
    with pytest.raises(RunError, match="or choice of images than"):
        weight_average.average([refit, learnt], tmp_path / "mean")

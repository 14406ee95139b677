"""What weights have learnt from, by their records or, of release 0.1, by their split."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from models_store import store
from models_store.learnt import FILE, Learnt
from training.data.images import Images
from training.data.split import Split
from training.errors import DataError, RunError, TrainingError
from training.fitting import plant_view_segmenter, provenance, run_folder
from training.fitting.loop import fit
from training.recipe import FieldScenes


def holds(found, images):
    return found.learnt.holds_file(images.records).nonzero()[0].tolist()


def few(looks):
    """Images in one row a look, which is a number: those of the same number are the same photo."""
    pixels = torch.stack([torch.from_numpy(np.random.default_rng(look).integers(0, 256, (3, 150, 150), np.uint8)) for look in looks])
    files, labels = [f"Maize/{row}" for row in range(len(looks))], torch.zeros(len(looks), dtype=torch.int64)
    return Images(["Maize"], files, pixels, labels, [hashlib.sha256(file.encode()).hexdigest() for file in files])


@pytest.mark.parametrize("version", ["1", "3"])
def test_of_the_shipped_versions_it_is_known(version):
    found = provenance.of_version(store.SHIPPED_STORE / "seedlings" / version)
    assert (len(found.learnt.records), found.unknown) == (3263, ())  # of 3,264 files two are the same


def test_a_run_keeps_it_and_one_of_release_0_1_needs_its_images(fabric, recipe, images, parts, tmp_path):
    fit(fabric, recipe, "test", images, parts, tmp_path)
    described = run_folder.read_description(tmp_path)
    assert holds(provenance.of_run(tmp_path, described), images) == parts.train
    (tmp_path / FILE).unlink()
    assert holds(provenance.of_run(tmp_path, described, images), images) == parts.train
    assert provenance.of_run(tmp_path, described).unknown == ("test.tiny.0",)
    gone = described.model_copy(update={"recipe": recipe.model_copy(update={"start": "seedlings/99"})})
    assert provenance.of_run(tmp_path, gone, images).unknown == ("seedlings/99",)
    (tmp_path / FILE).write_bytes(b"no records")
    with pytest.raises(RunError, match=r"learnt\.npy is damaged"):
        provenance.of_run(tmp_path, described)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_gate")
def test_a_teacher_and_a_segmenter_count(fabric, recipe, images, parts, tmp_path):
    fit(fabric, recipe, "teacher", images, parts, tmp_path / "teacher")
    cut, of_before = tmp_path / "cut.pt", tmp_path / "before.pt"
    plant_view_segmenter.train(images.pixels[:4], images.pixels[4:8], None, [], 1, 0, cut, provenance.of_images(images, [4, 7]).learnt)
    plant_view_segmenter.train(images.pixels[:4], images.pixels[4:8], None, [], 1, 0, of_before)
    assert holds(provenance.before(recipe, [tmp_path / "teacher"], cut, images), images) == sorted([*parts.train, 4, 7])
    assert provenance.before(recipe, [], of_before, images).unknown == ("before.pt",)
    assert provenance.before(recipe.model_copy(update={"start": "imagenet"}), [], None, images).unknown == ()


def test_photos_that_plants_are_set_on_count(fabric, recipe, images, parts, tmp_path):
    (tmp_path / "soils").mkdir()
    for row in (parts.validation[0], parts.test[0]):  # the photos themselves hold plants that are measured
        Image.fromarray(images.pixels[row].permute(1, 2, 0).numpy()).save(tmp_path / "soils" / f"{row}.png")
    on_photos = recipe.model_copy(update={"field": FieldScenes(share=0.5, photos=0.5), "epochs": 1})
    fit(fabric, on_photos, "test", images, parts, tmp_path / "run", backgrounds=[tmp_path / "soils"])
    found = provenance.of_run(tmp_path / "run", run_folder.read_description(tmp_path / "run"))
    files = sorted((tmp_path / "soils").iterdir())
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert {int(digest[:16], 16) for digest in digests} <= set(found.learnt.records[:, 0].tolist())
    seen = found.learnt.holds(images.records)  # by their look: the files are others
    assert seen[parts.validation[0]]
    assert seen[parts.test[0]]
    assert run_folder.read_description(tmp_path / "run").left_out.get("test", 0) >= 1
    (files[0]).write_bytes(b"no photo")
    with pytest.raises(DataError, match=files[0].name):
        provenance.of_photos(files)
    assert len(provenance.of_photos([]).learnt.records) == 0


def test_the_same_look_is_left_out_but_within_one_folder_by_the_reports_rule():
    images = few([0, 1, 2, 3, 1, 5, 6, 7])  # the fifth looks as the second
    parts = Split(train=[0, 1], validation=[2, 3], test=[4, 5, 6], digest="")
    own = provenance.of_images(images, parts.train).learnt
    assert provenance.held_out(images, parts, "report", own).left_out == {}
    assert provenance.held_out(images, parts, "content", own).left_out == {"test": 1}
    elsewhere = Learnt(np.array([[1, images.records[5, 1]]], np.uint64))  # the sixth, by another run, in other bytes
    held = provenance.held_out(images, parts, "report", own | elsewhere)
    assert (held.left_out, held.test, held.validation) == ({"test": 1}, [4, 6], [2, 3])
    before = provenance.of_images(images, [0, 1, 2, 6]).learnt
    assert provenance.held_out(images, parts, "report", own | before).left_out == {"validation": 1, "test": 1}


def test_nothing_left_to_measure_on_is_told():
    images = few(range(4))
    parts = Split(train=[0], validation=[1], test=[2, 3], digest="")
    with pytest.raises(DataError, match="all test images are among those that were learnt from"):
        provenance.held_out(images, parts, "report", provenance.of_images(images, [0, 2, 3]).learnt)


def test_a_version_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TrainingError, match=r"manifest\.json is missing"):
        provenance.of_version(tmp_path)

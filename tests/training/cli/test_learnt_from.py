"""Nothing is measured on images that the weights have learnt from, be it in other bytes or by the version that they started from."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_store import store
from models_store.learnt import FILE, Learnt
from tests import drawn
from tests.training.cli.conftest import RECIPE
from training.__main__ import main
from training.data import split
from training.data.images import load
from training.fitting import plant_view_segmenter, run_folder


def known(version):
    return Learnt.read((version / FILE).read_bytes())


def without_records(version):
    """As release 0.1 published it."""
    file = version / store.MANIFEST
    manifest = json.loads(file.read_text())
    del manifest["files"][FILE]
    file.write_text(json.dumps(manifest))
    (version / FILE).unlink()


@pytest.fixture
def grown(folder, tmp_path):
    """The data folder with nine images more of each species, under names between the others."""
    for species in ("Maize", "Charlock", "Sugar beet"):
        shutil.copytree(folder / species, tmp_path / "grown" / species)
        for number in range(9):
            drawn.plant(drawn.SPECIES.index(species), 100 + number).save(tmp_path / "grown" / species / f"{number:03}-b.png")
    return tmp_path / "grown"


@pytest.fixture
def call(cache):
    """Call a command; figures are read by `printed`."""
    return lambda command, *options: main([command, *map(str, options), "--cache", str(cache)])


@pytest.fixture
def printed(call, capsys):
    def read(*options):
        capsys.readouterr()
        assert call("evaluate", *options, "--json") == 0
        return json.loads(capsys.readouterr().out)

    return read


def test_what_a_start_has_learnt_from_is_left_out_and_said(call, grown, published, cache, tmp_path, capsys):
    recipe = tmp_path / "again.toml"
    recipe.write_text(f'start = "{published}"\n' + RECIPE.replace("epochs = 20", "epochs = 1").replace("5e-3", "1e-5"))
    images = load(grown, cache)
    parts = split.of(images)
    seen = {name: int(known(published).holds_file(images.records[parts.rows(name)]).sum()) for name in ("validation", "test")}
    assert seen["test"] > 4  # the split of more images is another one
    assert call("fit", "--recipe", recipe, "--data", grown, "--run", tmp_path / "again", "--device", "cpu") == 0
    counts = f"{seen['validation']} of {len(parts.validation)} validation images and {seen['test']} of {len(parts.test)} test images"
    assert f"{counts} are among those that the weights learn from or began with" in capsys.readouterr().out
    described = run_folder.read_description(tmp_path / "again")
    assert described.left_out == seen
    assert described.images["test"] == len(parts.test) - seen["test"]
    assert call("export", "--run", tmp_path / "again", "--data", grown, "--store", tmp_path / "store") == 0
    version = tmp_path / "store" / "seedlings" / "2"
    manifest = store.verify(version)
    assert (manifest.figures.n, manifest.training.left_out) == (len(parts.test) - seen["test"], seen)
    assert known(version).holds_file(known(published).records).all()
    assert known(version).holds_file(images.records[parts.train]).all()
    card = " ".join((version / store.CARD).read_text().split())
    assert f"{seen['test']} test images of the split are left out of all figures" in card
    before = store.read_manifest(published)
    assert f"from the weights of seedlings/1@{before.sha256[:12]}." in card
    assert str(published) not in card
    told = f"{seen['test']} of the test images were learnt from, here or by the weights that training began with"
    assert any(warning.startswith(told) for warning in manifest.warnings)
    assert "which had learnt from none of those that are counted." in card


@pytest.mark.slow
def test_by_content_an_added_image_takes_none_from_the_figures(call, folder, grown, tmp_path, capsys):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('split = "content"\n' + RECIPE)
    second.write_text(f'split = "content"\nstart = "{tmp_path / "store" / "seedlings" / "1"}"\n' + RECIPE.replace("= 20", "= 1"))
    assert call("fit", "--recipe", first, "--data", folder, "--run", tmp_path / "first", "--device", "cpu") == 0
    assert call("export", "--run", tmp_path / "first", "--data", folder, "--store", tmp_path / "store") == 0
    assert call("fit", "--recipe", second, "--data", grown, "--run", tmp_path / "second", "--device", "cpu") == 0
    assert "left out" not in capsys.readouterr().out
    assert run_folder.read_description(tmp_path / "second").left_out == {}


def test_the_same_photos_in_other_bytes_are_left_out(printed, call, folder, published, cache, tmp_path, capsys):
    images = load(folder, cache)
    learnt = known(published).holds_file(images.records)
    other = tmp_path / "other"
    for file in images.files:
        target = other / Path(file).with_suffix(".jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(folder / file).resize((220, 220)).save(target, quality=70)
    found = printed("--artifact", published, "--images", other)
    assert found["left_out"] == learnt.sum() > 40
    assert found["n"] == (~learnt).sum()
    assert found["unknown_origins"] == []
    assert printed("--artifact", published, "--data", other, "--split", "all")["n"] == (~learnt).sum()
    for row in np.flatnonzero(~learnt):
        (other / Path(images.files[row]).with_suffix(".jpg")).unlink()
    assert call("evaluate", "--artifact", published, "--images", other) == 1
    assert "has learnt from all images in" in capsys.readouterr().err


def test_of_an_older_release_it_is_known_by_the_images_of_the_training(printed, folder, grown, published, finished):
    whole = printed("--artifact", published, "--data", folder, "--split", "all")
    without_records(published)
    assert printed("--artifact", published, "--data", folder, "--split", "all") == whole
    unknown = printed("--artifact", published, "--images", grown)
    assert (unknown["left_out"], unknown["unknown_origins"]) == (0, ["seedlings/1"])


def test_of_an_older_release_it_is_said_that_it_is_not_known(call, grown, published, tmp_path, capsys):
    without_records(published)
    assert call("evaluate", "--artifact", published, "--images", grown) == 0
    assert "what seedlings/1 had learnt from is not known, so these images may be among them" in capsys.readouterr().out
    recipe = tmp_path / "again.toml"
    recipe.write_text(f'start = "{published}"\n' + RECIPE.replace("= 20", "= 1"))
    assert call("fit", "--recipe", recipe, "--data", grown, "--run", tmp_path / "again", "--device", "cpu") == 0
    assert "what seedlings/1 had learnt from is not known; figures on images" in capsys.readouterr().out
    # Forced: how good one epoch is depends on the processor.
    assert call("export", "--run", tmp_path / "again", "--data", grown, "--store", tmp_path / "store", "--force") == 0
    assert store.read_manifest(tmp_path / "store" / "seedlings" / "2").training.unknown_origins == ["seedlings/1"]


@pytest.mark.slow
def test_photos_with_masks_that_a_segmenter_learns_from_count(call, folder, tmp_path):
    for name in ("frames", "masks"):
        (tmp_path / "patch" / name).mkdir(parents=True)
    photo = drawn.plant(1, 900, 220)  # none of the data folder
    photo.save(tmp_path / "patch" / "frames" / "1.png")
    Image.fromarray((np.asarray(photo)[..., 2] < 80).astype(np.uint8)).save(tmp_path / "patch" / "masks" / "1.png")
    file = tmp_path / "patch" / "frames" / "1.png"
    digest = int(hashlib.sha256(file.read_bytes()).hexdigest()[:16], 16)
    assert call("segmenter", "--data", folder, "--masks", file.parent, "--steps", 1, "--out", tmp_path / "cut.pt") == 0
    assert digest in plant_view_segmenter.learnt(tmp_path / "cut.pt").records[:, 0].tolist()


def test_what_was_learnt_from_is_no_split_to_measure_on(folder, published, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "--artifact", str(published), "--data", str(folder), "--split", "train"])
    assert "choose from" in capsys.readouterr().err


@pytest.mark.slow
def test_a_network_of_all_images_has_its_twin_s_thresholds_and_no_figures_on_a_split(
    call, run_command, folder, published, tmp_path, capsys
):
    for species in drawn.SPECIES[:3]:
        (tmp_path / "others" / species).mkdir(parents=True)
        for seed in range(6):
            drawn.plant(drawn.SPECIES.index(species), 7000 + seed).save(tmp_path / "others" / species / f"{seed}.png")
    assert run_command("fit", "--run", tmp_path / "all", "--all-images") == 0
    options = ["--run", tmp_path / "all", "--store", tmp_path / "store", "--measure", f"others={tmp_path / 'others'}"]
    assert run_command("export", *options) == 1
    assert "with --twin DIR, and photos to measure on with --measure NAME=DIR" in capsys.readouterr().err
    assert run_command("export", *options, "--twin", published) == 0
    told = capsys.readouterr().out
    assert "of 6 others images right" in told
    assert "on 18 others images" in told
    version = tmp_path / "store" / "seedlings" / "2"
    assert store.verify(version).calibration == store.read_manifest(published).calibration
    for model in (["--artifact", version], ["--run", tmp_path / "all"]):
        for part in ("validation", "test", "all"):
            assert run_command("evaluate", *model, "--split", part) == 1
            assert "has learnt from all images" in capsys.readouterr().err
        assert call("evaluate", *model, "--images", tmp_path / "others") == 0
        assert "18" in capsys.readouterr().out

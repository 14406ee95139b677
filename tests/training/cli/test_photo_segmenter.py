"""`photo-segmenter fit`, `evaluate` and `export`, in a few steps."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from models_store import pixels, plants, store
from models_store.photo_maps import Maps
from tests import fakes
from training.__main__ import main
from training.fitting import write_lock
from training.publishing import photo_segmenter

pytestmark = pytest.mark.slow


@pytest.fixture
def field(tmp_path):
    """Four photos of three plants, which lie elsewhere on each."""
    for name in ("patch", "patch/frames", "patch/masks"):
        (tmp_path / name).mkdir()
    for number, (x, y) in enumerate(((200, 90), (200, 300), (330, 90), (330, 300))):
        photo = fakes.field([(x, y, 40), (530 - x, 200, 30), (x + 80, 390 - y, 30)])
        photo.save(tmp_path / "patch" / "frames" / f"{number}.png")
        Image.fromarray((np.asarray(photo)[..., 1] > 100).astype(np.uint8)).save(tmp_path / "patch" / "masks" / f"{number}.png")
    return tmp_path / "patch" / "frames"


def test_from_masks_to_a_published_version(folder, cache, field, tmp_path, capsys):
    first, second = tmp_path / "one.pt", tmp_path / "two.pt"
    fit = ["fit", "--recipe", "segmenter", "--data", str(folder), "--cache", str(cache), "--device", "cpu", "--batch-size", "2"]
    assert main([*fit, "--steps", "2", "--out", str(first)]) == 0
    more = ["--start", str(first), "--plant-masks", str(field), "--half", "first"]
    assert main([*fit, "--steps", "3", "--out", str(second), *more]) == 0
    capsys.readouterr()
    assert main(["photo-segmenter", "evaluate", "--weights", str(second), "--masks", str(field), "--json", str(tmp_path / "f.json")]) == 0
    assert "patch: IoU of plants" in capsys.readouterr().out
    (figures,) = json.loads((tmp_path / "f.json").read_text())
    assert (figures["photos"], figures["plants"], figures["learnt_from"]) == (4, None, "2 of these photos")
    publish = ["photo-segmenter", "export", "--force", "--weights", str(second), "--store", str(tmp_path / "store")]
    assert main([*publish, "--plant-masks", str(field), "--half", "second"]) == 0
    folder = tmp_path / "store" / "seedlings-segmenter" / "1"
    manifest = store.verify(folder)
    (figures,) = manifest.figures
    assert (manifest.task, figures.photos, figures.plants) == ("segmentation", 2, 6)
    assert figures.learnt_from == "2 other photos of this folder"
    assert (manifest.training.masks, manifest.training.start, manifest.training.steps) == (["patch:first"], "one.pt", 3)
    third = ["--steps", "1", "--out", str(tmp_path / "three.pt"), "--start", str(folder)]
    assert main([*fit, *third]) == 0
    kept = torch.load(tmp_path / "three.pt")
    assert (kept["made_of"]["start"], kept["made_of"]["masks"]) == ("seedlings-segmenter/1", ["patch:first"])
    assert len(kept["learnt"]) == len(torch.load(second)["learnt"])
    assert main([*fit, "--out", str(tmp_path / "four.pt"), "--start", "nowhere/9"]) == 1
    assert "nowhere/9 is neither a file of weights nor a published version" in capsys.readouterr().err
    card = (folder / store.CARD).read_text()
    assert f"| {figures.iou:.3f} |" in card
    assert "Add the source and licence of these images here" in card
    assert "Plant Seedlings" not in card
    assert main(["photo-segmenter", "evaluate", "--artifact", str(folder), "--plant-masks", str(field), "--half", "second"]) == 0
    assert f"IoU of plants {figures.iou:.3f}" in capsys.readouterr().out


def test_a_classifier_of_clumps_is_published_with_the_segmenter(folder, cache, field, tmp_path, capsys, monkeypatch):
    """By a segmenter of two steps, in whose place greenness finds the parts that it learns from."""
    weights, both, data = tmp_path / "one.pt", tmp_path / "both.pt", ["--data", str(folder), "--cache", str(cache)]
    assert main(["photo-segmenter", "fit", *data, "--device", "cpu", "--batch-size", "2", "--steps", "2", "--out", str(weights)]) == 0

    def by_green(measured, photo):
        scaled = pixels.resized(photo, plants.map_size(photo.shape[2], photo.shape[1], measured.input))
        red, green, blue = scaled.astype(np.float32)
        index = 2 * green - red - blue
        plant = (index >= np.quantile(index, 0.75)).astype(np.float32)
        return Maps(plant, 0 * plant[::4, ::4], 0 * plant[::16, ::16], plant)

    with monkeypatch.context() as patched:
        patched.setattr(photo_segmenter.MeasuredSegmenter, "segment", by_green)
        clumps = ["photo-segmenter", "clumps", "--weights", str(weights), *data, "--pictures", "80", "--epochs", "1", "--out", str(both)]
        assert main(clumps) == 0
    said = capsys.readouterr().out
    assert "80 of 80" not in said  # a line every 800 pictures
    export = ["photo-segmenter", "export", "--force", "--store", str(tmp_path / "store"), "--masks", str(field)]
    assert main([*export, "--weights", str(both)]) == 0
    version = tmp_path / "store" / "seedlings-segmenter" / "1"
    manifest = store.verify(version)
    found = manifest.clumps
    assert f"of {found.several} parts with several validation plants {found.passed} pass as one plant" in said
    assert (manifest.capabilities, manifest.thresholds.clump) == (["clumps"], photo_segmenter.CLUMP)
    assert f"{found.called} of {found.single} single plants are called a clump" in (version / store.CARD).read_text()
    assert main([*export, "--weights", str(version)]) == 0  # a version, published anew
    again = store.verify(version.with_name("2"))
    assert (again.files, again.clumps, again.training) == (manifest.files, manifest.clumps, manifest.training)
    capsys.readouterr()
    kept = torch.load(both)
    kept["made_of"]["split_digest"] = "0"
    torch.save(kept, weights)
    capsys.readouterr()
    assert main([*clumps[:-1], str(tmp_path / "other.pt")]) == 1
    assert "has learnt from other images; name those in --data" in capsys.readouterr().err


def test_weights_that_learnt_from_all_photos_have_the_figures_of_their_twin(folder, cache, field, tmp_path, capsys):
    half, every = tmp_path / "half.pt", tmp_path / "all.pt"
    fit = ["photo-segmenter", "fit", "--data", str(folder), "--cache", str(cache), "--device", "cpu", "--batch-size", "2", "--steps", "2"]
    assert main([*fit, "--out", str(half), "--plant-masks", str(field), "--half", "first"]) == 0
    assert main([*fit, "--out", str(every), "--plant-masks", str(field)]) == 0
    publish = ["photo-segmenter", "export", "--force", "--store", str(tmp_path / "store"), "--plant-masks", str(field), "--half", "second"]
    assert main([*publish, "--weights", str(half)]) == 0
    twin = tmp_path / "store" / "seedlings-segmenter" / "1"
    assert main([*publish, "--weights", str(every), "--twin", str(twin)]) == 0
    one, two = (store.verify(twin.with_name(number)) for number in "12")
    said = "all of them; these are the figures of seedlings-segmenter/1, which learnt from 2 other photos of this folder"
    assert two.figures == [one.figures[0].model_copy(update={"learnt_from": said})]
    assert two.training.masks == ["patch"]
    capsys.readouterr()
    assert main([*fit[:-1], "3", "--out", str(tmp_path / "more.pt"), "--plant-masks", str(field)]) == 0
    assert main([*publish, "--weights", str(tmp_path / "more.pt"), "--twin", str(twin)]) == 1
    assert "is no twin: it differs in steps" in capsys.readouterr().err


def test_a_folder_as_cvat_exports_it_needs_no_masks(folder, cache, field, tmp_path, capsys):
    home = field.parent
    (home / "annotations").mkdir()
    corners = [160, 50, 240, 50, 240, 130, 160, 130]
    images = [{"id": i, "file_name": f"{i}.png", "width": 512, "height": 384} for i in range(4)]
    plants = [{"image_id": i, "segmentation": [corners]} for i in range(4)]
    (home / "annotations" / "instances_default.json").write_text(json.dumps({"images": images, "annotations": plants}))
    for mask in (home / "masks").iterdir():
        mask.unlink()
    (home / "masks").rmdir()
    weights = tmp_path / "one.pt"
    fit = ["fit", "--recipe", "segmenter", "--data", str(folder), "--cache", str(cache), "--device", "cpu", "--batch-size", "2"]
    assert main([*fit, "--steps", "2", "--out", str(weights), "--masks", str(home)]) == 0
    assert "wrote 4 masks" in capsys.readouterr().out
    assert main(["photo-segmenter", "evaluate", "--weights", str(weights), "--masks", str(home)]) == 0
    assert "on 4 photos" in capsys.readouterr().out


def test_photos_are_known_by_any_name_and_in_other_bytes(folder, cache, field, tmp_path, capsys):
    """Here those of the first half as a JPEG in a folder of another name, and the others in one of the same name."""
    weights, data = tmp_path / "one.pt", ["--data", str(folder), "--cache", str(cache)]
    fit = ["photo-segmenter", "fit", *data, "--device", "cpu", "--batch-size", "2", "--steps", "1", "--out", str(weights)]
    assert main([*fit, "--plant-masks", str(field), "--half", "first"]) == 0
    export = ["photo-segmenter", "export", "--force", "--weights", str(weights), "--store", str(tmp_path / "store")]
    assert main([*export, "--masks", str(field)]) == 0
    for name, numbers in (("renamed", "01"), ("other/patch", "23")):
        for inside in ("frames", "masks"):
            (tmp_path / name / inside).mkdir(parents=True)
        for number in numbers:
            (tmp_path / name / "masks" / f"{number}.png").write_bytes((field.parent / "masks" / f"{number}.png").read_bytes())
            Image.open(field / f"{number}.png").save(tmp_path / name / "frames" / f"{number}.jpg", quality=80)
    version = tmp_path / "store" / "seedlings-segmenter" / "1"
    capsys.readouterr()
    for what in (["--weights", str(weights)], ["--artifact", str(version)]):
        folders = [str(tmp_path / name / "frames") for name in ("renamed", "other/patch")]
        assert main(["photo-segmenter", "evaluate", *what, "--masks", *folders]) == 0
        said = [line.partition("learnt from: ")[2] for line in capsys.readouterr().out.splitlines()]
        assert said == ["these photos", "no photo of this folder, but of one of this name"]


def test_weights_that_do_not_say_their_images_are_told_by_their_folders(folder, cache, field, tmp_path, capsys):
    first, second = tmp_path / "old.pt", tmp_path / "two.pt"
    data = ["--data", str(folder), "--cache", str(cache)]
    fit = ["photo-segmenter", "fit", *data, "--device", "cpu", "--batch-size", "2", "--steps", "1", "--masks", str(field)]
    assert main([*fit, "--out", str(first)]) == 0
    kept = torch.load(first)
    del kept["learnt"]
    torch.save(kept, first)
    assert main([*fit, "--out", str(second), "--start", str(first)]) == 0
    for weights in (first, second):
        capsys.readouterr()
        assert main(["photo-segmenter", "evaluate", "--weights", str(weights), "--masks", str(field)]) == 0
        assert "learnt from: not recorded; masks of patch" in capsys.readouterr().out


def test_photos_that_plants_were_set_on_count_as_learnt_from(folder, cache, field, tmp_path, capsys):
    (tmp_path / "soils").mkdir()
    fakes.field([]).save(tmp_path / "soils" / "1.png")
    fit = ["photo-segmenter", "fit", "--data", str(folder), "--cache", str(cache), "--device", "cpu", "--batch-size", "2", "--steps", "1"]
    for backgrounds, words in ((tmp_path / "soils", "learnt from: no photo of this folder"), (field, "learnt from: these photos")):
        weights = tmp_path / f"{backgrounds.name}.pt"
        assert main([*fit, "--out", str(weights), "--background-photos", str(backgrounds)]) == 0
        capsys.readouterr()
        assert main(["photo-segmenter", "evaluate", "--weights", str(weights), "--masks", str(field), "--half", "second"]) == 0
        assert words in capsys.readouterr().out


def test_it_learns_from_a_field_without_a_bare_place(folder, cache, field, tmp_path, capsys):
    for mask in (field.parent / "masks").iterdir():
        Image.new("L", (512, 384), 1).save(mask)
    fit = ["photo-segmenter", "fit", "--data", str(folder), "--cache", str(cache), "--device", "cpu", "--batch-size", "2", "--steps", "1"]
    assert main([*fit, "--masks", str(field), "--out", str(tmp_path / "one.pt")]) == 0
    assert "by their masks plants cover these photos" in capsys.readouterr().out
    assert main([*fit, "--masks", str(field), "--background-photos", str(field), "--out", str(tmp_path / "two.pt")]) == 1
    assert f"{field}: plants cover every part" in capsys.readouterr().err


def test_what_is_wrong_is_said(tmp_path, field, published, capsys):
    (tmp_path / "none.pt").write_bytes(b"")
    for weights, words in ((tmp_path / "missing.pt", "is not there"), (tmp_path / "none.pt", "none.pt")):
        assert main(["photo-segmenter", "evaluate", "--weights", str(weights), "--masks", str(field)]) == 1
        assert words in capsys.readouterr().err
    assert main(["photo-segmenter", "evaluate", "--weights", str(tmp_path / "missing.pt")]) == 1
    assert "--masks or --plant-masks" in capsys.readouterr().err
    classifier = tmp_path / "store" / "seedlings" / "1"
    assert main(["photo-segmenter", "evaluate", "--artifact", str(classifier), "--masks", str(field)]) == 1
    assert "is a classifier; what is wanted here is a segmenter" in capsys.readouterr().err
    assert main(["photo-segmenter", "evaluate", "--artifact", "seedlings/3", "--masks", str(field)]) == 1  # one that comes with the project
    assert "is a classifier" in capsys.readouterr().err
    assert main(["photo-segmenter", "evaluate", "--artifact", "seedlings-segmenter/99", "--masks", str(field)]) == 1
    assert "seedlings-segmenter/99/manifest.json is missing; so is its folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["photo-segmenter", "fit"], ["segmenter"], ["photo-segmenter", "clumps", "--weights", "none.pt"]])
def test_where_weights_would_go_is_looked_at_first(command, tmp_path, capsys):
    finished = tmp_path / "mine.pt"
    finished.write_bytes(b"weights")
    for out, words in ((tmp_path, "is a folder; name a file in it with --out"), (finished, "is there already, and would be overwritten")):
        assert main([*command, "--data", str(tmp_path / "none"), "--out", str(out)]) == 1
        assert words in capsys.readouterr().err
    finished.with_name("mine.pt.part").write_bytes(b"interrupted")
    assert main([*command, "--data", str(tmp_path / "none"), "--out", str(finished)]) == 1
    assert "would be overwritten" not in capsys.readouterr().err


@pytest.mark.parametrize("command", [["photo-segmenter", "fit"], ["segmenter"]])
def test_two_do_not_write_one_file(command, folder, cache, tmp_path, capsys):
    out = tmp_path / "mine.pt"
    with write_lock.of_file(out):
        assert main([*command, "--data", str(folder), "--cache", str(cache), "--steps", "1", "--out", str(out)]) == 1
    assert f"another process is writing {out}" in capsys.readouterr().err
    assert not list(tmp_path.glob("*mine*"))

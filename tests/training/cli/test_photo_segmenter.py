"""`photo-segmenter fit`, `evaluate` and `export`, in a few steps."""

import json

import numpy as np
import pytest
from PIL import Image

from models_store import store
from tests import fakes
from training.__main__ import main
from training.fitting import write_lock

pytestmark = pytest.mark.slow


@pytest.fixture
def field(tmp_path):
    """Four photos of three plants."""
    for name in ("patch", "patch/frames", "patch/masks"):
        (tmp_path / name).mkdir()
    for number in range(4):
        photo = fakes.field([(90 + 10 * number, 90, 40), (300, 120, 30), (420, 300, 30)])
        photo.save(tmp_path / "patch" / "frames" / f"{number}.png")
        Image.fromarray((np.asarray(photo)[..., 1] > 100).astype(np.uint8)).save(tmp_path / "patch" / "masks" / f"{number}.png")
    return tmp_path / "patch" / "frames"


def test_from_masks_to_a_published_version(folder, cache, field, tmp_path, capsys):
    first, second = tmp_path / "one.pt", tmp_path / "two.pt"
    fit = ["photo-segmenter", "fit", "--data", str(folder), "--cache", str(cache), "--device", "cpu", "--batch-size", "2"]
    assert main([*fit, "--steps", "2", "--out", str(first)]) == 0
    more = ["--start", str(first), "--plant-masks", str(field), "--half", "first"]
    assert main([*fit, "--steps", "3", "--out", str(second), *more]) == 0
    capsys.readouterr()
    assert main(["photo-segmenter", "evaluate", "--weights", str(second), "--masks", str(field), "--json", str(tmp_path / "f.json")]) == 0
    assert "patch: IoU of plants" in capsys.readouterr().out
    (figures,) = json.loads((tmp_path / "f.json").read_text())
    assert (figures["photos"], figures["plants"], figures["learnt_from"]) == (4, None, "these photos")
    publish = ["photo-segmenter", "export", "--weights", str(second), "--store", str(tmp_path / "store")]
    assert main([*publish, "--plant-masks", str(field), "--half", "second"]) == 0
    folder = tmp_path / "store" / "seedlings-segmenter" / "1"
    manifest = store.verify(folder)
    (figures,) = manifest.figures
    assert (manifest.task, figures.photos, figures.plants) == ("segmentation", 2, 6)
    assert figures.learnt_from == "the other half of this folder's photos"
    assert (manifest.training.masks, manifest.training.start, manifest.training.steps) == (["patch:first"], "one.pt", 3)
    card = (folder / store.CARD).read_text()
    assert f"| {figures.iou:.3f} |" in card
    assert "Add the source and licence of these images here" in card
    assert "Plant Seedlings" not in card
    assert main(["photo-segmenter", "evaluate", "--artifact", str(folder), "--plant-masks", str(field), "--half", "second"]) == 0
    assert f"IoU of plants {figures.iou:.3f}" in capsys.readouterr().out


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


def test_what_is_wrong_is_said(tmp_path, field, published, capsys):
    (tmp_path / "none.pt").write_bytes(b"")
    for weights, words in ((tmp_path / "missing.pt", "is not there"), (tmp_path / "none.pt", "none.pt")):
        assert main(["photo-segmenter", "evaluate", "--weights", str(weights), "--masks", str(field)]) == 1
        assert words in capsys.readouterr().err
    assert main(["photo-segmenter", "evaluate", "--weights", str(tmp_path / "missing.pt")]) == 1
    assert "--masks or --plant-masks" in capsys.readouterr().err
    classifier = tmp_path / "store" / "seedlings" / "1"
    assert main(["photo-segmenter", "evaluate", "--artifact", str(classifier), "--masks", str(field)]) == 1
    assert "is a model for classification" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["photo-segmenter", "fit"], ["segmenter"]])
def test_two_do_not_write_one_file(command, folder, cache, tmp_path, capsys):
    out = tmp_path / "mine.pt"
    with write_lock.of_file(out):
        assert main([*command, "--data", str(folder), "--cache", str(cache), "--steps", "1", "--out", str(out)]) == 1
    assert f"another process is writing {out}" in capsys.readouterr().err
    assert not list(tmp_path.glob("*mine*"))

"""The command line, from images to a published artifact."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from models_store import store
from tests import drawn
from tests.training.cli.conftest import RECIPE
from training.__main__ import main
from training.fitting import write_lock


@pytest.mark.slow
def test_a_network_learns_from_another_and_its_card_says_so(run_command, trained, tmp_path, capsys):
    learner, recipe = tmp_path / "learner", tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.replace("epochs = 20", "epochs = 12") + "[distillation]\nshare = 0.8\n")
    assert run_command("fit", "--run", learner) == 1
    assert "name their finished runs: --teacher RUN" in capsys.readouterr().err
    assert not learner.exists()
    assert run_command("fit", "--run", learner, "--teacher", trained) == 0
    assert run_command("export", "--run", learner, "--store", tmp_path / "store") == 0
    assert "It learnt the answers of tiny.tiny.0@" in (tmp_path / "store" / "seedlings" / "1" / "card.md").read_text()


def test_the_mean_of_two_runs_is_published_as_such(run_command, trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "two")  # of two random starts the mean knows nothing, and export refuses it
    with write_lock.of_run(tmp_path / "mean"):
        assert main(["average", "--runs", str(trained), str(tmp_path / "two"), "--run", str(tmp_path / "mean")]) == 1
        assert "another process is training into" in capsys.readouterr().err
    assert main(["average", "--runs", str(trained), str(tmp_path / "two"), "--run", str(tmp_path / "mean")]) == 0
    assert f"{tmp_path / 'mean'}: the mean of tiny.tiny.0@" in capsys.readouterr().out
    assert run_command("export", "--run", tmp_path / "mean", "--store", tmp_path / "store") == 0
    assert "Weights: the mean of those that tiny.tiny.0@" in (tmp_path / "store" / "seedlings" / "1" / "card.md").read_text()


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ([], None),
        (["--compact", "--rank", "16"], (16, "float16")),
        (["--compact"], (None, "float16")),  # the dense layer is too small to factor
        (["--storage", "int8"], (None, "int8")),
        (["--rank", "16", "--storage", "float32"], (16, "float32")),
    ],
)
def test_the_form_of_an_artifact(run_command, trained, tmp_path, options, form):
    assert run_command("export", "--run", trained, "--store", tmp_path / "store", *options) == 0
    manifest = store.verify(tmp_path / "store" / "seedlings" / "1")
    assert (manifest.compact and (manifest.compact.rank, manifest.compact.storage)) == form
    assert manifest.figures.accuracy > 0.8


def test_a_promise_stands_in_manifest_and_card_or_why_it_cannot_be_made(run_command, trained, tmp_path, capsys):
    few = "none of its answers will be confident: 8 validation images are too few: a promise of 0.99 takes at least 299 answers"
    assert run_command("export", "--run", trained, "--store", tmp_path / "store") == 0
    assert few in capsys.readouterr().out
    assert run_command("export", "--run", trained, "--store", tmp_path / "store", "--promise", 0.5) == 0
    assert "confident" not in capsys.readouterr().out
    unsure, sure = (store.verify(tmp_path / "store" / "seedlings" / version).calibration for version in ("1", "2"))
    assert (unsure.threshold, unsure.promise) == (None, 0.99)
    assert (sure.threshold_reason, sure.promise) == (None, 0.5)
    assert 0 < sure.threshold < 1
    card = " ".join((tmp_path / "store" / "seedlings" / "2" / "card.md").read_text().split())
    assert "at least 0.5 of the confident ones are right" in card
    assert "| test | " in card
    with pytest.raises(SystemExit, match="2"):
        run_command("export", "--run", trained, "--store", tmp_path / "store", "--promise", 95)
    assert "95 is no share between 0 and 1, such as 0.95" in capsys.readouterr().err


def test_photos_from_elsewhere_stand_on_the_card(run_command, trained, tmp_path, capsys):
    field, other = tmp_path / "field", tmp_path / "other"
    (field / "Maize").mkdir(parents=True)
    for number in range(24):
        drawn.plant(0, 1000 + number).save(field / "Maize" / f"{number}.png")  # Maize as in training, other plants
    shutil.copytree(field / "Maize", other / "deep" / "er")
    once = shutil.copytree(field, tmp_path / "once")
    options = ["--run", trained, "--store", tmp_path / "store", "--promise", 0.5]
    named = ["--field", f"field={field}", "--measure", f"once={once}", "--ood", f"others={other}"]
    assert run_command("export", *options, *named) == 0
    published = tmp_path / "store" / "seedlings" / "1"
    manifest = store.verify(published)
    assert [(name, found.chosen_by, found.n) for name, found in manifest.elsewhere.items()] == [("field", True, 24), ("once", False, 24)]
    assert manifest.elsewhere["once"].accuracy == manifest.elsewhere["field"].accuracy
    assert manifest.ood["others"].n == 24
    card = (published / "card.md").read_text()
    assert "| field, where the thresholds were chosen | 24 |" in card
    assert "| once | 24 |" in card
    assert f"| others | 24 | {manifest.ood['others'].auroc:.3f} |" in card
    capsys.readouterr()
    assert main(["evaluate", "--artifact", str(published), "--images", str(field), "--ood", f"others={other}", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["accuracy"] == manifest.elsewhere["once"].accuracy
    assert printed["answers"] == manifest.elsewhere["once"].answers.model_dump(mode="json")
    assert printed["ood"]["others"]["auroc"] == pytest.approx(0.5)  # the same photos
    assert run_command("evaluate", "--artifact", published, "--split", "test", "--ood", f"others={other}") == 0
    out = capsys.readouterr().out
    assert "can be relied upon: species" in out
    assert "others, 24 pictures: AUROC" in out
    for wrong in (["--measure", "field"], ["--measure", "a=x", "--measure", "a=y"]):
        with pytest.raises(SystemExit):
            run_command("export", *options, *wrong)
    told = capsys.readouterr().err
    assert "'field' is not NAME=DIR" in told
    assert "--measure a is given twice" in told


def test_an_artifact_is_recalibrated(published, folder, tmp_path, capsys):
    before = store.verify(published)
    described = shutil.copytree(folder, tmp_path / "data")
    (described / "species.toml").write_text('[Maize]\nkind = "broadleaf weed"\n')
    options = ["--artifact", str(published), "--data", str(described), "--store", str(tmp_path / "store"), "--promise", "0.5"]
    assert main(["recalibrate", *options]) == 0
    assert f"published {tmp_path / 'store' / 'seedlings' / '2'}" in capsys.readouterr().out
    after = store.verify(tmp_path / "store" / "seedlings" / "2")
    assert after.files == before.files
    assert after.calibration.temperature == before.calibration.temperature
    assert after.calibration.familiarity == before.calibration.familiarity
    assert (before.calibration.promise, after.calibration.promise) == (0.99, 0.5)
    assert before.calibration.threshold is None
    assert after.calibration.threshold is not None
    assert after.figures.accuracy == pytest.approx(before.figures.accuracy)
    assert {one.name: one.kind for one in after.species}["Maize"] == "broadleaf weed"
    assert after.recalibrated_from == "seedlings/1"
    card = " ".join((tmp_path / "store" / "seedlings" / "2" / "card.md").read_text().split())
    assert "The network is that of seedlings/1, to the byte" in card


def test_a_network_that_guesses_is_not_published(run_command, tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(RECIPE.replace("epochs = 20", "epochs = 1").replace("5e-3", "1e-9"))
    assert run_command("fit", "--run", tmp_path / "run") == 0
    printed = capsys.readouterr().out
    assert "This run has learnt nothing that can be shown: " in printed
    assert f"tensorboard --logdir {tmp_path / 'run' / 'tensorboard'}" in printed
    assert run_command("export", "--run", tmp_path / "run", "--store", tmp_path / "store") == 1
    error = capsys.readouterr().err
    assert "cannot be told from always answering" in error
    assert "train longer, by another recipe, or with more images" in error
    assert "--force publishes it all the same" in error
    assert not (tmp_path / "store").exists()
    assert run_command("export", "--run", tmp_path / "run", "--store", tmp_path / "store", "--force") == 0
    printed = capsys.readouterr().out
    assert "warning: published by --force: " in printed
    assert "warning: fewer than 20 images to learn from: " in printed
    assert re.search(r"^accuracy \d+\.\d% on \d+ test images; on photos like these it lies between", printed, re.MULTILINE)
    assert re.search(r"^Maize +\d+\.\d% of \d+ test images right", printed, re.MULTILINE)
    assert "of them are answered with confidence" in printed
    card = (tmp_path / "store" / "seedlings" / "1" / "card.md").read_text()
    assert "**Published by --force, although " in card


def test_smoke_learns_something(folder, cache, tmp_path, capsys):
    common = ["--data", str(folder), "--cache", str(cache), "--run", str(tmp_path / "run"), "--device", "cpu"]
    assert main(["fit", "--recipe", "smoke", *common]) == 0
    assert "learnt nothing" not in capsys.readouterr().out


def test_fit_export_evaluate(run_command, trained, tmp_path, capsys):
    assert run_command("export", "--run", trained, "--store", tmp_path / "store") == 0
    folder = tmp_path / "store" / "seedlings" / "1"
    assert f"published {folder}" in capsys.readouterr().out
    manifest = store.verify(folder)
    assert manifest.figures.accuracy > 0.8  # three drawn species are easy
    known = manifest.calibration.familiarity
    assert known.validation_share >= 0.99
    assert run_command("evaluate", "--artifact", folder, "--split", "test", "--tta", 8, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["familiarity"]["familiar"] > 0.5  # by a limit from 8 validation images
    assert printed["out_of_distribution"]["not_confident"] == 1  # 8 validation images give no threshold
    assert printed["out_of_distribution"]["unfamiliar"] > 0.5
    assert (printed["familiarity"]["confident"], printed["familiarity"]["confident_accuracy"]) == (0, None)
    assert printed["tta"]["n"] == printed["n"]
    assert printed["tta"]["accuracy"] > 0.8
    assert printed["accuracy"] == pytest.approx(manifest.figures.accuracy, abs=1e-6)
    assert printed["confusion"] == manifest.figures.confusion
    assert len(printed["predictions"]) == printed["n"]
    assert sum(printed["predictions"][0]["probabilities"]) == pytest.approx(1, abs=1e-5)
    card = (folder / "card.md").read_text()
    assert f"{manifest.figures.accuracy:.2%}" in card
    assert manifest.sha256 in card


def test_evaluate_a_run(run_command, trained, capsys, tmp_path):
    assert run_command("evaluate", "--run", trained, "--split", "validation", "--json", tmp_path / "figures.json") == 0
    assert json.loads((tmp_path / "figures.json").read_text())["split"] == "validation"
    assert run_command("evaluate", "--run", trained, "--split", "all", "--tta", 8, "--backgrounds") == 0
    out = capsys.readouterr().out
    assert "all: 21 images, accuracy" in out
    assert "51 images are left out: it has learnt from them" in out
    assert "averaged over 8 orientations: accuracy" in out
    assert "plants set on other backgrounds: another photo's" in out


def test_evaluate_an_artifact_says_what_it_does_not_know(run_command, published, capsys):
    assert run_command("evaluate", "--artifact", published, "--split", "validation") == 0
    out = capsys.readouterr().out
    assert "familiar 100.0%; confident" in out
    assert "drawn pictures of anything else: unfamiliar" in out


def test_evaluate_photos_in_no_split(trained, published, tmp_path, capsys):
    photos = tmp_path / "photos"
    known = "Maize"
    for name, species in ((known, 0), ("Nettle", 5)):
        (photos / name).mkdir(parents=True)
        for number in range(24):
            drawn.plant(species, 500 + number).save(photos / name / f"{number}.png")
    assert main(["evaluate", "--artifact", str(published), "--images", str(photos), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    named, nettle = found["per_species"][known], found["per_species"]["Nettle"]
    assert named["n"] == nettle["n"] == 24
    assert nettle["accuracy"] is None
    assert named["accuracy"] == found["accuracy"] == named["taken_for"].get(known, 0) / 24
    assert sum(nettle["taken_for"].values()) == 24
    assert (named["confident"], nettle["confident"]) == (0, 0)  # 8 validation images give no threshold
    assert named["familiar"] > 0.5 > nettle["familiar"]  # Nettle is no species of the training
    assert main(["evaluate", "--run", str(trained), "--images", str(photos)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[1:4]] == [*sorted([known.split()[0], "Nettle"]), "all"]
    with pytest.raises(SystemExit):
        main(["evaluate", "--run", str(trained), "--split", "test"])
    assert "name it with --data DIR" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sheet_of_what_is_learnt_from(run_command, folder, cache, tmp_path, capsys):
    recipe, sheet = tmp_path / "field.toml", tmp_path / "sheet.png"  # of a batch and one image more
    recipe.write_text(RECIPE.replace("batch_size = 16", "batch_size = 13") + "[field]\nshare = 0.7\n[camera]\nshare = 0.5\n")
    options = ["--recipe", recipe, "--images", 14, "--out", sheet, "--background-photos", folder]
    assert run_command("augment", *options) == 0
    with Image.open(sheet) as picture:
        assert picture.size == (12 * 150, 2 * 150)
        first = picture.tobytes()
    assert run_command("augment", *options) == 0
    assert Image.open(sheet).tobytes() == first
    assert run_command("augment", "--recipe", "seedlings", "--out", sheet, "--background-photos", folder) == 1
    assert "sets no plants on photos" in capsys.readouterr().err


def test_an_export_states_what_its_model_can_do(published):
    assert store.verify(published).capabilities == ["explain", "measure"]


def test_an_artifact_is_not_measured_on_images_it_may_have_seen(published, tmp_path, capsys):
    other = drawn.folder(tmp_path / "other", images=10)
    options = [
        "evaluate",
        "--artifact",
        str(published),
        "--data",
        str(other),
        "--cache",
        str(tmp_path / "cache"),
    ]
    assert main([*options, "--split", "test"]) == 1
    assert "--split all" in capsys.readouterr().err
    assert main([*options, "--split", "all"]) == 0


@pytest.mark.parametrize("spoil", ["truncate", "flip", "remove", "schema"])
def test_a_bad_artifact_is_refused_by_name(published, run_command, capsys, spoil):
    model, manifest = published / "model.pt", published / "manifest.json"
    content = bytearray(model.read_bytes())
    match spoil:
        case "truncate":
            model.write_bytes(content[:-100])
        case "flip":
            content[5000] ^= 1
            model.write_bytes(content)
        case "remove":
            model.unlink()
        case "schema":
            manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema_version": 99, "min_reader_schema": 99}))
    assert run_command("evaluate", "--artifact", published, "--split", "test") == 1
    error = capsys.readouterr().err
    assert str(manifest if spoil == "schema" else model) in error
    assert error.count("\n") == 1


def test_data_check(tmp_path, capsys):
    folder = drawn.folder(tmp_path / "data", images=4)
    twin = (folder / "Maize" / "000.png").read_bytes()
    (folder / "Maize" / "twin.png").write_bytes(twin)
    assert main(["data", "check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "13 images of 3 species" in out
    assert "Maize/000.png = Maize/twin.png" in out


def test_data_check_counts_what_it_does_not_look_at(tmp_path, capsys):
    folder = drawn.folder(tmp_path / "data", species=2, images=3)
    for name in ("IMG_1.CR2", "IMG_2.cr2", "notes.txt", "LICENCE"):
        (folder / "Maize" / name).touch()
    assert main(["data", "check", str(folder)]) == 0
    assert "not looked at, as no images by their names: 4 files (.cr2: 2, no suffix: 1, .txt: 1)" in " ".join(
        capsys.readouterr().out.split()
    )


def test_data_check_lists_all_that_fit_refuses_in_one_go(run_command, tmp_path, capsys):
    folder = drawn.folder(tmp_path / "data", images=4)
    twin = (folder / "Maize" / "000.png").read_bytes()
    (folder / "Charlock" / "broken.jpg").write_bytes(b"not an image")
    (folder / "Charlock" / "twin.png").write_bytes(twin)
    (folder / "loose.png").write_bytes(twin)
    (folder / "Empty").mkdir()
    (folder / "Small").mkdir()
    drawn.plant(1, 90).save(folder / "Small" / "1.png")
    (folder / "Maize" / os.fsdecode(b"\xe9.png")).write_bytes(twin)
    assert main(["data", "check", str(folder)]) == 1
    printed = capsys.readouterr()
    assert "6 problems" in printed.err
    for part in (
        "broken.jpg: not an image",
        "under two species, remove one: Charlock/twin.png = Maize/000.png",
        "loose.png lies outside",
        "Empty holds no images",
        "species Small has fewer than 3 different images",
        r'"Maize/\xe9.png" has a name that is not UTF-8',
    ):
        assert part in printed.out
    assert run_command("fit", "--recipe", str(tmp_path / "tiny.toml"), "--data", folder, "--run", tmp_path / "run") == 1
    assert "and 2 more; list them with 'python -m training data check'" in capsys.readouterr().err


def test_errors_leave_no_run_and_take_one_line(run_command, folder, tmp_path, capsys):
    (tmp_path / "one" / "Maize").mkdir(parents=True)
    drawn.plant(0, 0).save(tmp_path / "one" / "Maize" / "a.png")
    recipe = str(tmp_path / "tiny.toml")
    assert main(["fit", "--recipe", recipe, "--data", str(tmp_path / "one"), "--run", str(tmp_path / "run"), "--device", "cpu"]) == 1
    assert main(["fit", "--recipe", "nosuch", "--data", str(folder), "--run", str(tmp_path / "run")]) == 1
    assert not (tmp_path / "run").exists()
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "one species" in errors[0]
    assert "no recipe 'nosuch'" in errors[1]


def test_a_wrong_call_exits_with_2():
    done = subprocess.run(
        [sys.executable, "-m", "training", "fit", "--recipe", "smoke"], capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert done.returncode == 2
    assert "--data" in done.stderr


@pytest.mark.slow
def test_two_processes_train_one_network(folder, cache, tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE.replace("epochs = 20", "epochs = 2"))
    options = ["--recipe", "tiny.toml", "--data", str(folder), "--cache", str(cache), "--run", "run", "--device", "cpu", "--devices", "2"]
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    script = root / "tests" / "training" / "fitting" / "two_processes.py"
    for epochs in (2, 2):  # the second time there is nothing left to do
        done = subprocess.run([sys.executable, str(script), "fit", *options], capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == epochs + 1


def test_what_the_report_is_made_of(run_command, trained, tmp_path, capsys):
    results = tmp_path / "results"
    assert run_command("record", "--run", trained, "--results", results) == 0
    assert run_command("leakage", "--run", trained, "--results", results) == 0
    assert run_command("curve", "--run", trained, "--results", results, "--ranks", 4, 8) == 0
    assert "tiny.tiny.0: validation" in capsys.readouterr().out
    recorded = json.loads((results / "runs" / "tiny.tiny.0.json").read_text())
    assert recorded["test_tta"]["n"] == recorded["test"]["n"]
    assert {file.name for file in results.iterdir()} == {"runs", "runs.csv", "leakage.json", "compact.json"}
    assert json.loads((results / "leakage.json").read_text())["model"] == "tiny.tiny.0"
    assert [point["rank"] for point in json.loads((results / "compact.json").read_text())["points"]] == [None] * 3 + [4, 4, 8, 8]
    assert run_command("curve", "--run", trained, "--results", results, "--ranks", 99) == 1
    assert "rank = 99" in capsys.readouterr().err


def test_a_report_of_a_run(run_command, trained, tmp_path, capsys):
    assert run_command("report", "--run", trained, "--out", tmp_path / "page") == 0
    assert f"wrote {tmp_path / 'page' / 'index.html'}" in capsys.readouterr().out
    assert "Training runs: run" in (tmp_path / "page" / "index.html").read_text()


def test_folds(run_command, tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(RECIPE.replace("epochs = 20", "epochs = 2"))
    assert run_command("fit", "--folds", 2, "--run", tmp_path / "run") == 0
    printed = capsys.readouterr().out
    assert "fold 2 of 2: under a minute left until all are done" in printed
    assert "2 folds: accuracy " in printed
    assert {file.name for file in (tmp_path / "run").glob("fold-*")} == {"fold-1", "fold-2"}
    assert run_command("report", "--run", tmp_path / "run", "--out", tmp_path / "page") == 0
    assert "2 folds: accuracy " in (tmp_path / "page" / "index.html").read_text()
    for options in (("--folds", 1), ("--folds", 2, "--all-images")):
        with pytest.raises(SystemExit, match="2"):
            run_command("fit", *options, "--run", tmp_path / "other")

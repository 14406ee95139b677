"""The page: every section, with results and without."""

import re
import shutil

import pytest
import torch
from PIL import Image

from models_store import store
from tests.training.experiments.report.reader import Reader
from training import recipe
from training.atomic_files import write_json
from training.data import near_duplicates
from training.errors import RunError
from training.experiments import compression_curve, results, throughput
from training.experiments.report import student_report
from training.experiments.report.material import spread
from training.fitting import loop as fitting
from training.fitting import run_folder

SECTIONS = 15


@pytest.fixture(scope="module")
def measured(fabric, images, parts, tmp_path_factory):
    """Results of the reports' recipes and of a comparison, one epoch of the tiny network under each; not to be written to."""
    root = tmp_path_factory.mktemp("report")
    for name in ("report-base", "report-dropout", "ablation-1-logits", "comparison", "seedlings"):
        for seed in (0, 1) if name == "report-base" else (0,):
            settings = recipe.load(name, network="lenet" if name == "comparison" else "tiny", epochs=1, seed=seed)
            fitting.fit(fabric, settings, name, images, parts, root / "runs" / f"{name}-{seed}")
            results.record(root / "runs" / f"{name}-{seed}", images, root / "results")
    return root / "results"


@pytest.fixture
def kept(measured, tmp_path):
    """The same, of the test's own."""
    return shutil.copytree(measured, tmp_path / "results")


def made(images, tmp_path, artifact):
    file = student_report.build(images, tmp_path / "results", artifact, tmp_path / "page")
    return file, Reader(file.read_text())


def test_nothing_yet_names_the_commands(images, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED_STORE", tmp_path / "none")
    file, read = made(images, tmp_path, None)
    assert len(re.findall("<h2>", file.read_text())) == SECTIONS
    for command in ("sweep ablation", "sweep networks", "export --run", "curve --run", "leakage --artifact"):
        assert f"python -m training {command}" in read.text
    assert {path.name for path in file.parent.iterdir()} == {"index.html", *read.pictures}
    assert read.pictures == ["figure-4-samples.png", "figure-5-distribution.png"]


@pytest.mark.slow
@pytest.mark.usefixtures("kept")
def test_everything_there(images, parts, learnt, published, tmp_path):
    _, network, _ = run_folder.load_best(learnt)
    points = list(compression_curve.points(network, images, parts, [None, 4, 8]))
    write_json(tmp_path / "results" / "compact.json", {"run": "seedlings.tiny.0", "points": points})
    answers = torch.nn.functional.one_hot(images.labels[parts.test], 3).float()
    write_json(tmp_path / "results" / "leakage.json", near_duplicates.document(images, parts, answers, "seedlings/1"))
    speed = {"machine": {"cores": 3, "processor": "slow"}, "precision": "32-true"}
    speed |= {"networks": {"lenet": {"seconds_per_epoch": 12.34, "milliseconds_per_prediction": 5.67}}}
    write_json(tmp_path / "results" / throughput.FILE, speed)
    file, read = made(images, tmp_path, published)
    shown = set(read.pictures)
    assert shown >= {f"{name}.png" for name in ("figure-8-loss", "figure-9-accuracy", "ablation", "confusion", "reliability", "compact")}
    for name in shown:
        with Image.open(file.parent / name) as picture:
            assert picture.format == "PNG"
            assert picture.width > 800
    assert {path.name for path in file.parent.iterdir()} == {"index.html", *shown}
    base = [one.test.accuracy for one in results.read(tmp_path / "results") if one.recipe_name == "report-base"]
    assert spread(base) in read.text
    assert "16%" in read.text
    assert "<td>12.3</td><td>5.7</td>" in re.sub(r"<td[^>]*>", "<td>", file.read_text())
    assert "3 cores of slow" in read.text
    assert "seedlings/1 on all" in read.text
    assert "Make it with python -m training sweep ablation" in read.text  # the other steps of the ablation
    assert str(tmp_path) not in file.read_text()


@pytest.mark.usefixtures("kept")
def test_a_model_of_other_images_leaves_the_rest(images, published, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED_STORE", published.parents[1])
    fewer = type(images)(images.species, images.files[:-1], images.pixels[:-1], images.labels[:-1], images.digests[:-1])
    _, read = made(fewer, tmp_path, None)
    assert "not the images of the training" in read.text
    assert "figure-8-loss.png" in read.pictures


def test_a_damaged_result_is_named(images, tmp_path):
    (tmp_path / "results" / "runs").mkdir(parents=True)
    (tmp_path / "results" / "runs" / "broken.json").write_text("{")
    with pytest.raises(RunError, match=r"broken\.json cannot be read"):
        student_report.build(images, tmp_path / "results", None, tmp_path / "page")


def test_a_folder_of_any_name_stays_text(images, tmp_path):
    name = 'Maize <script>alert("1")</script> $x^$ & |co'
    renamed = type(images)([name, *images.species[1:]], images.files, images.pixels, images.labels, images.digests)
    file, read = made(renamed, tmp_path, None)
    assert "<script>" not in file.read_text()
    assert f"always answers {name} is right" in read.text  # of species that are as frequent it is the first

"""`adapt`: corrections in a real database become the next version, or do not."""

import io
import re
from pathlib import Path

import pytest

from corrections.database import Database
from corrections.metadata import Photo
from corrections.photos import PhotoFiles
from corrections.records import NewCorrection, StoredPrediction
from corrections.store import CorrectionStore, Quota
from models_store import store
from models_store.learnt import FILE, Learnt
from tests import drawn
from tests.training.cli.conftest import RECIPE
from training.__main__ import main
from training.data.corrections import is_held_out

SAID = StoredPrediction("seedlings/1", "Maize", 0.5, False, None, None)
SHOWN = {"Maize": 4, "Cleavers": 60}  # photos of each; the second is new to the model, so before it is never right of these


def in_the_field(species: str, seed: int) -> Photo:
    """A drawn plant in a light that the model has not learnt."""
    stream = io.BytesIO()
    drawn.plant(drawn.SPECIES.index(species), 1000 + seed).point(lambda value: value * 0.3).save(stream, "PNG")
    return Photo(stream.getvalue(), ".png", None)


def hand_in(folder: Path, species: str, seeds: range, *, accepted: bool = True, plants: bool = True) -> None:
    corrections = CorrectionStore(Database(f"sqlite:///{folder}/c.db"), PhotoFiles(f"{folder}/c.db-photos"), Quota(10**4, 10**9))
    corrections.open()
    for seed in seeds:
        photo = in_the_field(species if species in drawn.SPECIES else "Fat Hen", seed)
        kept = corrections.add(NewCorrection(photo, species, SAID, plant=f"{species} {seed}" if plants else ""))
        if accepted:
            corrections.review(kept.id, 1, "accept", "Ada")
    corrections.close()


def review_one(folder: Path, species: str) -> None:
    """Accept one that is learnt from as another species."""
    corrections = CorrectionStore(Database(f"sqlite:///{folder}/c.db"), PhotoFiles(f"{folder}/c.db-photos"), Quota(10**4, 10**9))
    kept = next(kept for kept in corrections.waiting("accepted") if not is_held_out(kept))
    corrections.review(kept.id, kept.version, "accept", "Ada", species)
    corrections.close()


@pytest.fixture
def adapt(folder, cache, published, tmp_path):
    """Call the command on the store that holds `published`, with a recipe for the tiny network."""
    recipe = tmp_path / "adapt-tiny.toml"
    text = RECIPE.replace("epochs = 20", 'epochs = 3\nbest_by = "last"\nlogit_adjustment = 1.0').replace("5e-3", "3e-3")
    # Small batches: `adapt` takes a number of steps at least, however small they are.
    recipe.write_text(text.replace("batch_size = 16", "batch_size = 8").replace("enabled = false", "enabled = true"))

    def call(*options: object) -> int:
        common = [
            "--data",
            str(folder),
            "--cache",
            str(cache),
            "--store",
            str(published.parent.parent),
            "--device",
            "cpu",
            "--precision",
            "32-true",
        ]
        return main(["adapt", "--database", f"sqlite:///{tmp_path}/c.db", "--recipe", str(recipe), *common, *map(str, options)])

    return call


@pytest.mark.slow
def test_what_was_corrected_is_learnt_and_what_was_known_is_not_forgotten(adapt, folder, published, tmp_path, capsys, run_command) -> None:
    for species, photos in SHOWN.items():
        hand_in(tmp_path, species, range(photos))
    hand_in(tmp_path, "not a plant", range(3))
    assert adapt("--run", tmp_path / "adapting") == 0
    said = capsys.readouterr().out
    assert "3 that show no plant" in said
    place = published.parent / "2"
    assert f"published {place}" in said
    assert "weights taken: " in said
    manifest = store.read_manifest(place)
    assert [one.name for one in manifest.species] == ["Charlock", "Maize", "Sugar beet", "Cleavers"]  # the new one is the last output
    found = manifest.elsewhere["corrections"]
    assert 6 <= found.n <= 30
    assert found.accuracy is not None
    assert found.accuracy > 0.5
    assert manifest.figures.per_species["Cleavers"].n == 0
    assert manifest.warnings[0].startswith("adapted from seedlings/1: corrections not learnt from: ")
    assert "2 other networks, each taught without a part" in manifest.warnings[1]
    assert manifest.forced is None
    before = Learnt.read((published / FILE).read_bytes())
    learnt = Learnt.read((place / FILE).read_bytes())
    assert before.holds_file(before.records).all()
    assert learnt.holds_file(before.records).all()  # what it learnt before counts as learnt
    assert len(learnt.records) > len(before.records) + 30
    # The images of its first training are still known for what they were.
    assert run_command("evaluate", "--artifact", place, "--split", "test") == 0
    assert f"{manifest.figures.n} images" in capsys.readouterr().out
    # Once more on the same corrections: nothing is better by then, so nothing is published.
    assert adapt() == 1
    problem = capsys.readouterr().err
    assert "nothing was published: it is not shown to be better than seedlings/2 on the corrections. " in problem
    assert store.versions(published.parent.parent, "seedlings") == [1, 2]
    assert adapt("--force") == 0
    assert "not shown to be better than seedlings/2" in str(store.read_manifest(published.parent / "3").forced)
    assert "Published by --force" in (published.parent / "3" / "card.md").read_text()


@pytest.mark.slow
def test_twenty_photos_of_one_day_are_enough(adapt, published, tmp_path, capsys) -> None:
    hand_in(tmp_path, "Cleavers", range(10), plants=False)
    hand_in(tmp_path, "Black-grass", range(10), plants=False)
    assert adapt() == 0
    said = capsys.readouterr().out
    assert "13 images to learn from and 7 held out" in said
    assert "single photos are held out" in said
    assert "network 3 of 3, taught without a part" in said
    assert re.search(r"corrections not learnt from: \d+ of 20 right, 0 before", said)
    assert "these figures may be too good" in store.read_manifest(published.parent / "2").warnings[2]


def test_without_accepted_corrections_there_is_nothing_to_learn(adapt, published, tmp_path, capsys) -> None:
    hand_in(tmp_path, "Maize", range(12), accepted=False)
    assert adapt() == 1
    assert "accept more of them at /review, or give --all" in capsys.readouterr().err
    assert adapt("--name", "other", "--all") == 1
    assert "this teaches other, though most of these correct what seedlings answered" in capsys.readouterr().out
    assert store.versions(published.parent.parent, "seedlings") == [1]


def test_too_few_to_tell_are_not_learnt_from_in_vain(adapt, published, tmp_path, capsys) -> None:
    hand_in(tmp_path, "Maize", range(4), plants=False)
    assert adapt() == 1
    said = capsys.readouterr()
    assert "only 4 of the corrections" in said.err
    assert "with --force" in said.err
    assert "network 1" not in said.out
    assert store.versions(published.parent.parent, "seedlings") == [1]


@pytest.mark.slow
def test_what_cannot_be_told_from_guessing_is_published_by_force_alone(adapt, folder, cache, published, tmp_path, capsys) -> None:
    """A model that knows nothing learns nothing by a rate near zero, so validation says as little of the next version."""
    recipe, root = tmp_path / "guessing.toml", published.parent.parent
    recipe.write_text(RECIPE.replace("epochs = 20", 'epochs = 1\nbest_by = "last"').replace("5e-3", "1e-9"))
    common = ["--data", str(folder), "--cache", str(cache), "--run", str(tmp_path / "guessing")]
    assert main(["fit", "--recipe", str(recipe), "--device", "cpu", *common]) == 0
    assert main(["export", "--force", "--store", str(root), "--name", "guesses", *common]) == 0
    hand_in(tmp_path, "Maize", range(12))
    adapting = ["--name", "guesses", "--recipe", recipe, "--run", tmp_path / "adapting"]
    capsys.readouterr()
    assert adapt(*adapting) == 1
    assert "cannot be told from always answering" in capsys.readouterr().err
    assert store.versions(root, "guesses") == [1]
    assert adapt(*adapting, "--force") == 0
    assert "cannot be told from always answering" in str(store.read_manifest(root / "guesses" / "2").forced)
    assert "Published by --force" in (root / "guesses" / "2" / "card.md").read_text()


@pytest.mark.slow
def test_an_interrupted_run_goes_on(adapt, published, tmp_path, capsys, monkeypatch) -> None:
    from training.publishing import export

    hand_in(tmp_path, "Cleavers", range(30))

    def killed(*_: object, **__: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(export, "export", killed)
        assert adapt("--run", tmp_path / "run") == 130
    assert store.versions(published.parent.parent, "seedlings") == [1]
    review_one(tmp_path, "Maize")
    capsys.readouterr()
    assert adapt("--run", tmp_path / "run") == 1  # the network in the folder has learnt what was wrong
    assert "was begun with other corrections" in capsys.readouterr().err
    review_one(tmp_path, "Cleavers")
    assert adapt("--run", tmp_path / "run") == 0
    assert "is finished" in capsys.readouterr().out
    assert adapt("--run", tmp_path / "run") == 1
    assert "seedlings/2 is to be trained further; give a new folder with --run" in capsys.readouterr().err

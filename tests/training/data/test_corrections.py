"""Corrections as folders of images."""

import dataclasses
import datetime
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from corrections.database import Database
from corrections.metadata import Photo
from corrections.photos import PhotoFiles
from corrections.records import NewCorrection, StoredCorrection
from corrections.store import CorrectionStore, Quota
from tests.corrections.conftest import SAID, new
from training.__main__ import main
from training.data.corrections import in_folds, is_held_out, write

NOON = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def urls(tmp_path: Path) -> tuple[str, str]:
    return f"sqlite:///{tmp_path}/corrections.db", str(tmp_path / "photos")


@pytest.fixture
def corrections(urls: tuple[str, str]) -> Iterator[CorrectionStore]:
    made = CorrectionStore(Database(urls[0]), PhotoFiles(urls[1]), Quota(1000, 10**7))
    made.open()
    yield made
    made.close()


def written(out: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for file in out.rglob("*.*"):
        place = str(file.parent.relative_to(out))
        counts[place] = counts.get(place, 0) + 1
    return counts


def export(urls: tuple[str, str], out: Path, *more: str) -> int:
    return main(["data", "corrections", "--database", urls[0], "--photos", urls[1], "--out", str(out), *more])


def accept(corrections: CorrectionStore, kept: StoredCorrection) -> StoredCorrection:
    return corrections.review(kept.id, kept.version, "accept", "Ada")


def test_accepted_ones_become_folders(corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path, capsys) -> None:
    plants = [f"pot {i}" for i in range(40)]
    for i, plant in enumerate(plants):
        accept(corrections, corrections.add(new(i, "Wild Oat" if i % 2 else "wild oat", plant=plant)))
    accept(corrections, corrections.add(new(100, "not a plant")))
    corrections.add(new(101, "Maize", plant="pot 0"))  # waits
    rejected = corrections.add(new(102, "Maize"))
    corrections.review(rejected.id, 1, "reject", "Ada")
    assert export(urls, tmp_path / "out") == 0
    counts = written(tmp_path / "out")
    assert set(counts) == {"learn/wild oat", "held-out/wild oat", "not-a-plant"}
    assert counts["learn/wild oat"] + counts["held-out/wild oat"] == 40
    assert 2 <= counts["held-out/wild oat"] <= 16  # a fifth of 40, within what chance allows
    assert counts["not-a-plant"] == 1
    assert f"{counts['learn/wild oat']} images to learn from" in capsys.readouterr().out
    assert export(urls, tmp_path / "all", "--all") == 0
    assert sum(written(tmp_path / "all").values()) == 42
    assert export(urls, tmp_path / "out") == 1  # a folder that is there is left alone
    assert "name a new folder" in capsys.readouterr().err
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_sides_are_stable_and_plants_and_days_stay_together(corrections: CorrectionStore) -> None:
    sides = set()
    for i in range(30):
        one = corrections.add(new(2 * i, plant=f"Pot {i}"), NOON)
        other = corrections.add(new(2 * i + 1, plant=f"pot {i}"), NOON + datetime.timedelta(days=i))
        assert is_held_out(one) == is_held_out(other)
        sides.add(is_held_out(one))
    assert sides == {True, False}
    days = [corrections.add(new(200 + i), NOON + datetime.timedelta(hours=i)) for i in range(10)]
    assert len({is_held_out(kept) for kept in days}) == 1


def test_the_box_is_cut_and_the_last_word_counts(corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path) -> None:
    seen = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(seen).save(stream, "PNG")
    photo = Photo(stream.getvalue(), ".png", None)
    first = new(0, "Maize", box=(10, 4, 20, 12))
    for species in ("Maize", "Charlock"):
        accept(corrections, corrections.add(type(first)(photo, species, first.said, first.box)))
    corrections.add(type(first)(photo, "Sugar beet", first.said, first.box))  # later, but nobody accepted it
    (tmp_path / ".out-abcd1234").mkdir()  # as one left that was killed
    assert export(urls, tmp_path / "out", "--all") == 0
    assert not (tmp_path / ".out-abcd1234").exists()
    (file,) = (tmp_path / "out").rglob("*.png")
    assert file.parent.name == "Charlock"
    with Image.open(file) as image:
        assert (np.asarray(image) == seen[4:16, 14:26]).all()  # the central square of the box


@pytest.mark.parametrize(
    ("damage", "said"), [(Path.unlink, "is not there; if --photos is"), (lambda file: file.write_bytes(b"x"), "is damaged")]
)
@pytest.mark.parametrize("box", [None, (0.0, 0.0, 8.0, 8.0)])
def test_a_photo_that_is_lost_or_damaged_is_named_with_its_correction(
    damage, said: str, box, corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path, capsys
) -> None:
    accept(corrections, corrections.add(new(0, "Maize")))
    kept = accept(corrections, corrections.add(new(1, "Maize", box=box)))
    (file,) = (tmp_path / "photos").rglob(f"{kept.sha256}.png")
    damage(file)
    assert export(urls, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert said in error
    assert f"DELETE /corrections/{kept.id}" in error
    assert not (tmp_path / "out").exists()
    corrections.remove(kept.id)
    assert export(urls, tmp_path / "out") == 0


@pytest.mark.parametrize("box", [None, (0.0, 0.0, 8.0, 8.0)])
def test_a_photo_larger_than_what_is_read_here_is_named_with_its_correction(
    box, corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path, capsys
) -> None:
    """A service takes one where SEEDLINGS_MAX_PIXELS is higher than usual."""
    stream = io.BytesIO()
    Image.new("1", (9000, 8000)).save(stream, "PNG")
    kept = accept(corrections, corrections.add(NewCorrection(Photo(stream.getvalue(), ".png", None), "Maize", SAID, box)))
    assert export(urls, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "9000×8000 pixels, more than the 64000000 allowed" in error
    assert f"DELETE /corrections/{kept.id}, and hand it in anew" in error


def test_a_correction_that_is_removed_meanwhile_is_said_to_be(corrections, urls, tmp_path: Path, capsys, monkeypatch) -> None:
    for colour in range(3):
        accept(corrections, corrections.add(new(colour, "Maize")))
    read = CorrectionStore.photo

    def removed_first(store: CorrectionStore, correction: str) -> tuple[bytes, str]:
        corrections.remove(correction)
        return read(store, correction)

    monkeypatch.setattr(CorrectionStore, "photo", removed_first)
    assert export(urls, tmp_path / "out") == 1
    assert "a correction was removed while all were being read; start the command again" in capsys.readouterr().err


def test_names_that_people_take_for_one_are_one_species(corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path) -> None:
    for i, name in enumerate(("rye", "Rye", "ＲＹＥ", "Not a plant")):  # new to the model, so each was kept as it was handed in
        accept(corrections, corrections.add(new(i, name)))
    assert write(*urls, tmp_path / "first").species == ["rye"]
    known = write(*urls, tmp_path / "known", known=["Maize", "Rye", "Not A Plant"])
    assert (known.species, known.no_plants) == (["Rye"], 1)


def test_a_database_that_is_away_is_an_error_of_one_line(tmp_path: Path, capsys) -> None:
    assert export((f"sqlite:///{tmp_path}/x.db", str(tmp_path)), tmp_path / "out") == 1
    assert f"there is no database {tmp_path}/x.db" in capsys.readouterr().err
    assert not (tmp_path / "x.db").exists()
    assert export(("postgresql://nobody@localhost:1/none", str(tmp_path)), tmp_path / "out") == 1
    assert "the database does not answer" in capsys.readouterr().err
    assert export(("nonsense", str(tmp_path)), tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()


def test_where_days_and_plants_leave_a_side_empty_every_third_photo_is_held_out(
    corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path, capsys
) -> None:
    for i in range(21):
        accept(corrections, corrections.add(new(i, "Maize" if i < 12 else "Charlock"), NOON))
    for i in range(5):
        accept(corrections, corrections.add(new(100 + i, "not a plant"), NOON))
    assert main(["data", "corrections", "--database", urls[0], "--photos", urls[1], "--out", str(tmp_path / "out")]) == 0
    assert written(tmp_path / "out") == {
        "learn/Charlock": 6, "held-out/Charlock": 3, "learn/Maize": 8, "held-out/Maize": 4, "not-a-plant": 5
    }  # fmt: skip
    assert "single photos are held out" in capsys.readouterr().out


def test_a_species_of_which_none_is_held_out_is_named(corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path, capsys) -> None:
    for i in range(30):
        accept(corrections, corrections.add(new(i, "Maize", plant=f"pot {i}")))
    learnt = next(f"pot {i}" for i in range(30) if not is_held_out(corrections.get(corrections.add(new(i, "Maize", plant=f"pot {i}")).id)))
    accept(corrections, corrections.add(new(100, "Charlock", plant=learnt)))
    assert export(urls, tmp_path / "out") == 0
    assert "None is held out of Charlock: so no figure tells how well that is learnt" in capsys.readouterr().out


def test_a_species_of_which_all_is_held_out_is_named(corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path, capsys) -> None:
    plants = {is_held_out(kept): kept.plant for kept in (corrections.add(new(i, "Maize", plant=f"pot {i}")) for i in range(30))}
    for held_out, plant in plants.items():
        accept(corrections, corrections.add(new(100 + held_out, "Charlock" if held_out else "Maize", plant=plant)))
    assert export(urls, tmp_path / "out") == 0
    assert "Nothing is learnt of Charlock: all photos are of plants or days that are held out" in capsys.readouterr().out


def test_the_model_is_told_whose_answers_most_of_them_correct(corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path) -> None:
    def answered_by(i: int, model: str) -> None:
        one = new(i, "Maize", plant=f"pot {i}")
        accept(corrections, corrections.add(dataclasses.replace(one, said=dataclasses.replace(one.said, model=model))))

    answered_by(0, "seedlings/3")
    answered_by(1, "seedlings-field/2")
    assert write(*urls, tmp_path / "both").mostly_answered_by() is None  # one each
    answered_by(2, "seedlings-field/3")
    assert write(*urls, tmp_path / "most").mostly_answered_by() == "seedlings-field"


def test_photos_of_one_group_stay_together(corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path) -> None:
    kept = [accept(corrections, corrections.add(new(i, "Maize" if i % 2 else "Charlock", plant=f"pot {i // 2}"))) for i in range(60)]
    learnt = [one for one in kept if not is_held_out(one)]
    first, last = learnt[0], learnt[-1]
    # The first photo shows the last one's plant, too, in another part.
    part = dataclasses.replace(new(kept.index(first), "Maize", plant=last.plant.upper()), box=(0, 0, 10, 10))
    accept(corrections, corrections.add(part))
    made = write(*urls, tmp_path / "out")
    learn = tmp_path / "out" / "learn"
    assert {*made.groups} == {str(file.relative_to(learn)) for file in learn.rglob("*.*")}
    assert not made.alike
    groups = {file.split("/")[1][:16]: group for file, group in made.groups.items()}  # by the photo
    assert groups[first.sha256[:16]] == groups[last.sha256[:16]]
    assert len({*groups.values()}) == len({one.plant for one in learnt}) - 1


def test_each_photo_is_a_group_where_plants_and_days_cannot_tell(
    corrections: CorrectionStore, urls: tuple[str, str], tmp_path: Path
) -> None:
    for i in range(12):
        accept(corrections, corrections.add(new(i, "Maize")))
    made = write(*urls, tmp_path / "out")
    assert made.alike
    assert len({*made.groups.values()}) == len(made.groups) == made.learn


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=60), st.integers(2, 5))
def test_folds_divide_groups_of_every_label(shown: list[tuple[int, int]], most: int) -> None:
    labels, groups = [label for label, _ in shown], [f"{label} {group}" for label, group in shown]
    folds = in_folds(labels, groups, most)
    rows = sorted(row for fold in folds for row in fold)
    showing = {label: {groups[row] for row in range(len(shown)) if labels[row] == label} for label in labels}
    several = [row for row, label in enumerate(labels) if len(showing[label]) > 1]
    assert rows == several  # each row once
    assert all(folds)
    assert len(folds) == min(most, len({groups[row] for row in several}))
    for fold in folds:
        left = {*range(len(shown))} - {*fold}
        assert {groups[row] for row in fold}.isdisjoint(groups[row] for row in left)
        assert {labels[row] for row in left} == {*labels}  # each label can still be learnt

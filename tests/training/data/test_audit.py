"""What is found in a data folder."""

import shutil

import pytest

from tests import drawn
from training.data import audit
from training.errors import DataError


@pytest.fixture
def folder(tmp_path):
    return drawn.folder(tmp_path / "data", species=2, images=3)


def test_a_good_folder_has_no_problems(folder):
    drawn.plant(0, 9, side=80).save(folder / "Maize" / "small.png")
    found = audit.check(folder)
    assert found.problems == []
    assert found.sizes == {(150, 150): 6, (80, 80): 1}
    text = audit.text(found)
    assert "7 images of 2 species" in text
    assert "Maize         4  57.1%" in text
    assert "sizes: 2 different; most frequent 150×150: 6, 80×80: 1" in text
    assert "to mend before training: 0" in text


def test_twins_are_told_and_a_problem_under_two_species(folder):
    shutil.copy(folder / "Maize" / "000.png", folder / "Maize" / "twin.png")
    found = audit.check(folder)
    assert found.twins == [["Maize/000.png", "Maize/twin.png"]]
    assert found.problems == []
    shutil.copy(folder / "Maize" / "000.png", folder / "Charlock" / "twin.png")
    found = audit.check(folder)
    assert found.contradictions == found.twins == [["Charlock/twin.png", "Maize/000.png", "Maize/twin.png"]]
    assert found.problems == ["the same image under two species, remove one: Charlock/twin.png = Maize/000.png = Maize/twin.png"]


def test_a_file_that_cannot_be_read_is_a_problem_and_still_counts_for_its_species(folder):
    (folder / "Maize" / "000.png").write_bytes(b"no image")
    found = audit.check(folder)
    (problem,) = found.problems  # mended it makes the third image of Maize, so that species is not too small
    assert problem.startswith(f"{folder}/Maize/000.png: not an image")
    assert problem.endswith("; replace the file or remove it")


def test_a_species_of_two_images_is_too_small(folder):
    (folder / "Maize" / "000.png").unlink()
    assert audit.check(folder).too_few == ["Maize"]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no images"):
        audit.check(tmp_path)

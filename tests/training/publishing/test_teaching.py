"""Which networks learn which corrections. The training itself: tests/training/cli/test_adapt.py."""

import dataclasses
from types import SimpleNamespace

import pytest

from training.fitting import provenance
from training.publishing import measured_model, teaching


def test_photos_that_either_has_learnt_from_do_not_count(published, images, parts):
    before = measured_model.of_artifact(published)
    assert teaching.unseen(images, before) == sorted({*range(len(images.files))} - {*parts.train})
    other = dataclasses.replace(before, provenance=lambda _: provenance.of_images(images, parts.test))
    assert teaching.unseen(images, before, other) == sorted(parts.validation)
    assert teaching.unseen(images.only(parts.train), before) == []


@pytest.fixture
def course(published, images):
    """Writes down what it is taught; what it has learnt from is known, and it answers as `published`."""

    class Course:
        fabric = SimpleNamespace(print=lambda *_: None)
        before = measured_model.of_artifact(published)

        def __init__(self):
            self.fitted = {}

        def fit(self, corrected, folder):
            self.fitted[folder.name] = corrected.files
            return 1.0

        def taught(self, corrected, folder):
            assert self.fitted[folder.name] == corrected.files
            rows = [*range(len(corrected.files))]
            model = dataclasses.replace(self.before, provenance=lambda _: provenance.of_images(corrected, rows))
            return SimpleNamespace(folder=folder, model=lambda: model)

    return Course()


def test_each_correction_is_answered_once_by_a_network_that_has_not_learnt_it(course, images, parts, tmp_path):
    new = [*parts.test, *parts.validation]
    corrected = images.only([*new, *parts.train[:2]])  # the version before has learnt the last two
    groups = [f"plant {row // 2}" for row in range(len(corrected.files))]
    taught, answers = teaching.fold_by_fold(course, corrected, groups, tmp_path / "run")
    assert taught.folder == tmp_path / "run"
    assert course.fitted.pop("run") == corrected.files
    assert [*course.fitted] == ["without-1", "without-2"]
    left_out = [{*corrected.files} - {*files} for files in course.fitted.values()]
    assert sorted([*left_out[0], *left_out[1]]) == sorted(images.only(new).files)
    assert [found.n for found in answers] == [len(files) for files in left_out]
    group_of = dict(zip(corrected.files, groups, strict=True))
    assert {group_of[file] for file in left_out[0]}.isdisjoint(group_of[file] for file in left_out[1])


def test_corrections_of_one_plant_are_all_learnt(course, images, parts, tmp_path):
    corrected = images.only(parts.test)
    _, answers = teaching.fold_by_fold(course, corrected, ["plant 1"] * len(corrected.files), tmp_path / "run")
    assert answers == []
    assert [*course.fitted] == ["run"]

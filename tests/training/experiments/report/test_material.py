"""What the report's page is made of."""

import pytest

from training.atomic_files import write_json
from training.errors import RunError
from training.experiments.report.material import Material, spread
from training.experiments.throughput import FILE, OLD_FILE


@pytest.fixture
def material(images, tmp_path):
    return Material(images, [], tmp_path, tmp_path / "page", None, "nothing is published")


def test_a_result_of_an_older_release_is_read_under_its_old_name(material):
    assert material.document(FILE, OLD_FILE) is None
    write_json(material.results / OLD_FILE, {"of": "0.1"})
    assert material.document(FILE, OLD_FILE) == {"of": "0.1"}
    write_json(material.results / FILE, {"of": "0.2"})
    assert material.document(FILE, OLD_FILE) == {"of": "0.2"}


def test_a_damaged_result_is_named(material):
    (material.results / "compact.json").write_text("{")
    with pytest.raises(RunError, match=r"compact\.json cannot be read .*; remove it and make it again"):
        material.document("compact.json")


def test_one_answer_for_all_is_right_as_often_as_the_most_frequent_species(material):
    assert material.most_frequent == 12 / 36  # three species of twelve images each


def test_a_mean_has_its_standard_deviation_where_there_are_several_values():
    assert [spread(values) for values in ([], [0.5], [0.9, 0.8, 1.0])] == ["–", "50.0%", "90.0 ± 10.0%"]

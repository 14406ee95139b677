"""The folder of results."""

import json
from pathlib import Path

import pytest

from service.cli.archive.results import MANIFEST, NotWritten, Part, Refused, Results

OF = {"list_sha256": "0", "block": 4, "model": {"version": "1"}}
PART = Part(b"\xef\xbb\xbffile,problem\r\na,\r\nb,cut off\r\n", problems=1)


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "new" / "results"
    results = Results(str(out), "csv")
    assert results.begin(OF) == set()
    assert json.loads((out / MANIFEST).read_text()) == OF
    results.write(0, PART)
    results.write(1_000_000, PART)
    (out / "part-000002.parquet").write_bytes(b"of another format")
    again = Results(str(out), "csv")
    assert again.begin(OF) == {0, 1_000_000}
    assert again.problems(0) == 1
    assert (out / "part-000000.csv").read_bytes() == PART.content
    assert {file.stat().st_mode & 0o777 for file in out.glob("*-000000.csv")} == {0o644}  # for others, too


def test_other_arguments_are_refused(tmp_path: Path) -> None:
    Results(str(tmp_path), "csv").begin(OF)
    with pytest.raises(
        Refused, match=r'block was 4, is 5; model was {"version": "1"}, is {"version": "2"}. Give .*; SEEDLINGS_VERSION=1 names'
    ):
        Results(str(tmp_path), "csv").begin(OF | {"block": 5, "model": {"version": "2"}})


def test_an_archive_begun_without_the_second_model_goes_on_without_it(tmp_path: Path) -> None:
    Results(str(tmp_path), "csv").begin(OF)
    with pytest.raises(Refused, match=r"second_model was null, is .*; SEEDLINGS_SECOND_MODEL=none leaves the second model out"):
        Results(str(tmp_path), "csv").begin(OF | {"second_model": {"name": "seedlings-field", "version": "2"}})


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("of mine")
    with pytest.raises(Refused, match=r"holds other files, such as letter.txt; name a new folder"):
        Results(str(tmp_path), "csv").begin(OF)


@pytest.mark.parametrize("content", [b"", b"file,species\r\n", PART.content[:3] + b"\xff", b"PAR1"])
def test_a_damaged_part_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "part-000007.csv").write_bytes(content)
    with pytest.raises(NotWritten, match=r"part-000007.csv is damaged; remove it"):
        Results(str(tmp_path), "csv").problems(7)


def test_nowhere_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NotWritten, match="cannot be"):
        Results(str(tmp_path / "file" / "results"), "csv").begin(OF)
    with pytest.raises(Refused, match="nowhere"):
        Results("nowhere://a", "csv")


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(NotWritten, match="cannot be read"):
        Results(str(tmp_path), "csv").begin(OF)

"""Rows as Parquet and CSV."""

import datetime
import io
from typing import Any

import pytest

from service.cli.archive import tables

DATE = "2026-11-26T10:00:00Z"
ANSWERED = {
    "file": "=a.png",
    "answer": {"name": "weed", "rank": "group", "probability": 0.97},
    "species": "Charlock",
    "scientific_name": "Sinapis arvensis",
    "group": "weed",
    "probability": 0.6,
    "confident": False,
    "probabilities": {"Maize": 0.03, "Charlock": 0.6, "Cleavers": 0.37},
    "crop": [64, 0, 384, 384],
    "model": {"name": "seedlings", "version": "3"},
    "date": DATE,
}
PROBLEM = {"file": "b.png", "problem": {"type": "urn:seedlings:undecodable-image", "detail": "it is cut off"}}


def encoded(results: list[dict[str, Any]], kind: tables.Kind, *, detect: bool = False) -> bytes:
    rows = [row for result in results for row in tables.rows(result, detect=detect)]
    return tables.encode(rows, tables.columns(detect=detect), kind)


def test_parquet_has_a_type_for_each_column() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install 'seedlings[archive]'")
    table = parquet.read_table(io.BytesIO(encoded([ANSWERED, PROBLEM], "parquet")))
    assert tuple(table.column_names) == tables.columns(detect=False)
    first, second = table.to_pylist()
    assert (first["file"], first["crop"], first["model"]) == ("=a.png", [64.0, 0.0, 384.0, 384.0], "seedlings 3")
    assert (first["answer"], first["second_species"], first["confident"], first["familiar"]) == ("weed", "Cleavers", False, None)
    assert first["date"] == datetime.datetime.fromisoformat(DATE)
    assert {name for name, value in second.items() if value is not None} == {"file", "problem"}
    assert second["problem"] == "it is cut off"
    alone = parquet.read_table(io.BytesIO(encoded([PROBLEM], "parquet")))
    assert alone.schema.equals(table.schema)  # a part without answers reads as the others do


def test_parquet_of_plants() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install 'seedlings[archive]'")
    plant = {**ANSWERED, "box": [1, 2, 30, 40], "clump": False, "area": 0.01, "kind": None}
    seen = {"file": "c.png", "date": DATE, "position": [51.5, 7.25], "model": ANSWERED["model"], "segmenter": {"name": "s", "version": "1"}}
    seen["truncated"] = True
    content = encoded([seen | {"plants": [plant, plant]}, seen | {"plants": []}, PROBLEM], "parquet", detect=True)
    table = parquet.read_table(io.BytesIO(content))
    assert tuple(table.column_names) == tables.columns(detect=True)
    assert table.column("plant").to_pylist() == [1, 2, None, None]
    assert table.column("height").to_pylist() == [40, 40, None, None]
    assert table.column("latitude").to_pylist() == [51.5, 51.5, 51.5, None]
    assert table.column("truncated").to_pylist() == [True, True, True, None]
    assert tables.problems(content, "parquet") == 1


def test_csv_is_that_of_the_terminal() -> None:
    content = encoded([ANSWERED, PROBLEM], "csv")
    heading, first, second = content.decode("utf-8-sig").splitlines()
    assert heading == ",".join(tables.columns(detect=False))
    assert first.startswith("'=a.png,weed,group,0.97,Charlock,Sinapis arvensis,weed,0.6,no,,Cleavers,0.37,64 0 384 384,seedlings 3,2026")
    assert second == "b.png" + "," * 15 + "it is cut off"
    assert tables.problems(content, "csv") == 1


def test_a_part_that_is_none() -> None:
    with pytest.raises((ValueError, KeyError)):
        tables.problems(b"PAR1 no", "parquet")

"""Answers as CSV, for any spreadsheet."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

COLUMNS = (  # of a row for each photo
    *("file", "answer", "answer_rank", "answer_probability"),
    *("species", "scientific_name", "group", "probability", "confident", "familiar"),
    *("second_species", "second_probability", "crop", "model", "date", "problem"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run it
_YES_OR_NO = ("confident", "familiar", "clump", "truncated")
Result = dict[str, Any]


def write_csv(columns: Sequence[str], rows: Iterable[Result], stream: TextIO) -> None:
    """Rows under a heading, as CSV."""
    stream.write("\ufeff")  # tells Excel that this is UTF-8
    table = csv.writer(stream)
    table.writerow(columns)
    table.writerows([_cell(row, column) for column in columns] for row in rows)


def percent(probability: float) -> str:
    """A probability for people: it is never rounded up to certainty."""
    return "> 99.9%" if probability >= 0.9995 else f"{probability:.1%}"


def flat(result: Result) -> Result:
    """What an answer says, in columns: each of them holds a text, a number, or the numbers of a square."""
    said, model = result["answer"] or {}, result["model"]
    ranked = sorted(result["probabilities"].items(), key=lambda one: -one[1])
    second = ranked[1] if len(ranked) > 1 else (None, None)
    return result | {
        "answer": said.get("name"),
        "answer_rank": said.get("rank"),
        "answer_probability": said.get("probability"),
        "second_species": second[0],
        "second_probability": second[1],
        "model": f"{model['name']} {model['version']}",
    }


def _cell(row: Result, column: str) -> str:
    value = row.get(column)
    if column == "problem" and value:
        value = value["detail"]
    if column in _YES_OR_NO and value is not None:
        value = "yes" if value else "no"
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, int | float):
        return str(value)  # a number below 0 is no formula
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

"""Rows as a part of the results: Parquet with a type for each column, or CSV as the command writes it to a terminal."""

import csv
import datetime
import io
from collections.abc import Sequence
from typing import Any, Literal

from service.cli import csv_tables, detection_output
from service.cli.csv_tables import Result

Kind = Literal["parquet", "csv"]
_NUMBERS = ("answer_probability", "probability", "second_probability", "score", "area", "latitude", "longitude")
_WHOLE = ("plant", "x", "y", "width", "height")
_FLAGS = ("confident", "familiar", "clump", "truncated")


def columns(*, detect: bool) -> tuple[str, ...]:
    """Of a row for each plant, or of one for each photo."""
    return detection_output.COLUMNS if detect else csv_tables.COLUMNS


def rows(result: Result, *, detect: bool) -> list[Result]:
    """The rows of one photo, at least one; of a photo without an answer the one that says why."""
    if detect:
        return detection_output.rows(result)
    return [result if "problem" in result else csv_tables.flat(result)]


def encode(found: Sequence[Result], names: Sequence[str], kind: Kind) -> bytes:
    """The bytes of a file with these rows."""
    if kind == "csv":
        text = io.StringIO()
        csv_tables.write_csv(names, found, text)
        return text.getvalue().encode()
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(name, _type(pyarrow, name)) for name in names])
    table = pyarrow.Table.from_pylist([{name: _value(row.get(name), name) for name in names} for row in found], schema)
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream)
    return stream.getvalue()


def problems(content: bytes, kind: Kind) -> int:
    """How many rows of a file have no answer. Raises ValueError for a file that is none of this kind."""
    if kind == "csv":
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        if "problem" not in (table.fieldnames or ()):
            raise ValueError("it has no heading")
        return sum(bool(row["problem"]) for row in table)
    import pyarrow.parquet

    column = pyarrow.parquet.read_table(io.BytesIO(content), columns=["problem"]).column(0)
    return len(column) - int(column.null_count)


def _type(pyarrow: Any, name: str) -> Any:
    if name in _NUMBERS:
        return pyarrow.float64()
    if name in _WHOLE:
        return pyarrow.int32()
    if name in _FLAGS:
        return pyarrow.bool_()
    if name == "crop":
        return pyarrow.list_(pyarrow.float64())
    return pyarrow.timestamp("ms", "UTC") if name == "date" else pyarrow.string()


def _value(value: Any, name: str) -> Any:
    if name == "date" and value is not None:
        return datetime.datetime.fromisoformat(value)
    return value["detail"] if name == "problem" and value is not None else value

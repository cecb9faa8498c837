# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A head's answers as a file, whose suffix says the kind: JSON lines, CSV or Parquet; written piece by piece."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow.parquet import ParquetWriter

from ..system.errors import InputError
from .labels import Labels


TABLES = (".csv", ".parquet")  # other files hold JSON lines
# Rows of the input and their answers: `label` and `score`, `labels` or `score`, and `scores` of classes.
Pieces = Iterable[list[tuple[dict[str, Any], dict[str, Any]]]]


def write_answers(path: Path, pieces: Pieces, schema: pyarrow.Schema | None, labels: Labels) -> None:
    """
    Write a row for each text.

    Args:
        path (`Path`): .csv and .parquet files hold the columns of the input, then `predicted`, its
            `probability`, and `p_CLASS` for each class; others JSON lines of the input's row and the answer.
        schema (`pyarrow.Schema`): of the input's columns, for tables.
    """
    kind = path.suffix.lower()
    if kind not in TABLES:
        with path.open("w", encoding="utf-8") as file:
            for piece in pieces:
                file.writelines(to_json(row | answer) + "\n" for row, answer in piece)
        return
    tables = ([row | _columns_of(answer) for row, answer in piece] for piece in pieces)
    _TABLE_WRITERS[kind](path, tables, answer_schema(schema or pyarrow.schema([]), labels))


def answer_schema(schema: pyarrow.Schema, labels: Labels) -> pyarrow.Schema:
    """Return the columns of a table of answers, beside those of its input."""
    return pyarrow.schema([*schema, *_fields(labels)])


def tabulate(rows: Iterable[tuple[dict[str, Any], dict[str, Any]]], schema: pyarrow.Schema) -> pyarrow.Table:
    """Return rows of the input and their answers as a table of the columns of [`answer_schema`]."""
    return pyarrow.Table.from_pylist([row | _columns_of(answer) for row, answer in rows], schema)


def require_free_columns(path: Path, columns: Sequence[str], labels: Labels) -> None:
    """
    Ask before the work whether a file can have the columns of its input beside those of the answers.

    Raises:
        InputError: the input has a column of the same name.
    """
    added = {field.name for field in _fields(labels)} | {"probability"}
    if path.suffix.lower() in TABLES and (clash := sorted(added & set(columns))):
        raise InputError(
            f"the texts' file has a column {clash[0]!r}, as the answers do: rename it, or write JSON lines"
        )


def to_json(row: dict[str, Any]) -> str:
    """Return a row as one line; dates and times, which JSON has not, as text."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False, default=str)


def _write_csv(path: Path, tables: Iterable[list[dict[str, Any]]], schema: pyarrow.Schema) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, schema.names, lineterminator="\n")
        writer.writeheader()
        for rows in tables:
            writer.writerows({name: _to_cell(cell) for name, cell in row.items()} for row in rows)


def _write_parquet(path: Path, tables: Iterable[list[dict[str, Any]]], schema: pyarrow.Schema) -> None:
    with ParquetWriter(path, schema) as writer:
        for rows in tables:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))


_TABLE_WRITERS: dict[str, Callable] = {".csv": _write_csv, ".parquet": _write_parquet}


def _to_cell(cell: Any) -> Any:
    return json.dumps(cell, ensure_ascii=False, default=str) if isinstance(cell, (list, dict)) else cell


def _fields(labels: Labels) -> list[pyarrow.Field]:
    scores = [pyarrow.field(f"p_{name}", pyarrow.float64()) for name in labels.names]
    match labels.problem_type:
        case "regression":
            return [pyarrow.field("predicted", pyarrow.float64())]
        case "multi_label_classification":
            return [pyarrow.field("predicted", pyarrow.string()), *scores]
    return [pyarrow.field("predicted", pyarrow.string()), pyarrow.field("probability", pyarrow.float64()), *scores]


def _columns_of(answer: dict[str, Any]) -> dict[str, Any]:
    scores = {f"p_{name}": score for name, score in answer.get("scores", {}).items()}
    if "labels" in answer:
        return {"predicted": json.dumps(answer["labels"], ensure_ascii=False)} | scores
    if "label" in answer:
        return {"predicted": answer["label"], "probability": answer["score"]} | scores
    return {"predicted": answer["score"]}

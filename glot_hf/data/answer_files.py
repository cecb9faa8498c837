# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A head's answers as a file, whose suffix says the kind: JSON lines, CSV or Parquet."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas

from ..system.atomic_files import write_atomically
from ..system.errors import InputError


TABLES = (".csv", ".parquet")  # other files hold JSON lines


def write_answers(path: Path, examples: Sequence[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
    """
    Write a row for each text; a file that is there is replaced when all of them are written.

    Args:
        path (`Path`): .csv and .parquet files hold the columns of `examples`, then `predicted`, its `probability`, and
            `p_CLASS` for each class; other files JSON lines.
        examples (`list[dict]`): the texts, and for tables whatever else their file has.
        answers (`list[dict]`): `label` and `score`, `labels` or `score`, and `scores` of classes.

    """
    if path.suffix not in TABLES:
        lines = "".join(to_json(example | answer) + "\n" for example, answer in zip(examples, answers))
        write_atomically(path, lambda part: part.write_text(lines, encoding="utf-8"))
        return
    table = pandas.DataFrame([example | _columns_of(answer) for example, answer in zip(examples, answers)])
    if path.suffix == ".csv":
        write_atomically(path, lambda part: table.to_csv(part, index=False))
    else:
        write_atomically(path, lambda part: table.to_parquet(part, index=False))


def require_free_columns(path: Path, columns: Sequence[str], classes: Sequence[str]) -> None:
    """
    Ask before the work whether a file can have the columns of its input beside those of the answers.

    Raises:
        InputError: the input has a column of the same name.
    """
    added = {"predicted", "probability", *(f"p_{name}" for name in classes)}
    if path.suffix in TABLES and (clash := sorted(added & set(columns))):
        raise InputError(
            f"the texts' file has a column {clash[0]!r}, as the answers do: rename it, or write JSON lines"
        )


def to_json(row: dict[str, Any]) -> str:
    """Return a row as one line."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def _columns_of(answer: dict[str, Any]) -> dict[str, Any]:
    scores = {f"p_{name}": score for name, score in answer.get("scores", {}).items()}
    if "labels" in answer:
        return {"predicted": json.dumps(answer["labels"], ensure_ascii=False)} | scores
    if "label" in answer:
        return {"predicted": answer["label"], "probability": answer["score"]} | scores
    return {"predicted": answer["score"]}

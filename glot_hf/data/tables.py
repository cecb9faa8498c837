# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A table of texts from a CSV, TSV, JSON lines or Parquet file, or from a datasets name."""

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from datasets import Dataset, load_dataset

from ..system.errors import InputError
from .rows import csv_rows, json_rows, require_known_kind
from .spreadsheets import sheet_rows


_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".xlsx")


def load_table(
    source: str, split: str = "train", columns: tuple[str, ...] | None = None, fill_short_rows: bool = False
) -> Dataset:
    """
    Read a file, or a split of a dataset by its name (which needs a network).

    A file is read anew each time, into memory: what the datasets library keeps of files goes by their path and time,
    which a file with other rows can have too. The cells of CSV, TSV and .xlsx files, and the strings of JSON, are
    kept as text: no number, date or "NA" is guessed.

    Args:
        source (`str`): a file with one of the suffixes .csv, .tsv, .jsonl, .json (lines, or an array), .parquet or
            .xlsx; or a name.
        split (`str`): of a dataset by name.
        columns (`tuple[str, ...]`, *optional*): the column names of a CSV or TSV file that has no header.
        fill_short_rows (`bool`): give rows of a CSV or TSV file that lack cells empty ones, and do not refuse them.

    Raises:
        InputError: the file is missing, empty, of another kind or cannot be parsed, or the name cannot be loaded.
    """
    if not require_table_file(source):
        try:
            return load_dataset(source, split=split)
        except Exception as error:  # of many kinds: no network, no such name, no such split
            raise InputError(
                f"{source!r} is neither a file nor a dataset that can be loaded ({first_line(error)}): give a "
                f"{', '.join(_SUFFIXES)} file, or a dataset's name on a machine with a network"
            ) from error
    match Path(source).suffix.lower():
        case ".csv" | ".tsv":
            table = _read_csv(source, columns, fill_short_rows)
        case ".json" | ".jsonl":
            table = _read_json(source)
        case ".xlsx":
            table = _of_rows(source, sheet_rows(source))
        case _:
            table = _read_parquet(source)
    if len(table) == 0:
        raise InputError(f"{source!r} is empty: it has no row below its header")
    if len(set(table.column_names)) != table.num_columns:
        raise InputError(f"{source!r} names a column twice: {table.column_names}")
    try:
        return Dataset(table)
    except (pyarrow.ArrowException, RecursionError) as error:  # a cell is nested too deep
        raise InputError(f"{source!r} cannot be read as a table: {first_line(error)}") from error


def require_table_file(source: str) -> bool:
    """
    Return whether a source is a file, and not the name of a dataset.

    Raises:
        InputError: the file is missing, empty or of another kind.
    """
    path = Path(source)
    if not path.is_file():
        if path.suffix.lower() in _SUFFIXES or path.exists():
            raise InputError(f"there is no file {source!r}: check the path")
        return False
    require_known_kind(source, _SUFFIXES)
    if path.stat().st_size == 0:
        raise InputError(f"{source!r} is empty: it must hold at least a header and a row")
    return True


def _read_csv(source: str, header: tuple[str, ...] | None, fill_short_rows: bool) -> pyarrow.Table:
    return _of_rows(source, [cells for _, cells in csv_rows(source, header, fill_short_rows)])


def _of_rows(source: str, rows: list[list[str]]) -> pyarrow.Table:
    """Return rows of text, the names of the columns first, as a table."""
    names, *rows = rows or [[]]
    if len(set(names)) != len(names):
        raise InputError(f"{source!r} names a column twice: {names}")
    columns = {name: [cells[place] for cells in rows] for place, name in enumerate(names)}
    return pyarrow.table({name: pyarrow.array(cells, pyarrow.string()) for name, cells in columns.items()})


def _read_json(source: str) -> pyarrow.Table:
    rows = [cells for _, cells in json_rows(source)]
    names = dict.fromkeys(name for cells in rows for name in cells)  # some rows may lack what others have
    return pyarrow.table({name: arrow_column(source, name, [cells.get(name) for cells in rows]) for name in names})


def arrow_column(source: str, name: str, cells: list[Any]) -> pyarrow.Array:
    """
    Return the cells of a column of JSON as an array.

    Raises:
        InputError: they are of several kinds.
    """
    try:
        return pyarrow.array(cells)
    except (pyarrow.ArrowException, OverflowError, ValueError) as error:
        kinds = sorted({type(cell).__name__ for cell in cells if cell is not None})
        raise InputError(
            f"{source!r}: the column {name!r} cannot be read ({first_line(error)}); it holds {', '.join(kinds)}: "
            "give it values of one kind in all rows"
        ) from error


def _read_parquet(source: str) -> pyarrow.Table:
    try:
        # Not read_table, which makes columns of what a path of folders such as year=2020 says.
        with pyarrow.parquet.ParquetFile(source) as file:
            return file.read()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{source!r} cannot be read as Parquet: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return the innermost cause: datasets wraps what went wrong in errors of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The rows of a table, one by one and as often as asked for: what is in memory does not grow with the file."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from datasets import Dataset

from ..system.errors import InputError
from .rows import csv_rows, json_rows
from .tables import arrow_column, first_line, load_table, require_table_file


_ROWS_AT_ONCE = 1024
_ROWS_OF_A_SAMPLE = 1000


class TableRows:
    """
    The rows of a file, or of a split of a dataset by its name, as dicts of all columns; a cell that a line of JSON
    lacks is None. An array in a .json file and a sheet of an .xlsx file are read whole.

    Args:
        source (`str`): as in [`load_table`], which says what the cells are.
        split (`str`): of a dataset by name.

    Raises:
        InputError: the file is missing, empty or of another kind; when it is read, also if it cannot be parsed.
    """

    def __init__(self, source: str, split: str = "test"):
        self.source = source
        self._suffix = Path(source).suffix.lower()
        streams = require_table_file(source) and self._suffix != ".xlsx"
        self._table = None if streams else load_table(source, split=split)

    @classmethod
    def of_texts(cls, columns: dict[str, list[str]], source: str) -> "TableRows":
        """Return rows that are in memory, by the name of each column."""
        rows = object.__new__(cls)
        rows.source, rows._suffix, rows._table = source, "", Dataset.from_dict(columns)
        return rows

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the place of each row, such as "line 2", and its cells by column."""
        place = None
        for place, cells in self._read():
            yield place, cells
        if place is None:
            raise InputError(f"{self.source!r} is empty: it has no row below its header")

    @cached_property
    def columns(self) -> list[str]:
        """The names of the columns, in their order."""
        if self._table is not None:
            return self._table.column_names
        match self._suffix:
            case ".json" | ".jsonl":
                return list(dict.fromkeys(name for _, cells in json_rows(self.source) for name in cells))
            case ".parquet":
                return self.schema.names
        return next(csv_rows(self.source), ("", []))[1]

    @cached_property
    def schema(self) -> pyarrow.Schema:
        """
        The types of the columns; those of JSON are found by reading all.

        Raises:
            InputError: a column holds cells of several kinds, or the file cannot be read.
        """
        if self._table is not None:
            return self._table.features.arrow_schema.remove_metadata()
        match self._suffix:
            case ".json" | ".jsonl":
                return self._found_schema()
            case ".parquet":
                with self._open_parquet() as file:
                    return file.schema_arrow.remove_metadata()
        return pyarrow.schema([(name, pyarrow.string()) for name in self.columns])

    def sample(self) -> Dataset:
        """Return the first rows, some hundreds, as a table: columns are guessed by them."""
        if self._table is not None:
            return self._table.select(range(min(_ROWS_OF_A_SAMPLE, len(self._table))))
        return Dataset(self._tabulate([cells for _, cells in islice(self, _ROWS_OF_A_SAMPLE)]))

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self._table is not None:
            table: Any = self._table
            return ((f"row {number}", cells) for number, cells in enumerate(table, start=1))
        match self._suffix:
            case ".json" | ".jsonl":
                return self._read_json()
            case ".parquet":
                return self._read_parquet()
        return self._read_csv()

    def _read_csv(self) -> Iterator[tuple[str, dict[str, Any]]]:
        rows = csv_rows(self.source)
        _, names = next(rows, ("", []))
        return ((place, dict(zip(names, cells))) for place, cells in rows)

    def _read_json(self) -> Iterator[tuple[str, dict[str, Any]]]:
        empty = dict.fromkeys(self.columns)
        return ((place, empty | cells) for place, cells in json_rows(self.source))

    def _read_parquet(self) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            with self._open_parquet() as file:
                rows = (row for batch in file.iter_batches(_ROWS_AT_ONCE) for row in batch.to_pylist())
                yield from ((f"row {number}", cells) for number, cells in enumerate(rows, start=1))
        except pyarrow.ArrowException as error:
            raise InputError(f"{self.source!r} cannot be read as Parquet: {first_line(error)}") from error

    def _open_parquet(self) -> pyarrow.parquet.ParquetFile:
        try:
            return pyarrow.parquet.ParquetFile(self.source)
        except (pyarrow.ArrowException, OSError) as error:
            raise InputError(f"{self.source!r} cannot be read as Parquet: {first_line(error)}") from error

    def _found_schema(self) -> pyarrow.Schema:
        found, rows = [], (cells for _, cells in self)
        try:
            while piece := list(islice(rows, _ROWS_AT_ONCE)):
                found = [pyarrow.unify_schemas([*found, self._tabulate(piece).schema], promote_options="permissive")]
        except pyarrow.ArrowException as error:
            raise InputError(
                f"{self.source!r} cannot be a table ({first_line(error)}): give each column values of one kind, or "
                "write JSON lines"
            ) from error
        return found[0]

    def _tabulate(self, rows: list[dict[str, Any]]) -> pyarrow.Table:
        if self._suffix in (".json", ".jsonl"):
            return pyarrow.table(
                {name: arrow_column(self.source, name, [cells[name] for cells in rows]) for name in self.columns}
            )
        return pyarrow.Table.from_pylist(rows, self.schema)

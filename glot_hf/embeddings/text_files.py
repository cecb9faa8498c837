# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Texts of files of any size, read row by row: what is in memory does not grow with the files."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ..data.rows import csv_rows, json_rows, require_known_kind
from ..data.spreadsheets import sheet_rows
from ..data.templates import TextTemplate
from ..data.utf8 import require_utf8
from ..system.errors import InputError, require_extra


_FLAGS = "--text_column, --text_template and --id_column"
# Of each row its place, such as "line 2", and its cells.
Rows = Iterator[tuple[str, tuple[Any, ...]]]


class TextRow(NamedTuple):
    id: str | int  # its cell in the id column; without one, its number, from 0 and over all files
    text: str

    @property
    def is_blank(self) -> bool:
        """Nothing but white space, or nothing at all."""
        return not self.text.strip()


@dataclass(frozen=True)
class TextFiles:
    """
    The rows of some files, one after the other, as often as they are asked for. A cell that holds null is an empty
    text.

    Args:
        paths (`list[str]`): .txt (a text is a line), .csv, .tsv, .jsonl, .json (lines; an array is read whole) or
            .parquet or .xlsx (read whole).
        text_column (`str`): of all files but .txt.
        text_template (`str`, *optional*): makes the text of several columns, in the place of that one: see
            [`TextTemplate`].
        id_column (`str`, *optional*): what a row is called in results.

    Raises:
        InputError: a file is missing or of another kind; when it is read, also if it has no such column, a cell is not
            text, or it cannot be parsed: names the line (of Parquet the row), counted from 1.
    """

    paths: list[str]
    text_column: str = "text"
    text_template: str | None = None
    id_column: str | None = None

    def __post_init__(self):
        for path in self.paths:
            if not os.path.isfile(path):
                raise InputError(f"there is no file {path!r}: check the path")
            require_known_kind(path, tuple(_READERS))
            if Path(path).suffix.lower() == ".txt" and self.id_column is not None:
                raise InputError(f"{path!r} has no column {self.id_column!r} for ids: a .txt file holds texts alone")

    def __iter__(self) -> Iterator[TextRow]:
        row = 0
        for path in self.paths:
            for text, *rest in self._cells(path):
                yield TextRow(str(rest[0]) if rest else row, text)
                row += 1

    def chunks(self, size: int) -> Iterator[list[TextRow]]:
        """Yield the rows, `size` at a time; the last ones may be fewer."""
        rows = iter(self)
        while chunk := list(islice(rows, size)):
            yield chunk

    def _cells(self, path: str) -> Iterator[tuple[Any, ...]]:
        template = None if self.text_template is None else TextTemplate(self.text_template)
        texts = [self.text_column] if template is None else template.columns
        columns = texts if self.id_column is None else [*texts, self.id_column]
        suffix, place = Path(path).suffix.lower(), None
        try:
            for place, cells in _READERS[suffix](path, columns):
                text, ids = cells[0], cells[len(texts) :]
                if template is not None and suffix != ".txt":
                    text = template.fill(dict(zip(texts, cells)), f"{path}, {place}")
                text = "" if text is None else text
                if not isinstance(text, str):
                    raise InputError(
                        f"{path}, {place}: {self.text_column!r} holds {text!r}, which is not text "
                        "(--text_column names another column)"
                    )
                text.encode()  # JSON can escape half a character, which no tokenizer takes
                if None in ids:
                    raise InputError(f"{path}, {place}: {self.id_column!r} is empty: give every row an id")
                yield text, *ids
        except UnicodeEncodeError as error:
            raise InputError(f"{path}, {place}: {self.text_column!r} cannot be written as UTF-8: {error}") from error
        if place is None:
            raise InputError(f"{path!r} is empty: it must hold a row")


def _read_lines(path: str, columns: list[str]) -> Rows:
    # Lines end where `wc -l` counts them: a lone carriage return, of which web text has some, does not end one.
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                yield f"line {number}", (line.removesuffix("\n").removesuffix("\r"),)
    except UnicodeDecodeError:
        require_utf8(path)
        raise


def _read_csv(path: str, columns: list[str]) -> Rows:
    return _of_rows(path, columns, csv_rows(path))


def _read_sheet(path: str, columns: list[str]) -> Rows:
    return _of_rows(path, columns, ((f"row {number}", row) for number, row in enumerate(sheet_rows(path))))


def _of_rows(path: str, columns: list[str], rows: Iterator[tuple[str, list[str]]]) -> Rows:
    _, header = next(rows, (None, None))
    if header is None:
        return
    places = [header.index(column) for column in _require_columns(path, columns, header)]
    for place, cells in rows:
        yield place, tuple(cells[number] for number in places)


def _read_json(path: str, columns: list[str]) -> Rows:
    for place, cells in json_rows(path):
        _require_columns(f"{path}, {place}", columns, list(cells))
        yield place, tuple(cells[column] for column in columns)


def _read_parquet(path: str, columns: list[str]) -> Rows:
    require_extra("train", "pyarrow")
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _require_columns(path, columns, file.schema_arrow.names)
            batches = file.iter_batches(batch_size=1024, columns=columns)
            rows = (row for batch in batches for row in zip(*(batch[column].to_pylist() for column in columns)))
            yield from ((f"row {number}", cells) for number, cells in enumerate(rows, start=1))
    except pyarrow.ArrowException as error:
        raise InputError(f"{path!r} cannot be read as Parquet: {error}") from error


def _require_columns(where: str, columns: list[str], names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise InputError(f"{where} names a column twice: {names}")
    for column in columns:
        if column not in names:
            raise InputError(f"{where}: there is no column {column!r}: {_FLAGS} name columns of {names}")
    return columns


_READERS: dict[str, Callable[[str, list[str]], Rows]] = {
    ".txt": _read_lines,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_json,
    ".json": _read_json,
    ".parquet": _read_parquet,
    ".xlsx": _read_sheet,
}

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The rows of CSV, TSV and JSON files, one by one: every command reads them alike."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..system.errors import InputError
from .utf8 import require_utf8


csv.field_size_limit(2**31 - 1)  # a cell may be a whole document

_SPREADSHEET = "save the sheet as .xlsx, or as CSV in UTF-8"
_PACKED = "unpack it first"
_HINTS = {".xls": _SPREADSHEET, ".ods": _SPREADSHEET, ".gz": _PACKED, ".zip": _PACKED}


def require_known_kind(path: str, valid: tuple[str, ...]) -> None:
    """
    Args:
        valid (`tuple[str, ...]`): suffixes, in lower case.

    Raises:
        InputError: the file is of another kind; says how it becomes one of these, where that is known.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in valid:
        hint = f" ({_HINTS[suffix]})" if suffix in _HINTS else ""
        raise InputError(f"{path!r} is of an unknown kind: valid are {', '.join(valid)}{hint}")


def csv_rows(
    path: str, header: tuple[str, ...] | None = None, fill_short_rows: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """
    Yield the place and the cells of each row, such as `("line 2", ["a", "b"])`; the first are the columns' names.

    CSV is quoted as usual; in a .tsv file quotes are plain characters, as in GLUE's. An empty line is a row with an
    empty cell where there is one column, and no row where there are more.

    Args:
        header (`tuple[str, ...]`, *optional*): the columns of a file that does not name them.
        fill_short_rows (`bool`): give rows that lack cells empty ones.

    Raises:
        InputError: a row has more or fewer cells than the header, the header names a column twice, a quote stays open
            or the file is not UTF-8; names the line, counted from 1.
    """
    path, line, names = str(path), 1, header
    tabs = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if path.lower().endswith(".tsv") else {}
    if header is not None:
        yield "its header", list(header)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            ends = _LineEnds(file)
            reader = csv.reader(ends, strict=True, **tabs)
            for cells in reader:
                place, line = f"line {line}", reader.line_num + 1  # where it begins: a cell may have lines of its own
                ends.require_one_kind(path, place)
                if not cells and names is not None and len(names) == 1:
                    cells = [""]
                if not cells:
                    continue
                if names is None:
                    names = cells
                    _require_header(path, names)
                if len(cells) < len(names) and fill_short_rows:
                    cells += [""] * (len(names) - len(cells))
                if len(cells) != len(names):
                    raise InputError(
                        f"{path}, {place}: has {len(cells)} cells for the {len(names)} columns {list(names)}: check "
                        "the separator (a comma in .csv, a tab in .tsv) and the quotes"
                    )
                yield place, cells
    except csv.Error as error:
        raise InputError(
            f"{path}, line {line}: {error}; a quoted cell ends with its quote, and quotes in it are doubled"
        ) from error
    except UnicodeDecodeError:
        require_utf8(path)
        raise


class _LineEnds:
    """The lines of a file, of which the last one read is remembered: where a row ends, csv does not say how."""

    def __init__(self, lines: Iterable[str]):
        self._lines, self._line, self._is_mac = lines, "", None

    def __iter__(self) -> Iterator[str]:
        for self._line in self._lines:
            yield self._line

    def require_one_kind(self, path: str, place: str) -> None:
        """
        Raises:
            InputError: a row ends with a lone carriage return, and others do not: it is part of a text.
        """
        if not self._line.endswith(("\r", "\n")):
            return  # the last row
        is_mac, self._is_mac = self._is_mac, self._line.endswith("\r")
        if is_mac is not None and is_mac != self._is_mac:
            raise InputError(
                f"{path}, {place}: some rows end with a lone carriage return, and others with a line feed: put a text "
                "that holds a carriage return in quotes"
            )


def json_rows(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Yield the place and the cells of each row, such as `("line 2", {"text": "a"})`. A file that is one array of
    objects, and not one object a line, is read whole.

    Raises:
        InputError: something is not JSON or no object, or the file is not UTF-8; names its place, counted from 1.
    """
    path, is_first = str(path), True
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                if is_first and line.lstrip().startswith("["):
                    yield from _array_rows(path)
                    return
                is_first = False
                try:
                    cells = json.loads(line, object_pairs_hook=_each_key_once)
                except (ValueError, RecursionError) as error:  # the latter where it is nested a thousand deep
                    raise InputError(
                        f"{path}, line {number}: is not JSON ({error}): give one object a line"
                    ) from error
                yield f"line {number}", _require_object(path, f"line {number}", cells)
    except UnicodeDecodeError:
        require_utf8(path)
        raise


def _array_rows(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    text = Path(path).read_text(encoding="utf-8-sig")
    try:
        rows = json.loads(text, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path!r} begins like an array, but is not JSON ({error}): give one object a line"
        ) from error
    for number, cells in enumerate(rows, start=1):
        yield f"row {number}", _require_object(path, f"row {number}", cells)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    cells = dict(pairs)
    if len(cells) != len(pairs):  # else the last of them would win, silently
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is given twice")
    return cells


def _require_object(path: str, place: str, cells: Any) -> dict[str, Any]:
    if not isinstance(cells, dict):
        raise InputError(f"{path}, {place}: holds {type(cells).__name__}: give one object a line")
    return cells


def _require_header(path: str, names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise InputError(f"{path!r} names a column twice: {names}")
    separator = next((mark for mark in (";", "\t") if len(names) == 1 and mark in names[0]), None)
    if separator is not None:
        raise InputError(
            f"{path!r} has one column, {names[0]!r}, which looks like several that are separated by {separator!r}: "
            "save it with commas as .csv, or with tabs as .tsv"
        )

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Cells of a label column -> what a head is trained on."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from ..system.errors import InputError
from .label_lists import find_combination, find_separator, name_of, parse_list, split, split_by_names


ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
# How files write whether a class applies.
_FLAGS = {"0", "1", "0.0", "1.0", "False", "True"}


@dataclass(frozen=True)
class Labels:
    """
    The labels of a data set, learned from its training rows.

    Args:
        problem_type (`str`): as in `PreTrainedConfig`.
        names (`tuple[str, ...]`): the classes, in the order of their indices; empty for regression.
    """

    problem_type: ProblemType
    names: tuple[str, ...] = ()

    @property
    def config_options(self) -> dict[str, Any]:
        """The options of `GlotConfig`: the problem type, and the names of the classes."""
        if self.problem_type == "regression":
            return {"problem_type": self.problem_type, "num_labels": 1}
        id2label = dict(enumerate(self.names))
        return {
            "problem_type": self.problem_type,
            "id2label": id2label,
            "label2id": {name: index for index, name in id2label.items()},
        }

    def encode(self, cells: list[Any], where: str) -> list[int] | list[float] | list[list[float]]:
        """
        Return class indices, floats, or for several labels a row a list of 0.0 and 1.0 for each row.

        Args:
            cells (`list`): one a row.
            where (`str`): names the table in messages.

        Raises:
            InputError: labels are absent, unknown or not a number; names their rows, counted from 1.
        """
        _require_labels(cells, where, self.problem_type)
        if self.problem_type == "regression":
            return _numbers(cells, where)
        index = {name: position for position, name in enumerate(self.names)}
        rows = [self._names_in(cell, f"{where}, row {row}") for row, cell in enumerate(cells, start=1)]
        unknown = {row: name for row, names in enumerate(rows, start=1) for name in names if name not in index}
        if unknown:
            row, name = next(iter(unknown.items()))
            raise InputError(
                f"{place_rows(where, list(unknown))}: the label {name!r} is not one of the classes "
                f"{shorten(self.names)}"
            )
        if self.problem_type == "single_label_classification":
            return [index[name] for [name] in rows]
        return [[float(name in names) for name in self.names] for names in rows]

    def _names_in(self, cell: Any, place: str) -> list[str]:
        is_single = self.problem_type == "single_label_classification"
        if name_of(cell) in self.names:
            return [name_of(cell)]
        names = _parse_list(cell, place, strict=not is_single)
        if is_single:
            return [name_of(cell)] if names is None else [_only(names, place)]
        return split_by_names(name_of(cell), self.names) if names is None else names


def learn_labels(cells: list[Any], where: str, problem_type: ProblemType | None = None) -> Labels:
    """
    Find the problem type, where it is not given, and the classes.

    Lists of labels, or text that is written as one in JSON or Python, make a multi-label problem; numbers of which at
    least one is not whole, regression; anything else, classification. Where several labels a row are asked for, they
    are separated by the first of `|`, `;` and `,` that the column holds, and an empty text has none.

    Raises:
        InputError: a label is absent or not a number (names its row), there is only one class, or classes look like
            combinations of several labels and nothing says that they are none.
    """
    _require_labels(cells, where, problem_type)
    if problem_type is None:
        numbers = [parse_number(cell) for cell in cells]
        found = [number for number in numbers if number is not None]
        if len(found) == len(numbers) and not all(number.is_integer() for number in found):
            problem_type = "regression"
    if problem_type == "regression":
        _numbers(cells, where)
        return Labels(problem_type)
    strict = problem_type != "single_label_classification"
    places = [f"{where}, row {row}" for row in range(1, len(cells) + 1)]
    lists = [_parse_list(cell, place, strict) for cell, place in zip(cells, places)]
    if problem_type is None:
        has_lists = any(names is not None for names in lists)
        problem_type = "multi_label_classification" if has_lists else "single_label_classification"
        if not has_lists:
            _refuse_combinations({name_of(cell) for cell in cells}, where)
    if problem_type == "multi_label_classification":
        found = _several_names(cells, lists, where)
    else:
        found = {
            name_of(cell) if names is None else _only(names, place) for cell, names, place in zip(cells, lists, places)
        }
    if len(found) < 2:
        raise InputError(
            f"{where} has one class only, {next(iter(found), None)!r}: classification needs two or more (check the "
            "label column, or pass --problem_type regression)"
        )
    return Labels(problem_type, tuple(sorted(found, key=_sort_key)))


def parse_number(cell: Any) -> float | None:
    """Return a cell as a number, finite or not; None for anything else."""
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def shorten(names: tuple[str, ...], limit: int = 10) -> str:
    """Return names for a message: the first ones of a long list."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, ... ({len(names)} in all)"


def place_rows(where: str, rows: list[int], limit: int = 10) -> str:
    """Return the place of rows for a message, such as "train.csv, rows 2, 5"."""
    return f"{where}, row{'s' if len(rows) > 1 else ''} {shorten(tuple(map(str, rows)), limit)}"


def _several_names(cells: list[Any], lists: list[list[str] | None], where: str) -> set[str]:
    texts = [name_of(cell) for cell, names in zip(cells, lists) if names is None]
    separator = find_separator(texts)
    split_texts = [split(text, separator) for text in texts]
    rows = [names for names in lists if names is not None] + split_texts
    if len({len(names) for names in rows}) == 1 < len(rows[0]) and {name for row in rows for name in row} <= _FLAGS:
        raise InputError(
            f"{where}, row 1: {cells[0]!r} looks like one 0 or 1 for each class: give the names of the classes that "
            "apply, or a column for each class with --label_columns"
        )
    found = {name for names in rows for name in names}
    combination = find_combination({name for names in split_texts for name in names}, need_all=True)
    if combination is not None:
        raise InputError(
            f"{where}: the label {combination[0]!r} looks like several, but labels are separated by {separator!r} in "
            "other rows: use one separator in all"
        )
    return found


def _refuse_combinations(names: set[str], where: str) -> None:
    combination = find_combination(names)
    if combination is not None:
        name, separator = combination
        raise InputError(
            f"{where}: the label {name!r} looks like several, as others share a part of it: --problem_type "
            f"multi_label_classification reads labels that are separated by {separator!r}, and --problem_type "
            "single_label_classification takes each cell as one class"
        )


def _parse_list(cell: Any, place: str, strict: bool) -> list[str] | None:
    try:
        return parse_list(cell)
    except ValueError as error:
        if isinstance(cell, str) and not strict:
            return None  # a class by that name
        hint = " (--problem_type single_label_classification takes each cell as one class)"
        raise InputError(f"{place}: the label {cell!r} {error}{hint if isinstance(cell, str) else ''}") from error


def _only(names: list[str], place: str) -> str:
    if len(names) != 1:
        raise InputError(
            f"{place}: holds {len(names)} labels ({', '.join(names)}), where single_label_classification takes one: "
            "several a row are --problem_type multi_label_classification"
        )
    return names[0]


def _require_labels(cells: list[Any], where: str, problem_type: ProblemType | None) -> None:
    may_be_empty = problem_type == "multi_label_classification"  # a text may have no label
    absent = [row for row, cell in enumerate(cells, start=1) if _is_absent(cell, may_be_empty)]
    if absent:
        hint = "fill it in or remove the row" if len(absent) == 1 else "fill them in or remove the rows"
        raise InputError(f"{place_rows(where, absent, limit=100)}: the label is absent; {hint}")


def _is_absent(cell: Any, may_be_empty: bool) -> bool:
    if isinstance(cell, str):
        return not may_be_empty and not cell.strip()
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _numbers(cells: list[Any], where: str) -> list[float]:
    numbers = [parse_number(cell) for cell in cells]
    wrong = [row for row, number in enumerate(numbers, start=1) if number is None or not math.isfinite(number)]
    if wrong:
        raise InputError(
            f"{place_rows(where, wrong)}: the label {cells[wrong[0] - 1]!r} is not a finite number, which regression "
            "needs"
        )
    return [number for number in numbers if number is not None]


def _sort_key(name: str) -> tuple:
    """Sort numbers by value, before words by letters."""
    number = parse_number(name)
    is_number = number is not None and math.isfinite(number)
    return (not is_number, number if is_number else 0.0, name)

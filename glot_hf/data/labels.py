# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Cells of a label column -> what a head is trained on."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InputError


ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]


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
        """For `GlotConfig`: the problem type, and the names of the classes."""
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
        Class indices, floats, or for several labels a row a list of 0.0 and 1.0 for each row.

        Args:
            cells (`list`): one a row.
            where (`str`): names the table in messages.

        Raises:
            InputError: a label is absent, unknown or not a number; names its row, counted from 1.
        """
        index = {name: position for position, name in enumerate(self.names)}
        encoded = []
        for row, cell in enumerate(cells, start=1):
            _require_label(cell, row, where, self.problem_type)
            if self.problem_type == "regression":
                encoded.append(_number(cell, row, where))
                continue
            names = split_labels(cell) if self.problem_type == "multi_label_classification" else [_name(cell)]
            for name in names:
                if name not in index:
                    raise InputError(
                        f"{where}, row {row}: the label {name!r} is not one of the classes {shorten(self.names)}"
                    )
            positions = [index[name] for name in names]
            if self.problem_type == "multi_label_classification":
                encoded.append([float(position in positions) for position in range(len(self.names))])
            else:
                encoded.append(positions[0])
        return encoded


def learn_labels(cells: list[Any], where: str, problem_type: ProblemType | None = None) -> Labels:
    """
    Finds the problem type, where it is not given, and the classes.

    Lists of labels make a multi-label problem; numbers of which at least one is not whole, regression; anything else,
    classification. In a text cell, several labels are separated by `|`, and an empty one has none.

    Raises:
        InputError: a label is absent or not a number (names its row), or there is only one class.
    """
    for row, cell in enumerate(cells, start=1):
        _require_label(cell, row, where, problem_type)
    if problem_type is None:
        if any(isinstance(cell, (list, tuple)) for cell in cells):
            problem_type = "multi_label_classification"
        else:
            numbers = [parse_number(cell) for cell in cells]
            is_regression = None not in numbers and not all(number.is_integer() for number in numbers)
            problem_type = "regression" if is_regression else "single_label_classification"
    if problem_type == "regression":
        labels = Labels(problem_type)
        labels.encode(cells, where)  # refuses what is not a number
        return labels
    if problem_type == "multi_label_classification":
        _refuse_indicators(cells, where)
        found = {name for cell in cells for name in split_labels(cell)}
    else:
        found = {_name(cell) for cell in cells}
    if len(found) < 2:
        raise InputError(
            f"{where} has one class only, {next(iter(found), None)!r}: classification needs two or more (check the "
            "label column, or pass --problem_type regression)"
        )
    return Labels(problem_type, tuple(sorted(found, key=_sort_key)))


def split_labels(cell: Any) -> list[str]:
    """The labels of a multi-label cell: a list, or text such as "sports|politics"; an empty one has none."""
    if isinstance(cell, (list, tuple)):
        return [_name(item) for item in cell]
    return [part.strip() for part in _name(cell).split("|") if part.strip()]


def parse_number(cell: Any) -> float | None:
    """A number, finite or not; None for anything else."""
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def shorten(names: tuple[str, ...], limit: int = 10) -> str:
    """Names for a message: the first ones of a long list."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, ... ({len(names)} in all)"


def _refuse_indicators(cells: list[Any], where: str) -> None:
    lists = [cell for cell in cells if isinstance(cell, (list, tuple))]
    lengths = {len(cell) for cell in lists}
    if len(lengths) == 1 and lengths.pop() > 1 and all(item in (0, 1) for cell in lists for item in cell):
        raise InputError(
            f"{where}, row 1: {lists[0]} looks like one 0 or 1 for each class: give the list of the classes that apply"
        )


def _require_label(cell: Any, row: int, where: str, problem_type: ProblemType | None) -> None:
    absent = cell is None or (isinstance(cell, str) and not cell.strip())
    if cell is not None and problem_type == "multi_label_classification":
        return  # a text may have no label
    if absent or (isinstance(cell, float) and math.isnan(cell)):
        raise InputError(f"{where}, row {row}: the label is absent; fill it in or remove the row")


def _name(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) else str(cell)


def _number(cell: Any, row: int, where: str) -> float:
    number = parse_number(cell)
    if number is None or not math.isfinite(number):
        raise InputError(f"{where}, row {row}: the label {cell!r} is not a finite number, which regression needs")
    return number


def _sort_key(name: str) -> tuple:
    """Numbers by value, before words by letters."""
    number = parse_number(name)
    is_number = number is not None and math.isfinite(number)
    return (not is_number, number if is_number else 0.0, name)

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Several columns in one text: `--text_template "{title}. {body}"`."""

import string
from collections.abc import Mapping
from typing import Any

from ..system.errors import InputError


class TextTemplate:
    """
    A text with the names of columns in braces, which the cells of a row take the place of. A cell that is empty or
    null is nothing; a doubled brace is a brace.

    Args:
        template (`str`): such as "{title}. {body}".

    Raises:
        InputError: it names no column, or holds anything else in braces than the name of one.
    """

    def __init__(self, template: str):
        self.template = template
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise InputError(
                f"--text_template {template!r} cannot be read ({error}): write names of columns in braces, as in "
                "'{title}. {body}', and {{ for a brace"
            ) from error
        self._parts = [(literal, column) for literal, column, _, _ in parts]
        for _, column, format, conversion in parts:
            # "{a.b}" and "{a!r}" would read attributes and call methods of whatever a cell holds.
            if column is not None and (not column or format or conversion):
                raise InputError(
                    f"--text_template {template!r}: in braces stands the name of a column, and nothing else"
                )
        self.columns = list(dict.fromkeys(column for _, column in self._parts if column is not None))
        if not self.columns:
            raise InputError(f"--text_template {template!r} names no column: write '{{title}}. {{body}}', for example")

    def require_columns(self, names: list[str]) -> None:
        """
        Raises:
            InputError: a column does not exist.
        """
        for column in self.columns:
            if column not in names:
                raise InputError(f"there is no column {column!r} for --text_template: the columns are {names}")

    def fill(self, cells: Mapping[str, Any], place: str) -> str:
        """
        Return the text of a row.

        Args:
            cells (`Mapping`): by column.
            place (`str`): of the row, for the message.

        Raises:
            InputError: a cell holds neither text nor a number.
        """
        text = ""
        for literal, column in self._parts:
            text += literal
            if column is None or (cell := cells[column]) is None:
                continue
            if not isinstance(cell, (str, int, float)):
                raise InputError(f"{place}: {column!r} holds {cell!r}, which is neither text nor a number")
            text += str(cell)
        return text

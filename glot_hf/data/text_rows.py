# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The texts of a table's rows, beside all that the rows hold."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..system.errors import InputError
from .table_rows import TableRows
from .templates import TextTemplate


@dataclass(frozen=True)
class TextRows:
    """
    Rows with their texts, as often as they are asked for.

    Args:
        rows ([`TableRows`]): of a file.
        text, text_pair (`str`): columns of the text and, of pairs, of the second one.
        template ([`TextTemplate`], *optional*): makes the text of several columns; `text` is then not read.
    """

    rows: TableRows
    text: str
    text_pair: str | None = None
    template: TextTemplate | None = None

    def __iter__(self) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        """
        Yield the cells of each row by column, and its texts as `text` and, of pairs, `text_pair`.

        Raises:
            InputError: a cell is not text; names its place.
        """
        columns = {"text": self.text} | ({} if self.text_pair is None else {"text_pair": self.text_pair})
        for place, cells in self.rows:
            texts = {kind: cells[column] for kind, column in columns.items() if kind != "text" or not self.template}
            if self.template is not None:
                texts = {"text": self.template.fill(cells, f"{self.source}, {place}")} | texts
            for kind, text in texts.items():
                if not isinstance(text, str):
                    raise InputError(
                        f"{self.source}, {place}: {columns[kind]!r} holds {text!r}, which is not text "
                        f"(--{kind}_column names another column)"
                    )
            yield cells, texts

    @property
    def source(self) -> str:
        """The name of the file, for messages."""
        return self.rows.source

    @property
    def num_bytes(self) -> int:
        """The size of the file; 0 of rows that are not in one."""
        return os.path.getsize(self.source) if os.path.isfile(self.source) else 0

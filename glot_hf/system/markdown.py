# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Tables in Markdown."""

from collections.abc import Sequence
from typing import Any


def format_table(header: Sequence[Any], rows: Sequence[Sequence[str]], are_numbers: bool = True) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right where they are numbers."""
    lines = [[*map(str, header)], ["---", *["---:" if are_numbers else "---"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_cell(text: str) -> str:
    """Return a text that a table shows as it is, in one line."""
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
    return " ".join(escaped.split())

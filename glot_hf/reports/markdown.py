# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Results over seeds as Markdown."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any


DAGGER = "† marks a head that gave every text the same answer, or whose training diverged."


def mean_and_deviation(values: list[float]) -> str:
    """Return mean and standard deviation in percent, such as "81.2 (0.9)"; one value has no deviation."""
    deviation = f" ({100 * statistics.stdev(values):.1f})" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"


def format_table(header: Sequence[Any], rows: Sequence[Sequence[str]], are_numbers: bool = True) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right where they are numbers."""
    lines = [[*map(str, header)], ["---", *["---:" if are_numbers else "---"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short_name(backbone: str) -> str:
    """
    Return a backbone's name: the last part of its repository or folder, or the title of the model card in a folder,
    which says more than "model" does.
    """
    card = Path(backbone, "README.md")
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    title = re.search(r"^# (\S.{0,59})$", text, flags=re.MULTILINE)
    return title[1].strip() if title else Path(backbone).name

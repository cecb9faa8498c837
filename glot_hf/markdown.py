# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Results over seeds as Markdown."""

import statistics
from pathlib import Path


DAGGER = "† marks a head that gave every text the same answer, or whose training diverged."


def mean_and_deviation(values: list[float]) -> str:
    """In percent, such as "81.2 (0.9)": mean and standard deviation, which one value has not."""
    deviation = f" ({100 * statistics.stdev(values):.1f})" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"


def format_table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short_name(backbone: str) -> str:
    """The last two parts of a repository or a folder."""
    return "/".join(Path(backbone).parts[-2:])

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Scores of poolings over seeds: tables with a column for each task or kind of texts, and a report on the disk."""

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..system.atomic_files import write_atomically, write_text
from ..system.markdown import format_table
from .markdown import mean_and_deviation


# Column -> pooling -> final cells, one a seed, in the order of the seeds.
Results = dict[Any, dict[str, list[dict[str, Any]]]]


def scores(cells: list[dict[str, Any]]) -> list[float]:
    """Return one score a seed; a training that diverged counts as 0."""
    return [cell["score"] or 0.0 for cell in cells]


def mean_score(cells: list[dict[str, Any]]) -> float:
    """Return the mean of [`scores`]."""
    return statistics.mean(scores(cells))


def poolings_of(results: Results) -> list[str]:
    """Return the names of the poolings, which every column has."""
    return list(next(iter(results.values())))


def score_table(
    results: Results,
    header: Sequence[str] | None = None,
    first_rows: Iterable[list[str]] = (),
    mark_best: bool = True,
) -> str:
    """
    Tabulate poolings by columns: mean (deviation) over the seeds, a dagger at dead heads, and the head's parameters.

    Args:
        results (`dict`): final cells with `score`, `is_dead` and `head_parameters`.
        header (`list[str]`, *optional*): the titles of the columns; default: the keys of `results`.
        first_rows: rows above the poolings.
        mark_best (`bool`): put the best of each column in bold.
    """
    rows = list(first_rows)
    for pooling in poolings_of(results):
        parameters = {cell["head_parameters"] for by_pooling in results.values() for cell in by_pooling[pooling]}
        row = [pooling, _range(parameters)]
        for by_pooling in results.values():
            cells = by_pooling[pooling]
            text = mean_and_deviation(scores(cells))
            if mark_best and mean_score(cells) == max(map(mean_score, by_pooling.values())):
                text = f"**{text}**"
            row.append(text + ("†" if any(cell["is_dead"] for cell in cells) else ""))
        rows.append(row)
    return format_table(["pooling", "head parameters", *(header or results)], rows)


def chosen_table(results: Results, header: Sequence[str] | None = None) -> str:
    """Tabulate what each head was trained with: learning rate x steps, or the penalty of a linear fit."""
    rows = [
        [pooling, *(by_pooling[pooling][0]["chosen"] for by_pooling in results.values())]
        for pooling in poolings_of(results)
    ]
    return format_table(["learning rate x steps, or penalty", *(header or results)], rows)


def write_report(
    folder: Path, paragraphs: list[str], results: dict[str, Any], picture: Figure, picture_name: str
) -> str:
    """
    Write report.md, results.json and the picture to `folder`, and print the report.

    Args:
        paragraphs (`list[str]`): Markdown, tables among them.
        results (`dict`): the numbers, as JSON values.

    Returns:
        `str`: what report.md holds, without its last line break.
    """
    report = "\n\n".join(paragraphs)
    write_text(folder / "report.md", report + "\n")
    write_text(folder / "results.json", json.dumps(results, indent=2) + "\n")
    write_atomically(folder / picture_name, lambda part: picture.savefig(part, dpi=150))
    print(f"\n{report}\n\nWritten to {folder}: report.md, results.json and {picture_name}")
    return report


def _range(numbers: set[int]) -> str:
    """Return "10", or "10 to 20": the classifier's share differs between tasks with one text and with two."""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A report as one HTML file that needs nothing else: no network, no other file."""

import base64
import csv
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, TemplateError

from ..explanations.explanation import Explanation
from ..explanations.page import pieces
from ..system.errors import InputError
from .pictures import draw_pictures
from .report import summary


_ALT = {
    "confusion": "Confusion matrix: rows of each class, by their answer; the table of classes has the scores",
    "calibration": "Reliability diagram: share of right answers by confidence",
    "predicted": "Scores against predictions",
    "ranks": "Share of queries by the rank of what belongs to them",
    "curve": "Training and validation loss by step",
}


def render_page(folder: Path, explanations: Sequence[Explanation] = ()) -> str:
    """
    Render the report in a folder as HTML.

    Args:
        folder: holds report.json; what training_record.json and leaderboard.csv beside it say of the choice of the
            head is shown too.
        explanations: of the first ones of the worst answers.

    Raises:
        InputError: there is no report.json, or a file is damaged.
    """
    report = read_report(folder)
    record = _read(folder / "training_record.json") or {}
    choice = (record.get("recipe") or {}).get("found") or {}
    try:
        environment = Environment(
            loader=ChoiceLoader([PackageLoader("glot_hf.reports"), PackageLoader("glot_hf.explanations")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        return environment.get_template("page.html").render(
            name=folder.resolve().name,
            summary=summary(report),
            report=report,
            metrics={name: value for name, value in report["metrics"].items() if isinstance(value, float)},
            pictures=_pictures(report),
            classes=_classes(report),
            mistakes=_rows(report.get("mistakes")),
            explained=[
                (mistake, [pieces(explanation, part) for part in explanation.texts], explanation)
                for mistake, explanation in zip(report.get("mistakes") or [], explanations)
            ],
            choice=choice,
            candidates=_rows(choice.get("candidates"), "name", "score", "better_by", "standard_error", "seconds"),
            leaderboard=_leaderboard(folder / "leaderboard.csv"),
            versions=record.get("versions", {}),
        )
    except (AttributeError, LookupError, TypeError, ValueError, TemplateError) as error:
        raise InputError(f"the report in {str(folder)!r} is damaged ({error!r}): train or evaluate again") from error


def read_report(folder: Path) -> dict[str, Any]:
    """
    Return the report in a folder.

    Raises:
        InputError: there is none, or it is damaged.
    """
    report = _read(folder / "report.json")
    if report is None:
        raise InputError(
            f"{str(folder)!r} holds no report.json: glot-hf train writes one, and glot-hf evaluate with --output_dir"
        )
    return report


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is damaged ({error}): train or evaluate again") from error
    if not isinstance(stored, dict):
        raise InputError(f"{str(path)!r} is damaged (it holds no mapping): train or evaluate again")
    return stored


def _rows(entries: list[dict[str, Any]] | None, *names: str) -> list[list[Any]]:
    """Return a table, its header first, of what has the same names in each entry; empty without entries."""
    if not entries:
        return []
    names = names or tuple(entries[0])
    return [[name.replace("_", " ") for name in names], *([entry[name] for name in names] for entry in entries)]


def _classes(report: dict[str, Any]) -> list[list[Any]]:
    rows, counts = _rows(report.get("classes")), report.get("training_rows")
    if rows and counts:
        rows = [[*rows[0], "training rows"], *([*row, counts[row[0]]] for row in rows[1:])]
    return rows


def _pictures(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the pictures of a report as pairs of a text that says what is on it, and base64 of its PNG."""
    with tempfile.TemporaryDirectory() as folder:
        names = draw_pictures(report, Path(folder))
        encoded = [base64.b64encode(Path(folder, name).read_bytes()).decode() for name in names]
    return [(_ALT[name.removesuffix(".png")], code) for name, code in zip(names, encoded)]


def _leaderboard(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))

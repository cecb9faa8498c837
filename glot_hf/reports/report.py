# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A report beside a head: report.json, which says everything, report.md and pictures, which are rendered from it."""

import json
from pathlib import Path
from typing import Any

from ..system.atomic_files import write_text
from ..system.markdown import as_cell, format_table
from .pictures import draw_pictures


_MOST_CLASSES = 6  # that are printed on the screen
_LONGEST_TEXT = 200


def write_report(report: dict[str, Any], folder: Path) -> None:
    """Write report.json, report.md and the pictures to a folder. They hold texts of the user and are not published."""
    pictures = draw_pictures(report, folder)
    write_text(folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "report.md", render(report, pictures))


def render(report: dict[str, Any], pictures: list[str]) -> str:
    """Return a report as Markdown."""
    parts = ["# Report", *summary(report)]
    if counts := report.get("training_rows"):
        header = ["class", "training rows", "validation rows"]
        rows = [
            [as_cell(each["name"]), f"{counts[each['name']]:,}", f"{each['support']:,}"] for each in report["classes"]
        ]
        parts += ["## Rows", format_table(header, rows)]
    if "classes" in report:
        parts += ["## Each class", _class_table(report["classes"])]
    metrics = [[name, f"{value:.4f}"] for name, value in report["metrics"].items() if isinstance(value, float)]
    parts += ["## Metrics", format_table(["metric", "value"], metrics)]
    parts += ["\n\n".join(f"![{name.removesuffix('.png')}]({name})" for name in pictures)]
    if report["mistakes"]:
        parts += ["## The worst answers", _mistake_table(report["mistakes"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(report: dict[str, Any]) -> list[str]:
    """Return a few lines that say the most: for the screen, and the beginning of the report."""
    main = report["main"]
    value = "undefined" if main["value"] is None else f"{main['value']:.4f}"
    interval = "" if main["low"] is None else f" (95 % interval {main['low']:.4f} to {main['high']:.4f})"
    lines = [f"{main['name']} {value}{interval} on {report['rows']:,} validation rows"]
    if baseline := report.get("baseline"):
        known = "undefined" if baseline["value"] is None else f"{baseline['value']:.4f}"
        lines.append(
            f"{baseline['name']}: {main['name']} {known}, on {baseline['rows']:,} training rows in "
            f"{baseline['seconds']:.1f} s"
        )
    if "calibration" in report:
        lines.append(f"expected calibration error {report['calibration']['expected_calibration_error']:.3f}")
    if report.get("advice"):
        lines.append(report["advice"])
    return lines


def print_report(report: dict[str, Any], folder: Path) -> None:
    """Print the summary of a report, its classes where they are few, and where the rest is."""
    print("\n" + "\n".join(summary(report)))
    if classes := report.get("classes"):
        worst = sorted(classes, key=lambda each: each["f1"])[:_MOST_CLASSES]
        if len(classes) > _MOST_CLASSES:
            print(f"the {_MOST_CLASSES} worst of {len(classes)} classes:")
        width = max(len("class"), *(len(each["name"]) for each in worst))
        print(f"{'class':<{width}}  precision  recall      f1   rows")
        for each in worst:
            numbers = f"{each['precision']:>9.3f}  {each['recall']:>6.3f}  {each['f1']:>6.3f}  {each['support']:>5,}"
            print(f"{each['name']:<{width}}  {numbers}")
    print(f"report: {folder / 'report.md'}")


def _class_table(classes: list[dict[str, Any]]) -> str:
    rows = [
        [each["name"], *(f"{each[name]:.3f}" for name in ("precision", "recall", "f1")), f"{each['support']:,}"]
        for each in classes
    ]
    macro = [sum(each[name] for each in classes) / len(classes) for name in ("precision", "recall", "f1")]
    total = f"{sum(each['support'] for each in classes):,}"
    rows.append(["mean of classes", *(f"{value:.3f}" for value in macro), total])
    return format_table(["class", "precision", "recall", "F1", "rows"], [[as_cell(row[0]), *row[1:]] for row in rows])


def _mistake_table(mistakes: list[dict[str, Any]]) -> str:
    def number(value: Any) -> str:
        return f"{value:.3f}" if isinstance(value, float) else as_cell(str(value))

    has_probability = "probability" in mistakes[0]
    header = ["row", "label", "answer", *(["probability"] if has_probability else []), "text"]
    rows = []
    for each in mistakes:
        texts = [each["text"]] + ([each["text_pair"]] if "text_pair" in each else [])
        cells = [str(each["row"]), number(each["label"]), number(each["answer"])]
        cells += [f"{each['probability']:.3f}"] if has_probability else []
        rows.append([*cells, as_cell(" / ".join(_cut(text) for text in texts))])
    return format_table(header, rows, are_numbers=False)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"

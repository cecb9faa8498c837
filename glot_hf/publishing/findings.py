# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a model card says of rows and scores: from the report of a training, whose texts stay at home."""

from typing import Any

from ..system.markdown import as_cell, format_table


# Metrics of `glot-hf train` -> their names on the Hub, and their names for a reader.
METRICS = {
    "matthews_correlation": ("matthews_correlation", "Matthews correlation"),
    "f1": ("f1", "F1"),
    "f1_micro": ("f1", "F1 (micro)"),
    "f1_macro": ("f1", "F1 (macro)"),
    "accuracy": ("accuracy", "Accuracy"),
    "spearman": ("spearmanr", "Spearman correlation"),
    "pearson": ("pearsonr", "Pearson correlation"),
    "mse": ("mse", "Mean squared error"),
    "mrr": ("mrr", "Mean reciprocal rank"),
    "recall_at_1": ("recall_at_1", "Recall at 1"),
    "recall_at_10": ("recall_at_10", "Recall at 10"),
}
_OF_A_REPORT = ("rows", "num_training_rows", "training_rows", "main", "classes", "baseline")  # hold no text of a row
_MOST_CLASSES = 30


def without_texts(report: dict[str, Any]) -> dict[str, Any]:
    """Return what may be published of a training's report; nothing of another report, such as of `evaluate`."""
    if "num_training_rows" not in report:
        return {}
    return {name: report[name] for name in _OF_A_REPORT if name in report}


def scores_of(results: dict[str, float]) -> dict[str, float]:
    """Return the metrics on validation rows that a card tells, by their names in `glot-hf train`."""
    return {name: results[f"eval_{name}"] for name in METRICS if f"eval_{name}" in results}


def describe_findings(scores: dict[str, float], report: dict[str, Any], dataset: str | None, seed: int | None) -> str:
    """
    Return a section of a card; an empty one where nothing is known.

    Args:
        scores (`dict`): see [`scores_of`].
        report (`dict`): see [`without_texts`].
        dataset (`str`, *optional*): the name of what the head was judged on.
        seed (`int`, *optional*): of the run.
    """
    if not scores:
        return ""
    judged = f"{report['rows']:,} validation rows" if report else "validation rows"
    run = "one run" if seed is None else f"one run (seed {seed})"
    parts = ["\n## Results"]
    if report:
        parts.append(f"The head was trained on {report['num_training_rows']:,} rows.")
    parts.append(f"On the {judged} of {dataset or 'its data set'}, by `glot-hf train`, {run}:")
    parts.append(format_table(["", ""], [[METRICS[name][1], f"{value:.4f}"] for name, value in scores.items()]))
    if report:
        parts += [*_main_and_baseline(report), *_classes(report)]
    return "\n\n".join(parts) + "\n"


def _main_and_baseline(report: dict[str, Any]) -> list[str]:
    main, baseline, lines = report["main"], report.get("baseline"), []
    name = METRICS.get(main["name"], ("", main["name"]))[1]
    if main["low"] is not None:
        lines.append(
            f"- {name}, 95 % interval over draws of the validation rows: {main['low']:.4f} to {main['high']:.4f}."
        )
    if baseline:
        value = "undefined" if baseline["value"] is None else f"{baseline['value']:.4f}"
        rows = f"{baseline['rows']:,} training rows"
        lines.append(f"- {name} of {baseline['name']}, fitted to the same hidden states of {rows}: {value}.")
    return ["\n".join(lines)] if lines else []


def _classes(report: dict[str, Any]) -> list[str]:
    """Tabulate how often each class was seen, and how well it is found."""
    classes, counts = report.get("classes", []), report.get("training_rows") or {}
    if not classes:
        return []
    shown = sorted(classes, key=lambda each: -counts.get(each["name"], 0))[:_MOST_CLASSES]
    numbers = [[f"{each[name]:.3f}" for name in ("precision", "recall", "f1")] for each in shown]
    rows = [
        [as_cell(each["name"]), f"{counts.get(each['name'], 0):,}", f"{each['support']:,}", *scores]
        for each, scores in zip(shown, numbers)
    ]
    table = format_table(["class", "training rows", "validation rows", "precision", "recall", "F1"], rows)
    left_out = len(classes) - len(shown)
    return [table, f"(The {left_out:,} classes with fewer training rows are left out.)"] if left_out else [table]

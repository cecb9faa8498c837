# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Heads that were tried, the best first: a CSV file of all, a table and a picture of the best of each kind."""

import csv
import io
import json
import statistics
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..system.atomic_files import write_atomically, write_text
from .trials import Judge, Trial


_COLUMNS = (
    "rank", "head", "layers", "score", "spread", "head_parameters", "seconds", "steps", "threshold", "head_options",
    "training_options",
)  # fmt: skip


def write_leaderboard(folder: Path, trials: list[Trial], winner: Trial, judge: Judge) -> None:
    """
    Write leaderboard.csv and leaderboard.png to a folder, and print the best head of each kind.

    Args:
        trials (`list[Trial]`): the best first.
        winner ([`Trial`]): one of them, which is marked.
        judge ([`Judge`]): knows the metric and what the most frequent class scores.
    """
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows([_COLUMNS, *([rank, *_cells(trial)] for rank, trial in enumerate(trials, 1))])
    write_text(folder / "leaderboard.csv", lines.getvalue())
    best: dict[str, Trial] = {}
    for trial in trials:
        best.setdefault(trial.candidate.name, trial)
    majority = judge.majority_score()
    width = max(map(len, best))
    print(f"\n{'':>{width}}  {judge.metric:>20}  spread  parameters  seconds")
    for name, trial in best.items():
        mark = "  <- winner" if trial is winner else ""
        print(
            f"{name:>{width}}  {trial.score:>20.4f}  {_spread(trial):>6.4f}  {trial.head_parameters:>10,}  "
            f"{trial.seconds:>7.1f}{mark}"
        )
    if majority is not None:
        print(f"{'most frequent class':>{width}}  {majority:>20.4f}")
    print()
    _draw(folder / "leaderboard.png", best, winner, majority, judge.metric)


def _cells(trial: Trial) -> list[object]:
    options, training = trial.candidate.head_options, trial.candidate.training_options
    layers = options["backbone_layers"]
    return [
        trial.candidate.name,
        layers if isinstance(layers, int) else "+".join(map(str, layers)),
        f"{trial.score:.6f}",
        f"{_spread(trial):.6f}",
        trial.head_parameters,
        f"{trial.seconds:.1f}",
        training.get("max_steps", ""),
        "" if trial.threshold is None else f"{trial.threshold:.4f}",
        json.dumps(options),
        json.dumps(training),
    ]


def _spread(trial: Trial) -> float:
    return statistics.stdev(trial.part_scores) if len(trial.part_scores) > 1 else 0.0


def _draw(path: Path, best: dict[str, Trial], winner: Trial, majority: float | None, metric: str) -> None:
    names = list(best)[::-1]
    figure = Figure(figsize=(7, 0.8 + 0.32 * len(names)), layout="constrained")
    axes = figure.subplots()
    for place, name in enumerate(names):
        trial = best[name]
        colour = "#cc6677" if trial is winner else "#332288"
        axes.plot(
            trial.part_scores, np.full(len(trial.part_scores), place), "|", color=colour, alpha=0.6, markersize=9
        )
        axes.plot(trial.score, place, "o", color=colour)
    if majority is not None:
        axes.axvline(majority, color="#999999", linestyle=":", linewidth=1)
        axes.annotate("most frequent class", (majority, len(names) - 0.6), color="#666666", fontsize=8)
    labels = [f"{name} (winner)" if best[name] is winner else name for name in names]
    axes.set_yticks(range(len(names)), labels)
    axes.set(
        xlabel=f"{metric} on held-out rows (dot), and of each held-out part (bars)", ylim=(-0.6, len(names) - 0.3)
    )
    axes.spines[["top", "right"]].set_visible(False)
    write_atomically(path, lambda part: figure.savefig(part, dpi=150))

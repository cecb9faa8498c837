# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a stress test found, as a table and as a picture. Both take what results.json holds."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..publishing.backbone_card import short_name
from ..reports.markdown import DAGGER, mean_and_deviation
from ..reports.palette import colours_of, width_of
from ..reports.scores import Results, chosen_table, mean_score, poolings_of, score_table, write_report


# Dashes of the one fall into the gaps of the other: both are seen where they are equal.
_LEAK_STYLES = {
    "bag of words": {"color": "crimson", "linestyle": (0, (4, 4))},
    "length only": {"color": "black", "linestyle": (4, (4, 4))},
}


def write_stress_report(results: dict[str, Any], folder: Path) -> str:
    """
    Write report.md, results.json and accuracy.png to `folder`, and print the report.

    Returns:
        `str`: what report.md holds.
    """
    settings = results["settings"]
    paragraphs = [
        f"Stress test, generator {settings['generator']}, frozen {short_name(settings['backbone'])}: accuracy in "
        f"percent on {settings['test_size']} texts at each ratio of distractors, after training on "
        f"{settings['train_size']}; mean (deviation) of the seeds. Heads that are linear on fixed vectors are fitted "
        f"to convergence, the same for every seed. {DAGGER}",
        stress_table(results),
        "What each head was trained with, chosen on held out training texts where there was a choice:",
        chosen_table(_by_place(results), _header(results)),
    ]
    return write_report(folder, paragraphs, results, plot(results), "accuracy.png")


def stress_table(results: dict[str, Any]) -> str:
    """Tabulate the leak check, then each pooling: mean (deviation) over the seeds at each ratio and position."""
    leaks = [
        [f"*{name}*", "-", *(mean_and_deviation([check["accuracy"][name]]) for check in results["leak_checks"])]
        for name in _LEAK_STYLES
    ]
    return score_table(_by_place(results), _header(results), first_rows=leaks, mark_best=False)


def _by_place(results: dict[str, Any]) -> Results:
    """Return (ratio, position) -> pooling -> runs, one a seed."""
    found: Results = {(check["ratio"], check["position"]): {} for check in results["leak_checks"]}
    for run in results["runs"]:
        runs = found[run["ratio"], run["position"]].setdefault(run["pooling"], [])
        runs.append(run | {"score": run["accuracy"]})
    return found


def _header(results: dict[str, Any]) -> list[str]:
    places = _by_place(results)
    with_position = len({position for _, position in places}) > 1
    return [f"{ratio:.0%}" + (f" {position}" if with_position else "") for ratio, position in places]


def plot(results: dict[str, Any]) -> Figure:
    """
    Draw a panel for each ratio: bars from chance, one a pooling, in groups by position; dots are seeds, crosses dead
    ones, dashes the leak check.
    """
    by_place = _by_place(results)
    ratios, positions = (list(dict.fromkeys(values)) for values in zip(*by_place))
    poolings, colours = poolings_of(by_place), colours_of(poolings_of(by_place))
    leaks = {(check["ratio"], check["position"]): check["accuracy"] for check in results["leak_checks"]}
    settings = results["settings"]
    title = (
        f"Stress test, generator {settings['generator']}, frozen {short_name(settings['backbone'])}: mean and seeds"
    )
    width = 1.2 + 0.2 * len(positions) * (len(poolings) + 1)
    figure = Figure(figsize=(max(width_of(title, 11), len(ratios) * width + 1.6), 3.8), layout="constrained")
    panels = figure.subplots(1, len(ratios), sharey=True, squeeze=False)[0]
    for axes, ratio in zip(panels, ratios):
        for place, position in enumerate(positions):
            _draw_runs(axes, by_place[ratio, position], colours, place)
            _draw_leaks(axes, leaks[ratio, position], place)
        axes.axhline(50, color="grey", linewidth=1, label="chance", zorder=0)
        axes.set_xticks(range(len(positions)), positions if len(positions) > 1 else [""])
        axes.set_title(f"ratio {ratio:g}", fontsize=10)
        axes.tick_params(axis="x", length=0)
        axes.spines[["top", "right"]].set_visible(False)
    lowest = 100 * min(run["accuracy"] for run in results["runs"])
    panels[0].set(ylabel="accuracy (%), bars from chance", ylim=(min(35, lowest - 3), 103))
    if len(positions) > 1:
        figure.supxlabel("position of the statement", fontsize=10)
    handles = dict(zip(*reversed(panels[0].get_legend_handles_labels())))  # each name once
    names = [*poolings, *_LEAK_STYLES, "chance"]
    figure.legend([handles[name] for name in names], names, frameon=False, loc="outside right center")
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_runs(axes: Axes, by_pooling: dict[str, list[dict[str, Any]]], colours: dict[str, Any], place: int) -> None:
    step = 0.8 / len(by_pooling)
    for index, (pooling, runs) in enumerate(by_pooling.items()):
        middle = place - 0.4 + (index + 0.5) * step
        height = 100 * mean_score(runs) - 50
        axes.bar(middle, height, 0.85 * step, bottom=50, color=colours[pooling], label=pooling)
        for run in runs:
            marker = "x" if run["is_dead"] else "."
            axes.plot(middle, 100 * run["score"], marker, color="black", markersize=5)


def _draw_leaks(axes: Axes, accuracy: dict[str, float], place: int) -> None:
    for name, style in _LEAK_STYLES.items():
        axes.hlines(100 * accuracy[name], place - 0.45, place + 0.45, linewidth=1.5, label=name, **style)

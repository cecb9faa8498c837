# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a comparison found: tables, differences in pairs, a picture."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..publishing.backbone_card import short_name
from ..reports.markdown import DAGGER, mean_and_deviation
from ..reports.palette import width_of
from ..reports.scores import Results, chosen_table, mean_score, poolings_of, score_table, scores, write_report
from ..system.markdown import format_table
from .published import published_scores


_TITLE_SIZE = 10  # points


_PROTOCOLS = {
    "tuned": "the learning rate and the steps of each cell chosen on held out training rows, the last step reported; "
    "heads that are linear on fixed vectors fitted to convergence, the same for every seed.",
    "released": "one learning rate, and of {epochs} epochs the one reported that has the best accuracy on this very "
    "split, as the released code does it.",
}


def write_comparison_report(
    results: Results, settings: dict[str, Any], seeds: list[int], baselines: list[str], folder: Path
) -> str:
    """
    Write report.md, results.json and heat_map.png to `folder`, and print the report.

    Args:
        results (`dict`): the final cells of each task and variant, one a seed.
        settings (`dict`): what all cells share; its backbone, protocol and training options are told.
        baselines (`list[str]`): the variants that the others are compared with.

    Returns:
        `str`: what report.md holds.
    """
    name = short_name(settings["backbone"])
    training = settings["training_options"]
    tasks = [f"{task}: {_any_cell(results[task])['metric']}" for task in results]
    protocol = _PROTOCOLS[settings["protocol"]].format(epochs=training.get("num_train_epochs"))
    parts = [
        f"Frozen {name}, protocol {settings['protocol']}: {protocol} Batch {training['per_device_train_batch_size']}, "
        f"seeds {', '.join(map(str, seeds))}. Mean (deviation) in percent; the best of each task in bold, whatever "
        f"the spread. {DAGGER} It counts as 0 if it diverged.",
        f"Judged by {'; '.join(tasks)}. Training rows: "
        + ", ".join(f"{task} {_any_cell(results[task])['training_rows']:,}" for task in results)
        + ".",
        score_table(results),
    ]
    if baselines and len(baselines) < len(poolings_of(results)):
        parts += [
            f"Differences in points, seed by seed, to the best of {', '.join(baselines)}: the best on the reported "
            "split, which favours it.",
            difference_table(results, baselines),
        ]
    parts.append(chosen_table(results))
    if published := published_scores(settings["backbone"]):
        parts.append(published_table(results, published))
    title = f"Frozen {name}, {settings['protocol']}:\ncolour from the worst to the best of each task"
    return write_report(folder, parts, {**settings, "results": results}, heat_map(results, title), "heat_map.png")


def difference_table(results: Results, baselines: list[str]) -> str:
    """
    Tabulate each variant that is no baseline against the best baseline of each task, seed by seed: mean (deviation) of
    the differences, in points.

    The best baseline is the one with the best mean on the reported split, which favours it.
    """
    rows = []
    for variant in poolings_of(results):
        if variant in baselines:
            continue
        row = [variant]
        for by_variant in results.values():
            best = max(baselines, key=lambda baseline: mean_score(by_variant[baseline]))
            pairs = zip(scores(by_variant[variant]), scores(by_variant[best]))
            row.append(f"{mean_and_deviation([ours - theirs for ours, theirs in pairs])} ({best})")
        rows.append(row)
    return format_table(["minus the best baseline", *results], rows)


def published_table(results: Results, published: dict[str, dict[str, float]]) -> str:
    """Tabulate our mean beside the paper's score, for the poolings that the paper has."""
    rows = []
    for variant in poolings_of(results):
        if variant in published:
            ours = {task: 100 * mean_score(by_variant[variant]) for task, by_variant in results.items()}
            theirs = published[variant]
            rows.append([variant, *(f"{ours[t]:.1f} / {f'{theirs[t]:.1f}' if t in theirs else '-'}" for t in results)])
    return format_table(["ours / the paper's", *results], rows)


def heat_map(results: Results, title: str) -> Figure:
    """Draw variants by tasks: the mean is written, and coloured from the worst to the best of each task."""
    variants, tasks = poolings_of(results), list(results)
    means = np.array([[mean_score(results[task][v]) for task in tasks] for v in variants])
    lowest, highest = means.min(axis=0), means.max(axis=0)
    shade = (means - lowest) / np.where(highest > lowest, highest - lowest, 1)
    width = max(2.6 + 0.95 * len(tasks), width_of(title, _TITLE_SIZE))
    figure = Figure(figsize=(width, 1.4 + 0.36 * len(variants)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shade, cmap="YlGnBu", vmin=0, vmax=1.25, aspect="auto")
    for (row, column), mean in np.ndenumerate(means):
        axes.text(
            column,
            row,
            f"{100 * mean:.1f}",
            ha="center",
            va="center",
            fontsize=9,
            color="white" if shade[row, column] > 0.7 else "black",
            fontweight="bold" if shade[row, column] == 1 else "normal",
        )
    axes.set_xticks(range(len(tasks)), tasks)
    axes.set_yticks(range(len(variants)), variants)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=_TITLE_SIZE)
    return figure


def _any_cell(by_variant: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return a cell for what all cells of a task have in common."""
    return next(iter(by_variant.values()))[0]

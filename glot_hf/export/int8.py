# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Measure what int8 costs: metrics of a classifier on labelled text, cosines of vectors."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import EvalPrediction

from ..model.finite_glot import require_finite
from ..model.modeling_glot import GlotForSequenceClassification
from ..training.metrics import metrics_for
from .program import Run, export_inputs


def compare_metrics(
    runs: dict[str, Run],
    model: GlotForSequenceClassification,
    collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]],
    rows: list[dict[str, Any]],
    title: str,
    with_backbone: bool,
    batch_size: int,
) -> None:
    """
    Print the metrics of exported classifiers, by their names, side by side.

    Args:
        model ([`GlotForSequenceClassification`]): what they were exported from, with its problem type.
        collate: makes batches of the rows.
        rows (`list[dict]`): tokens of texts, and labels.

    Raises:
        ValueError: an answer is not finite; names its row, counted from 1.
    """
    outputs = {kind: [] for kind in runs}
    for start in range(0, len(rows), batch_size):
        inputs = export_inputs(model, collate(rows[start : start + batch_size]), with_backbone)
        for kind, run in runs.items():
            outputs[kind].append(run(inputs))
    labels = np.array([row["labels"] for row in rows])
    metrics_of = metrics_for(model.config.problem_type, model.config.decision_threshold)
    metrics = {}
    for kind, logits in outputs.items():
        require_finite(model, torch.cat(logits))
        metrics[kind] = metrics_of(EvalPrediction(torch.cat(logits).numpy(), labels))
    _print_table(f"{title}, {len(rows)} rows", metrics)


def compare_vectors(runs: dict[str, Run], batches: list[dict[str, Tensor]]) -> None:
    """Print the cosines between the vectors that two exported models give to the same texts."""
    exact, rounded = (torch.cat([run(inputs) for inputs in batches]) for run in runs.values())
    cosines = F.cosine_similarity(exact, rounded)
    print(f"cosine between the vectors of {' and '.join(runs)}: mean {cosines.mean():.4f}, least {cosines.min():.4f}")


def _print_table(title: str, metrics: dict[str, dict[str, Any]]) -> None:
    names = dict.fromkeys(name for each in metrics.values() for name in each)  # a constant has no correlation
    width = max(map(len, (title, *names)))
    print(f"{title:<{width}}", *(f"{kind:>9}" for kind in metrics))
    for name in names:
        print(f"{name:<{width}}", *(f"{each.get(name, math.nan):>9.4f}" for each in metrics.values()))

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What sentence vectors are worth, as a dict that JSON can hold: cosines beside scores, or ranks of what belongs."""

from typing import Any

import numpy as np
from transformers import EvalPrediction

from ..data.text_groups import TextGroups
from ..training.contrastive_trainer import main_metric
from ..training.metrics import cosines_of_pairs, embedding_metrics, ranks_of_positives
from .answers import NUM_MISTAKES, interval_of


def report_vectors(vectors: np.ndarray, labels: np.ndarray, groups: TextGroups) -> dict[str, Any]:
    """
    Return what vectors are worth on rows of texts that belong together.

    Args:
        vectors (`np.ndarray` of shape `(N, k, D)`): of a query, its positive and its negatives, or of two texts.
        labels (`np.ndarray`): the scores `(N,)`, or the numbers of the texts `(N, k)`.
        groups ([`TextGroups`]): the texts of the same rows.

    Returns:
        `dict`: `rows`, `metrics`, `main` (name, value, low and high of a 95 % interval), `mistakes`; with scores
        `points`, else `ranks` of the positives.
    """
    metrics = embedding_metrics(EvalPrediction(vectors, labels))
    metrics.pop("distinct_predictions", None)
    name = main_metric(groups)
    if groups.scores is None:
        ranks = ranks_of_positives(vectors, labels)
        report = {"ranks": ranks.tolist()}
        interval = interval_of(len(ranks), lambda rows: float((1 / ranks[rows]).mean()))
        order = np.argsort(-ranks, kind="stable")[:NUM_MISTAKES]
        wrong = [{"label": "rank 1", "answer": f"rank {ranks[place]:,}"} for place in order if ranks[place] > 1]
    else:
        cosines = cosines_of_pairs(vectors).astype(float)
        report = {"points": np.stack([labels, cosines], axis=1).astype(float).tolist()}
        interval = interval_of(
            len(labels), lambda rows: embedding_metrics(EvalPrediction(vectors[rows], labels[rows]))[name]
        )
        order = np.argsort(-np.abs(_places(cosines) - _places(labels)), kind="stable")[:NUM_MISTAKES]
        wrong = [{"label": float(labels[place]), "answer": float(cosines[place])} for place in order]
    rows = range(1, len(groups) + 1) if groups.rows is None else groups.rows
    mistakes = [
        {"row": int(rows[place]), **mistake, "text": groups.groups[place][0], "text_pair": groups.groups[place][1]}
        for place, mistake in zip(order, wrong)
    ]
    main = {"name": name, "value": metrics[name], **interval}
    return {"rows": len(groups), "metrics": metrics, "main": main, "mistakes": mistakes} | report


def _places(values: np.ndarray) -> np.ndarray:
    """Return where each value would stand if they were sorted, from 0 to N - 1."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")

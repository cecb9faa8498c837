# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
What a head's answers to labelled rows are worth, as a dict that JSON can hold: the source of every report.

scikit-learn computes; a bootstrap over the rows says how far another draw of rows would move the main metric.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from scipy.special import expit, softmax
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from transformers import EvalPrediction

from ..data.labels import Labels
from ..model.decision_glot import at_threshold
from ..training.metrics import NONE_FOUND, metrics_for


NUM_MISTAKES = 10
_NUM_DRAWS = 1_000
_NUM_BINS = 10


def report_answers(
    logits: np.ndarray,
    truth: np.ndarray,
    labels: Labels,
    metric: str,
    examples: Mapping[str, Sequence[str]] | Dataset,
    threshold: float | None = None,
    positions: Sequence[int] | None = None,
) -> dict[str, Any]:
    """
    Return what a head's answers to rows are worth.

    Args:
        logits (`np.ndarray` of shape `(N, num_labels)`): the answers.
        truth (`np.ndarray` of shape `(N,)` or `(N, num_labels)`): the labels.
        labels ([`Labels`]): what they are.
        metric (`str`): the main metric, one of [`~glot_hf.training.metrics.metrics_for`], with an interval.
        examples (`Dataset` or mapping of columns): `text` and, for pairs, `text_pair` of the rows, of which those that
            are answered worst are shown.
        threshold (`float`, *optional*): the decision threshold of two classes.
        positions (`list[int]`, *optional*): where the rows are in the user's file, from 0; default: in their order.

    Returns:
        `dict`: `rows`, `metrics`, `main` (name, value, low and high of a 95 % interval), `mistakes`; for classes and
        several labels `classes` too, for classes `confusion` (a row a true class) and `calibration`, for scores
        `points`.
    """
    compute = metrics_for(labels.problem_type, threshold)
    metrics = compute(EvalPrediction(logits, truth))
    metrics.pop("distinct_predictions", None)
    report = {"problem_type": labels.problem_type, "rows": len(truth), "metrics": metrics}
    report["main"] = {
        "name": metric,
        "value": metrics.get(metric),
        **_interval(logits, truth, labels, metric, threshold),
    }
    match labels.problem_type:
        case "single_label_classification":
            report |= _of_classes(logits, truth, labels, threshold)
            wrong = _confident_mistakes(logits, truth, labels, threshold)
        case "multi_label_classification":
            report["classes"] = _scores_of_classes(truth.astype(int), (logits > 0).astype(int), labels)
            wrong = _missed_labels(logits, truth.astype(bool), labels)
        case _:
            predicted, truth = logits.ravel().astype(float), truth.ravel().astype(float)
            report["points"] = np.stack([truth, predicted], axis=1).tolist()
            order = np.argsort(-np.abs(predicted - truth), kind="stable")[:NUM_MISTAKES]
            wrong = [{"row": int(i) + 1, "label": truth[i], "answer": predicted[i]} for i in order]
    columns = getattr(examples, "column_names", examples)
    for mistake in wrong:
        for name in ("text", "text_pair"):
            if name in columns:
                mistake[name] = examples[name][mistake["row"] - 1]
        if positions is not None:
            mistake["row"] = positions[mistake["row"] - 1] + 1
    return report | {"mistakes": wrong}


def count_classes(truth: Sequence[Any], labels: Labels) -> dict[str, int] | None:
    """Return how many rows have each class; None for scores."""
    if labels.problem_type == "regression":
        return None
    flags = np.asarray(truth) if labels.problem_type == "multi_label_classification" else None
    counts = np.bincount(truth, minlength=len(labels.names)) if flags is None else flags.sum(axis=0)
    return {name: int(count) for name, count in zip(labels.names, counts)}


def _interval(
    logits: np.ndarray, truth: np.ndarray, labels: Labels, metric: str, threshold: float | None
) -> dict[str, float | None]:
    compute = metrics_for(labels.problem_type, threshold, only=metric)
    return interval_of(len(truth), lambda rows: compute(EvalPrediction(logits[rows], truth[rows])).get(metric))


def interval_of(num_rows: int, score: Callable[[np.ndarray], float | None]) -> dict[str, float | None]:
    """
    Return `low` and `high` of a 95 % interval of a score by bootstrap over rows; None where it is never defined.

    Args:
        score: returns the score of some rows, which it is given by their places.
    """
    draws = np.random.default_rng(0).integers(0, num_rows, (_NUM_DRAWS, num_rows))
    found = [score(rows) for rows in draws]
    known = [value for value in found if value is not None]  # a correlation can be undefined
    if not known:
        return {"low": None, "high": None}
    low, high = np.quantile(known, [0.025, 0.975])
    return {"low": float(low), "high": float(high)}


def _scores_of_classes(truth: np.ndarray, answers: np.ndarray, labels: Labels) -> list[dict[str, Any]]:
    places = range(len(labels.names))
    columns: Any = precision_recall_fscore_support(
        truth, answers, labels=list(places), average=None, zero_division=NONE_FOUND
    )
    names = ("precision", "recall", "f1")
    return [
        {"name": labels.names[place], **{name: float(column[place]) for name, column in zip(names, columns)}}
        | {"support": int(columns[3][place])}
        for place in places
    ]


def _of_classes(logits: np.ndarray, truth: np.ndarray, labels: Labels, threshold: float | None) -> dict[str, Any]:
    answers = at_threshold(logits, threshold).argmax(axis=1)
    probabilities = softmax(logits.astype(float), axis=1)
    confidence = probabilities[np.arange(len(answers)), answers]
    bins = np.clip((confidence * _NUM_BINS).astype(int), 0, _NUM_BINS - 1)
    rows, error = [], 0.0
    for place in range(_NUM_BINS):
        inside = bins == place
        if inside.any():
            expected, right = confidence[inside].mean(), (answers == truth)[inside].mean()
            rows.append({"confidence": float(expected), "accuracy": float(right), "rows": int(inside.sum())})
            error += inside.mean() * abs(expected - right)
    return {
        "classes": _scores_of_classes(truth, answers, labels),
        "confusion": confusion_matrix(truth, answers, labels=range(len(labels.names))).tolist(),
        "calibration": {"expected_calibration_error": float(error), "bins": rows},
    }


def _confident_mistakes(
    logits: np.ndarray, truth: np.ndarray, labels: Labels, threshold: float | None
) -> list[dict[str, Any]]:
    answers = at_threshold(logits, threshold).argmax(axis=1)
    confidence = softmax(logits.astype(float), axis=1)[np.arange(len(answers)), answers]
    wrong = np.flatnonzero(answers != truth)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:NUM_MISTAKES]
    return [
        {
            "row": int(row) + 1,
            "label": labels.names[int(truth[row])],
            "answer": labels.names[int(answers[row])],
            "probability": float(confidence[row]),
        }
        for row in order
    ]


def _missed_labels(logits: np.ndarray, truth: np.ndarray, labels: Labels) -> list[dict[str, Any]]:
    """Return the answers, one label of one row each, that were given with the most confidence and are wrong."""
    probabilities = expit(logits.astype(float))
    confidence = np.where(logits > 0, probabilities, 1 - probabilities)
    confidence[(logits > 0) == truth] = -1.0
    order = np.argsort(-confidence, axis=None, kind="stable")[:NUM_MISTAKES]
    places = [np.unravel_index(place, logits.shape) for place in order]
    return [
        {
            "row": int(row) + 1,
            "label": labels.names[column] if truth[row, column] else f"not {labels.names[column]}",
            "answer": labels.names[column] if logits[row, column] > 0 else f"not {labels.names[column]}",
            "probability": float(confidence[row, column]),
        }
        for row, column in places
        if confidence[row, column] >= 0
    ]

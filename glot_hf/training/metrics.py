# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a head is judged by: scikit-learn's and scipy's metrics for each problem type."""

import math
import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, mean_squared_error
from transformers import EvalPrediction

from ..data.labels import Labels, ProblemType
from ..model.decision_glot import at_threshold


_COSINES_AT_ONCE = 2**24  # 64 MiB, whatever the number of queries and texts
_ROUNDING = 1e-6  # a matrix product gives equal vectors cosines that differ in their last bits

# Of every metric here, and of the loss that Trainer adds: whether a larger value is better.
GREATER_IS_BETTER = {
    "loss": False,
    "mse": False,
    "accuracy": True,
    "f1": True,
    "f1_macro": True,
    "f1_micro": True,
    "matthews_correlation": True,
    "pearson": True,
    "spearman": True,
    "mrr": True,
    "recall_at_1": True,
    "recall_at_10": True,
    "distinct_predictions": True,
}

NONE_FOUND: Any = 0  # the score of a class that is neither there nor predicted; scikit-learn takes numbers too

_OF_CLASSES = {
    "accuracy": accuracy_score,
    "f1_macro": partial(f1_score, average="macro", zero_division=NONE_FOUND),
    "matthews_correlation": matthews_corrcoef,
    "f1": partial(f1_score, zero_division=NONE_FOUND),  # of class 1, for two classes
}


def greater_is_better(name: str) -> bool:
    """
    Return whether a larger value of a metric is better; of a user's own metric, as Trainer takes it: unless its name
    ends with "loss".

    Args:
        name (`str`): with or without "eval_" before it, and the size of a vector that is cut off after it.
    """
    name = name.removeprefix("eval_")
    known = name if name in GREATER_IS_BETTER else re.sub(r"_\d+$", "", name)
    return GREATER_IS_BETTER.get(known, not name.endswith("loss"))


def metrics_for(
    problem_type: ProblemType, threshold: float | None = None, only: str | None = None
) -> Callable[[EvalPrediction], dict[str, float]]:
    """
    For Trainer's `compute_metrics`: a function of logits `(N, num_labels)` and labels.

    - single-label: accuracy, f1_macro, matthews_correlation, and f1 (of class 1, as GLUE) for two classes;
    - multi-label (a label is predicted where its logit is positive): accuracy of the whole set, f1_micro, f1_macro;
    - regression: mse, and pearson and spearman where labels and predictions vary, without which there is none.

    Each also has distinct_predictions, how many different answers were given to several texts: by a head that has
    died, 1.

    Args:
        problem_type (`str`): which of these.
        threshold (`float`, *optional*): the `decision_threshold` of a head of two classes.
        only (`str`, *optional*): of one label a row, compute this metric alone, which takes a quarter of the time.
    """
    return {
        "single_label_classification": partial(_single_label, threshold=threshold, only=only),
        "multi_label_classification": _multi_label,
        "regression": _regression,
    }[problem_type]


def metric_names(labels: Labels) -> list[str]:
    """Return the names of the metrics of [`metrics_for`], where labels and predictions vary."""
    answers = np.eye(2, len(labels.names) or 1)  # (2, num_labels): a label each, which is all that names need
    classes = answers if labels.problem_type == "multi_label_classification" else np.arange(len(answers))
    return list(metrics_for(labels.problem_type)(EvalPrediction(answers, classes)))


def _arrays(prediction: EvalPrediction) -> tuple[Any, Any]:
    """Return labels and predictions, which are an array each for a head, though other models return several."""
    return prediction.label_ids, prediction.predictions


def _single_label(prediction: EvalPrediction, threshold: float | None, only: str | None) -> dict[str, float]:
    labels, logits = _arrays(prediction)
    predicted = at_threshold(logits, threshold).argmax(axis=-1)
    metrics = dict(_OF_CLASSES)
    if logits.shape[-1] != 2:
        del metrics["f1"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A single label was found")  # a small split can be so; MCC is 0 then
        found = {name: float(metric(labels, predicted)) for name, metric in metrics.items() if only in (None, name)}
    return found | _distinct(predicted)


def _multi_label(prediction: EvalPrediction) -> dict[str, float]:
    labels, logits = _arrays(prediction)
    labels, predicted = labels.astype(int), (logits > 0).astype(int)
    return {
        "accuracy": float(accuracy_score(labels, predicted)),
        "f1_micro": float(f1_score(labels, predicted, average="micro", zero_division=NONE_FOUND)),
        "f1_macro": float(f1_score(labels, predicted, average="macro", zero_division=NONE_FOUND)),
        **_distinct(predicted),
    }


def _regression(prediction: EvalPrediction) -> dict[str, float]:
    labels, predicted = map(np.ravel, _arrays(prediction))
    if not np.isfinite(predicted).all():
        return {"mse": math.nan} | _distinct(predicted)  # training diverged; scikit-learn would raise
    metrics = {"mse": float(mean_squared_error(labels, predicted))}
    if _differ(labels) and _differ(predicted):
        metrics |= _correlations(predicted, labels)
    return metrics | _distinct(predicted.round(6))  # a batch's shape may change the last bits


def embedding_metrics(prediction: EvalPrediction, sizes: tuple[int, ...] = ()) -> dict[str, float]:
    """
    For Trainer's `compute_metrics`, of sentence vectors `(N, k, D)`, which are compared by cosines.

    - Pairs with scores `(N,)`: pearson and spearman, 0 where all cosines are the same.
    - Rows of a query, its positive and hard negatives, with the numbers of their texts `(N, k)`: how each query ranks
      its positive among the positives and negatives of all rows, equals counted against it: mrr, the mean of 1 / rank,
      and recall_at_1 and recall_at_10. Other positives of a query, and the query's own text, are not in its way.

    Each also has distinct_predictions, how many different cosines the pairs have: of a head that has died, 1. And the
    same of the first so many dimensions, for each of `sizes`: spearman_64, ...
    """
    labels, whole = _arrays(prediction)
    metrics = {}
    for size, suffix in ((whole.shape[-1], ""), *((size, f"_{size}") for size in sizes)):
        vectors = whole[..., :size]
        cosines = cosines_of_pairs(vectors)
        if labels.ndim > 1:
            ranks = ranks_of_positives(vectors, labels)
            found = {
                "mrr": float((1 / ranks).mean()),
                "recall_at_1": float((ranks <= 1).mean()),
                "recall_at_10": float((ranks <= 10).mean()),
            }
        elif _differ(cosines) and _differ(labels):
            found = _correlations(cosines, labels)
        else:
            found = {"pearson": 0.0, "spearman": 0.0}
        metrics |= {name + suffix: value for name, value in (found | _distinct(cosines.round(6))).items()}
    return metrics


def embedding_metric_names(has_scores: bool, sizes: tuple[int, ...] = ()) -> list[str]:
    """Return what [`embedding_metrics`] names, for pairs with scores or for rows of a query and its positive."""
    labels = np.arange(2.0) if has_scores else np.arange(4).reshape(2, 2)
    return list(embedding_metrics(EvalPrediction(np.ones((2, 2, 1)), labels), sizes))


def _correlations(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    predicted, labels = predicted.astype(float), labels.astype(float)
    return {
        name: float(cast(Any, correlate(predicted, labels)).statistic)
        for name, correlate in (("pearson", pearsonr), ("spearman", spearmanr))
    }


def _differ(values: np.ndarray) -> bool:
    """Return whether values are not all equal, but for their last bits, which a batch's shape may change."""
    return bool(np.ptp(values) > 1e-6 * np.abs(values).max())


def cosines_of_pairs(vectors: np.ndarray) -> np.ndarray:
    """Return the cosine of the first two vectors of each row, `(N,)`, of vectors `(N, k, D)`."""
    vectors = _of_length_one(vectors[:, :2])
    return (vectors[:, 0] * vectors[:, 1]).sum(axis=-1)


def ranks_of_positives(vectors: np.ndarray, text_ids: np.ndarray) -> np.ndarray:
    """
    Return the rank of each query's positive among the positives and negatives of all rows, from 1, as
    [`embedding_metrics`] counts it.

    Args:
        vectors (`np.ndarray` of shape `(N, k, D)`): of a query, its positive and its negatives.
        text_ids (`np.ndarray` of shape `(N, k)`): the numbers of their texts.
    """
    vectors = _of_length_one(vectors)
    corpus_ids, places, columns = np.unique(text_ids[:, 1:].ravel(), return_index=True, return_inverse=True)
    corpus = vectors[:, 1:].reshape(-1, vectors.shape[-1])[places]  # (C, D)
    targets = columns.reshape(len(vectors), -1)[:, 0]  # (N,)
    is_known, queries = _known_answers(text_ids[:, 0], targets, corpus_ids)
    ranks = []
    rows = max(1, _COSINES_AT_ONCE // len(corpus))
    for start in range(0, len(vectors), rows):
        block = slice(start, start + rows)
        cosines = vectors[block, 0] @ corpus.T  # (rows, C)
        target = np.take_along_axis(cosines, targets[block, None], axis=1)  # (rows, 1)
        is_ahead = ~(cosines < target - _ROUNDING)  # so that a vector that is not finite ranks last
        is_ahead[is_known[queries[block]].nonzero()] = False
        ranks += [1 + np.count_nonzero(row) for row in is_ahead]
    return np.array(ranks)


def _of_length_one(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _known_answers(query_ids: np.ndarray, targets: np.ndarray, corpus_ids: np.ndarray) -> tuple[csr_array, np.ndarray]:
    """
    Return which texts of the corpus are not in the way of a query, its positives and its own text, as a matrix
    `(Q, C)` of the Q different queries; and the row there of each of the `(N,)` queries.
    """
    texts, queries = np.unique(query_ids, return_inverse=True)
    own = np.flatnonzero(np.isin(texts, corpus_ids))
    rows = np.concatenate([queries, own])
    columns = np.concatenate([targets, np.searchsorted(corpus_ids, texts[own])])
    return csr_array((np.ones(len(rows), dtype=bool), (rows, columns)), (len(texts), len(corpus_ids))), queries


def _distinct(predicted: np.ndarray) -> dict[str, int]:
    return {"distinct_predictions": len(np.unique(predicted, axis=0))} if len(predicted) > 1 else {}

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What words alone can tell, without any language model: TF-IDF and a linear model, by scikit-learn."""

import time
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from transformers import EvalPrediction

from ..data.labels import Labels
from ..training.linear_fit import PENALTIES, linear_estimator
from ..training.metrics import greater_is_better, metrics_for


NAME = "tf-idf"
_NEVER = -30.0  # the logit of a class that no training row has


class WordsFit(NamedTuple):
    """
    What was found.

    Args:
        metrics (`dict[str, float]`): of the judged rows, by names with the prefix "eval_".
        chosen (`str`): the penalty.
        parameters (`int`): weights of the linear model.
        seconds (`float`): of the search and the fit.
    """

    metrics: dict[str, float]
    chosen: str
    parameters: int
    seconds: float


class PairWords(BaseEstimator, TransformerMixin):
    """TF-IDF of words and pairs of words; of two texts a and b, `[a, b, a * b]` over one vocabulary."""

    def fit(self, rows: list[tuple[str, ...]], _: Any = None) -> "PairWords":
        self.words_ = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        self.words_.fit([text for row in rows for text in row])
        return self

    def transform(self, rows: list[tuple[str, ...]]) -> Any:
        sides = [self.words_.transform(side) for side in zip(*rows)]
        return scipy.sparse.hstack(sides if len(sides) < 2 else [*sides, sides[0].multiply(sides[1])]).tocsr()


def fit_words(train: Any, judged: Any, labels: Labels, metric: str) -> WordsFit:
    """
    Fit logistic or ridge regression on TF-IDF, the penalty by five-fold cross-validation on the training rows.

    Args:
        train, judged (`Dataset`): examples, with `text`, `text_pair` where there are pairs, and `labels`.
        metric (`str`): what the penalty is chosen by; see [`~glot_hf.training.metrics.metrics_for`].
    """
    started = time.monotonic()
    estimator, penalty, parameter = linear_estimator(labels.problem_type)
    rows, targets = _rows(train), np.asarray(train["labels"][:])
    compute = metrics_for(labels.problem_type)

    def score(fitted: Any, some: list[tuple[str, ...]], truth: np.ndarray) -> float:
        found = compute(EvalPrediction(_logits(fitted, some, labels), truth))
        return (1 if greater_is_better(metric) else -1) * found.get(metric, 0.0)

    kind = StratifiedKFold if labels.problem_type == "single_label_classification" else KFold
    search = GridSearchCV(
        Pipeline([("words", PairWords()), ("fit", estimator)]),
        {parameter: PENALTIES[penalty]},
        scoring=score,
        cv=kind(5, shuffle=True, random_state=0),
    ).fit(rows, targets)
    logits = _logits(search.best_estimator_, _rows(judged), labels)
    metrics = compute(EvalPrediction(logits, np.asarray(judged["labels"][:])))
    width = search.best_estimator_["words"].transform(rows[:1]).shape[1]
    return WordsFit(
        {f"eval_{name}": float(value) for name, value in metrics.items()},
        f"{penalty} {search.best_params_[parameter]:g}",
        (width + 1) * max(1, len(labels.names)),
        time.monotonic() - started,
    )


def _rows(examples: Any) -> list[tuple[str, ...]]:
    names = [name for name in ("text", "text_pair") if name in examples.column_names]
    return list(zip(*(examples[name][:] for name in names)))


def _logits(fitted: Any, rows: list[tuple[str, ...]], labels: Labels) -> np.ndarray:
    """Return answers as heads give them: `(N, num_labels)`, of scores `(N, 1)`."""
    if labels.problem_type == "regression":
        return fitted.predict(rows)[:, None]
    decided = fitted.decision_function(rows)
    if labels.problem_type == "multi_label_classification":
        return decided.reshape(len(rows), -1)
    logits = np.full((len(rows), len(labels.names)), _NEVER)
    logits[:, fitted.classes_] = decided if decided.ndim > 1 else np.outer(decided, [-0.5, 0.5])
    return logits

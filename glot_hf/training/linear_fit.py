# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The linear layer on a pooling without parameters, fitted to convergence by scikit-learn.

With nothing to train but one linear layer on fixed vectors, training is a convex problem: its one solution is found
exactly, and is the same for every seed.
"""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset
from transformers import EvalPrediction

from ..data.labels import ProblemType
from ..model.configuration_glot import GlotConfig
from ..model.modeling_glot import GlotForSequenceClassification
from ..model.pooling_glot import GlotPooler
from ..system.errors import InputError
from .class_weights import sum_of_losses
from .metrics import greater_is_better, metrics_for


# The nearest to 1 first, as GridSearchCV takes the first of equals. A small C and a large alpha penalise the most.
PENALTIES = {
    "C": [1.0, 0.1, 10.0, 1e-2, 100.0, 1e-3, 1e-4, 1e-5],
    "alpha": [1.0, 10.0, 0.1, 100.0, 1e-2, 1e3, 1e4, 1e5],
}
_NUM_FOLDS = 5
_SMALL = 2**23
_ESTIMATORS = {
    "single_label_classification": (LogisticRegression(max_iter=10_000), "C", "fit__C"),
    "multi_label_classification": (
        OneVsRestClassifier(LogisticRegression(max_iter=10_000)),
        "C",
        "fit__estimator__C",
    ),
    "regression": (Ridge(), "alpha", "fit__alpha"),
}


def linear_estimator(problem_type: ProblemType) -> tuple[Any, str, str]:
    """
    Return what is fitted to labels of a kind, unfitted: the estimator, the name of its penalty in `PENALTIES`, and the
    parameter of the step "fit" of a `Pipeline` that sets it.
    """
    estimator, penalty, parameter = _ESTIMATORS[problem_type]
    return clone(estimator), penalty, parameter


class LinearFit(NamedTuple):
    """
    What was found.

    Args:
        penalty (`str`): its name, "C" of logistic regression or "alpha" of ridge regression.
        value (`float`): the one that was chosen.
        num_folds (`int`): of the cross-validation that chose it; 0 where there were too few rows, and 1.0 was taken.
        seconds (`float`): of pooling the rows and of fitting.
    """

    penalty: str
    value: float
    num_folds: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.penalty} {self.value:g}"


def is_linear(config: GlotConfig) -> bool:
    """
    Whether all that a classifier on a frozen backbone trains is one linear layer: the pooling has no parameters, and
    pairs are compared by what that layer reads.

    Args:
        config ([`GlotConfig`]): with `input_size` or a `backbone_config`.
    """
    if config.pair_mode == "cosine" or config.compares_tokens:
        return False
    with torch.device("meta"):
        return not any(True for _ in GlotPooler(config).parameters())


def fit_linear_layer(
    model: GlotForSequenceClassification,
    rows: Sequence[dict[str, Any]] | Dataset,
    collator: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]],
    metric: str,
    weights: Sequence[float] | None = None,
    batch_size: int = 64,
) -> LinearFit:
    """
    Fit `model.classifier` on standardised inputs, which are folded into its weights: by logistic regression, one
    against the rest for several labels a text, or ridge regression.

    Args:
        model ([`GlotForSequenceClassification`]): [`is_linear`], and with the problem type in its configuration.
        rows (`list` or `Dataset`): tokens or hidden states, with labels.
        collator: makes batches of them.
        metric (`str`): "loss", or one of [`~glot_hf.training.metrics.metrics_for`]; the penalty is the best by it in
            five-fold cross-validation on these rows.
        weights (`list[float]`, *optional*): what a row of each class counts; default: the same.
        batch_size (`int`): rows that are pooled at once.

    Raises:
        InputError: all rows are of one class, or a vector is not finite.
    """
    started = time.monotonic()
    inputs, labels = _classifier_inputs(model, rows, collator, batch_size)
    if not np.isfinite(inputs).all():
        row = int(np.flatnonzero(~np.isfinite(inputs).all(axis=1))[0])
        raise InputError(
            f"the vector of training row {row + 1} is not finite: load the backbone in bfloat16 or float32 (the dtype "
            "in --backbone_load_kwargs)"
        )
    problem_type, num_labels = model.config.problem_type, model.config.num_labels
    if problem_type == "single_label_classification" and len(np.unique(labels)) < 2:
        raise InputError(
            f"all rows to train on are of the class {model.config.id2label[int(labels[0])]!r}: give rows of others too"
        )
    estimator, penalty, parameter = linear_estimator(problem_type)
    if weights is not None:
        counts = {label: weights[label] for label in np.unique(labels).tolist()}
        estimator.set_params(class_weight=counts)
    folds = _folds(labels, problem_type)
    candidates = PENALTIES[penalty] if folds else PENALTIES[penalty][:1]
    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("fit", estimator)]),
        {parameter: candidates},
        scoring=_scorer(model, metric, weights),
        cv=folds or [(np.arange(len(labels)),) * 2],
    )
    # Thousands of small products, which threads that wait for each other slow down tenfold on a machine that is busy.
    threads = 1 if inputs.size < _SMALL else None
    with warnings.catch_warnings(), threadpool_limits(threads, user_api="blas"):
        warnings.filterwarnings("ignore", "The least populated class")  # a fold without a rare class is no fault
        warnings.filterwarnings("ignore", "Label .* is present in")  # of several labels, one may always apply
        warnings.filterwarnings("ignore", category=FitFailedWarning)  # a fold of one class alone
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        search.fit(inputs, labels)
    weight, bias = _linear_layer(search.best_estimator_, num_labels)
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(weight))
        model.classifier.bias.copy_(torch.from_numpy(bias))
    num_folds = folds.get_n_splits() if folds else 0
    return LinearFit(penalty, search.best_params_[parameter], num_folds, time.monotonic() - started)


@torch.no_grad()
def _classifier_inputs(
    model: GlotForSequenceClassification, rows: Any, collator: Callable, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the linear layer reads of the rows, `(N, F)` float64, and `(N,)` or `(N, num_labels)` labels."""
    loader = DataLoader(rows, batch_size, collate_fn=collator)
    passes = 2 if model.config.input_norm == "standard" else 1
    if passes == 2:  # in training mode, its statistics gather
        model.train()
        for batch in loader:
            _run(model, batch)
    model.eval()
    inputs, labels = [], []
    hook = model.classifier.register_forward_pre_hook(lambda _, given: inputs.append(given[0].double().cpu().numpy()))
    try:
        for batch in loader:
            labels.append(batch["labels"].numpy())
            _run(model, batch)
    finally:
        hook.remove()
    return np.concatenate(inputs), np.concatenate(labels)


def _run(model: GlotForSequenceClassification, batch: dict[str, torch.Tensor]) -> None:
    model(**{name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"})


def _folds(labels: np.ndarray, problem_type: ProblemType) -> StratifiedKFold | KFold | None:
    """Return the folds of the cross-validation, or None where there are too few rows."""
    if problem_type == "single_label_classification":
        kind, most = StratifiedKFold, int(np.bincount(labels).max())
    else:
        kind, most = KFold, len(labels) // 2
    num_folds = min(_NUM_FOLDS, most)
    return kind(num_folds, shuffle=True, random_state=0) if num_folds > 1 else None


def _scorer(
    model: GlotForSequenceClassification, metric: str, weights: Sequence[float] | None
) -> Callable[[Pipeline, Any, Any], float]:
    compute_metrics = metrics_for(model.config.problem_type)

    def score(fitted: Pipeline, inputs: np.ndarray, labels: np.ndarray) -> float:
        weight, bias = _linear_layer(fitted, model.config.num_labels)
        logits = inputs @ weight.T + bias
        if metric == "loss" and weights is not None:
            return -sum_of_losses(torch.from_numpy(logits), torch.from_numpy(labels), weights).item() / len(labels)
        if metric == "loss":
            return -model.compute_loss(torch.from_numpy(logits), torch.from_numpy(labels)).item()
        found = compute_metrics(EvalPrediction(logits, labels))
        sign = 1 if greater_is_better(metric) else -1
        return sign * found.get(metric, 0.0)  # a correlation can be undefined

    return score


def _linear_layer(fitted: Any, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight `(num_labels, F)` and the bias `(num_labels,)` of the linear layer that computes the same."""
    scaler, estimator = fitted["scale"], fitted["fit"]  # of a Pipeline
    # Of a class that no training row has: no text's answer, as the other logits have mean 0, and no infinite loss.
    never = -math.log(2 * scaler.n_samples_seen_ + 1)
    weight, bias = np.zeros((num_labels, len(scaler.scale_))), np.zeros(num_labels)
    if isinstance(estimator, Ridge):
        weight[0], bias[0] = estimator.coef_, estimator.intercept_
    elif isinstance(estimator, OneVsRestClassifier):
        for label, one in enumerate(estimator.estimators_):
            if isinstance(one, LogisticRegression):
                weight[label], bias[label] = np.ravel(one.coef_), np.ravel(one.intercept_)[0]
            else:  # a label that all rows have, or none
                constant: Any = one
                bias[label] = -never if constant.y_[0] else never
    else:
        bias[:] = never
        coefficients, intercepts = estimator.coef_, estimator.intercept_
        if len(estimator.classes_) == 2:  # scikit-learn keeps the difference of the two logits
            coefficients, intercepts = np.outer([-0.5, 0.5], coefficients), np.multiply([-0.5, 0.5], intercepts)
        weight[estimator.classes_], bias[estimator.classes_] = coefficients, intercepts
    weight /= scaler.scale_
    return weight, bias - weight @ scaler.mean_

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Which layer of a backbone to read: a linear probe on the mean vectors of every layer.

The layer is worth more than any pooling (docs/recipe.md): the last one is seldom the best for one's own classes.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..data.labels import ProblemType
from ..model.backbone_forward_glot import run_backbone
from ..states.running import run_over_texts


MOST_ROWS, FEWEST_ROWS = 2_000, 1_000
_NUM_FOLDS = 3
_NUM_JOINED = 3  # layers side by side
_CS = (1.0, 0.1, 0.01, 1e-3, 1e-4)
_ALPHAS = (1.0, 10.0, 100.0, 1e3, 1e4)


class Probe(NamedTuple):
    """
    What the probe found.

    Args:
        losses (`list[float]`): held-out loss of each layer, from the embeddings (0) to the last: the cross-entropy of
            classes, else the mean squared error.
        best (`int`): the layer with the smallest.
        joined (`list[int]`): the best three, in the order of the backbone.
        joined_loss (`float`): the loss of those three side by side.
        joining_pays (`bool`): whether that is smaller than the best layer's by more than one standard error of the
            difference over the rows.
    """

    losses: list[float]
    best: int
    joined: list[int]
    joined_loss: float
    joining_pays: bool

    @property
    def backbone_layers(self) -> int | list[int]:
        """The layers to read, as the option of [`GlotConfig`]; the last one is -1."""
        if self.joining_pays:
            return self.joined
        return -1 if self.best == len(self.losses) - 1 else self.best


def probe_layers(vectors: np.ndarray, labels: Sequence[Any], problem_type: ProblemType) -> Probe:
    """
    Probe each layer by cross-validation in thirds, the penalty of each chosen by the same loss.

    Args:
        vectors (`np.ndarray` of shape `(layers, N, F)`): see [`layer_vectors`].
        labels: `(N,)` classes or scores, or `(N, num_labels)`.
        problem_type (`str`): logistic regression for classes, else ridge regression.
    """
    targets = np.asarray(labels)
    with threadpool_limits(1 if vectors[0].size < 2**23 else None, user_api="blas"):
        losses = [_row_losses(layer, targets, problem_type) for layer in logging.tqdm(vectors, desc="Probing layers")]
        means = [float(loss.mean()) for loss in losses]
        order = np.argsort(means, kind="stable")
        best, joined = int(order[0]), sorted(map(int, order[:_NUM_JOINED]))
        if len(joined) < 2:
            return Probe(means, best, joined, means[best], False)
        of_joined = _row_losses(np.concatenate(vectors[joined], axis=1), targets, problem_type)
    gain = losses[best] - of_joined
    pays = gain.mean() > gain.std() / np.sqrt(len(gain))
    return Probe(means, best, joined, float(of_joined.mean()), bool(pays))


def layer_vectors(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Mapping[str, Sequence],
    max_length: int | None = None,
) -> np.ndarray:
    """
    Return the mean vector of each text at every layer of a backbone; the states of its tokens are not kept.

    Args:
        examples (mapping of columns): `text`, and `text_pair` where there are pairs.

    Returns:
        `np.ndarray` of shape `(layers, N, d)`, float32; for pairs `(layers, N, 2 * d)`: |a - b| and a * b.
    """
    sides = [
        text_vectors(backbone, tokenizer, list(examples[name]), max_length)
        for name in ("text", "text_pair")
        if name in examples
    ]
    if len(sides) == 1:
        return sides[0]
    first, second = sides
    return np.concatenate([np.abs(first - second), first * second], axis=2)


def text_vectors(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str], max_length: int | None = None
) -> np.ndarray:
    """Return the mean vector of each text at every layer, `(layers, N, d)` in float32."""
    count = _num_layers(backbone, tokenizer)
    vectors = np.zeros((count, len(texts), backbone.config.get_text_config().hidden_size), dtype=np.float32)
    run = run_over_texts(backbone, tokenizer, texts, list(range(count)), max_length)
    for index, states in logging.tqdm(run, total=len(texts), desc="Reading every layer"):
        if len(states):
            vectors[:, index] = states.float().mean(dim=0).numpy()  # (layers, d)
    return vectors


def rows_to_probe(num_rows: int, seed: int) -> np.ndarray:
    """Draw the rows that are probed: all up to 1,000, then a quarter, and 2,000 at most, as every layer costs time."""
    count = min(num_rows, MOST_ROWS, max(FEWEST_ROWS, num_rows // 4))
    return np.sort(np.random.default_rng(seed).permutation(num_rows)[:count])


def _num_layers(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    inputs = tokenizer("a", return_tensors="pt").to(backbone.device)
    with torch.no_grad():
        return len(run_backbone(backbone, dict(inputs), output_hidden_states=True).hidden_states or ())


def _row_losses(vectors: np.ndarray, labels: np.ndarray, problem_type: ProblemType) -> np.ndarray:
    """Return the held-out loss of each row, `(N,)`, with the penalty that makes their mean the smallest."""
    if problem_type == "single_label_classification":
        folds = StratifiedKFold(_NUM_FOLDS, shuffle=True, random_state=0)
        estimators: list[BaseEstimator] = [LogisticRegression(C=c, max_iter=300) for c in _CS]
    else:
        folds = KFold(_NUM_FOLDS, shuffle=True, random_state=0)
        estimators = [Ridge(alpha) for alpha in _ALPHAS]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rare class in no fold, a fit that stopped early: both cost what they cost
        for estimator in estimators:
            found.append(_held_out_losses(estimator, vectors, labels, folds))
    return min(found, key=np.mean)


def _held_out_losses(estimator: BaseEstimator, vectors: np.ndarray, labels: np.ndarray, folds: Any) -> np.ndarray:
    pipeline = make_pipeline(StandardScaler(), estimator)
    if isinstance(estimator, Ridge):
        predicted = cross_val_predict(pipeline, vectors, labels.astype(float), cv=folds)
        return np.square(predicted - labels).reshape(len(labels), -1).mean(axis=1)
    probabilities: Any = cross_val_predict(pipeline, vectors, labels, cv=folds, method="predict_proba")
    columns = np.searchsorted(np.unique(labels), labels)
    return -np.log(np.clip(probabilities[np.arange(len(labels)), columns], 1e-6, None))

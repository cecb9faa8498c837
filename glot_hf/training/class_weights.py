# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a row of each class counts in the training loss, so that rare classes are not lost among frequent ones."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.labels import Labels, shorten
from ..system.errors import InputError


def class_weights(asked: str, labels: Labels, classes: Sequence[int]) -> list[float]:
    """
    Return the weight of each class, in the order of `labels.names`.

    Args:
        asked (`str`): "balanced", for N / (number of classes * rows of the class) as in scikit-learn; or a JSON object
            of weights by the names of classes, whose other classes count 1.
        labels ([`Labels`]): what the labels are.
        classes (`list[int]`): the class of each training row.

    Raises:
        InputError: the labels are no classes, it is neither of both, a class is not known, or a weight not positive.
    """
    if labels.problem_type != "single_label_classification":
        raise InputError(
            f"--class_weight is for one class a row, but these labels are {labels.problem_type}: leave it out"
        )
    if asked == "balanced":
        counts = np.bincount(classes, minlength=len(labels.names))
        present = counts > 0
        return np.where(present, len(classes) / (present.sum() * np.maximum(counts, 1)), 1.0).tolist()
    try:
        by_name = json.loads(asked)
        if not isinstance(by_name, dict) or not by_name:
            raise ValueError("no weights by the names of classes")
    except ValueError as error:
        raise InputError(
            f"--class_weight {asked!r} is neither balanced nor JSON ({error}): write it as '{{\"spam\": 5}}'"
        ) from error
    for name, weight in by_name.items():
        if name not in labels.names:
            raise InputError(f"--class_weight: there is no class {name!r}: the classes are {shorten(labels.names)}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise InputError(f"--class_weight: the weight {weight!r} of {name!r} is not a positive number")
    return [float(by_name.get(name, 1.0)) for name in labels.names]


def weighted_loss(weights: Sequence[float]) -> Callable[..., Tensor]:
    """
    Return a `compute_loss_func` of Trainer: the mean over the rows of cross-entropy times the weight of the class.

    Args:
        weights (`list[float]`): one for each class, see [`class_weights`].
    """

    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
        count = len(labels) if num_items_in_batch is None else num_items_in_batch
        return sum_of_losses(logits, labels, weights) / count

    return loss


def sum_of_losses(logits: Tensor, labels: Tensor, weights: Sequence[float]) -> Tensor:
    """Return the sum over the rows of cross-entropy times the weight of the class, from logits `(B, num_labels)`."""
    weight = torch.tensor(weights, dtype=logits.dtype, device=logits.device)
    return F.cross_entropy(logits, labels.to(logits.device), weight=weight, reduction="sum")

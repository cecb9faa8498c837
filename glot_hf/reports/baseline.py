# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What three lines of scikit-learn make of the same hidden states: the least that a trained head must beat."""

from typing import Any

import numpy as np
from torch.utils.data import Subset

from ..data.labels import Labels
from ..training.on_states import Rows, fit_on_states
from ..tuning.recipe import linear_candidate


MOST_ROWS = 5_000


def linear_baseline(
    backbone: Any,
    train: Rows,
    validation: Rows,
    layers: int | list[int],
    labels: Labels,
    metric: str,
    is_pair: bool,
    token_features: list[str] | None = None,
) -> dict[str, Any]:
    """
    Fit a linear layer to mean vectors and judge it on the validation rows.

    Args:
        backbone (`PreTrainedModel`): the frozen backbone that made the states; it is not run.
        train, validation (`list` or `Dataset`): states of the rows at `layers`; at most 5,000 to train on are read.
        labels ([`Labels`]): what the labels are.
        metric (`str`): the main metric of the report.
        is_pair (`bool`): a row has two texts, which are compared as [a; b; |a - b|; a * b].
        token_features (`list[str]`, *optional*): what the states have behind them; see [`GlotConfig`].
    """
    count = min(len(train), MOST_ROWS)
    rows = Subset(train, np.sort(np.random.default_rng(0).permutation(len(train))[:count]).tolist())
    options = linear_candidate(layers, is_pair).head_options | labels.config_options
    options["token_features"] = token_features
    trainer, fit = fit_on_states(backbone, options, rows, "loss")
    metrics = trainer.predict(validation).metrics or {}
    kind = "ridge regression" if labels.problem_type == "regression" else "logistic regression"
    return {
        "name": f"{kind} on mean vectors",
        "value": metrics.get(f"test_{metric}"),
        "rows": count,
        "seconds": fit.seconds,
    }

# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Which of two classes is answered: where a head has a `decision_threshold`, not always the more probable one."""

import math
from typing import Any


def at_threshold(logits: Any, threshold: float | None) -> Any:
    """
    Shift the logits of two classes so that the larger one is the class that a threshold decides for.

    Args:
        logits (`torch.Tensor` or `np.ndarray` of shape `(..., 2)`): the answers of a classifier.
        threshold (`float`, *optional*): the probability of the second class from which on it is answered; None leaves
            the logits as they are.

    Returns:
        The same kind and shape. Probabilities are those of the logits before they are shifted.
    """
    if threshold is None:
        return logits
    shifted = logits + 0  # a copy, of either library
    shifted[..., 1] -= math.log(threshold / (1 - threshold))
    return shifted

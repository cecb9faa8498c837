"""A decision threshold against the probability that it is about."""

import numpy as np
import pytest
import torch

from glot_hf.model.decision_glot import at_threshold


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.73])
@pytest.mark.parametrize("shape", [(2,), (9, 2), (3, 4, 2)])
def test_answers_the_second_class_from_that_probability_on(threshold, shape):
    logits = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    answers = logits.softmax(dim=-1)[..., 1] > threshold
    before = logits.clone()
    assert (at_threshold(logits, threshold).argmax(dim=-1).bool() == answers).all()
    assert (at_threshold(logits.numpy(), threshold).argmax(axis=-1).astype(bool) == answers.numpy()).all()
    assert (logits == before).all()  # what is given is not changed


def test_without_one_the_logits_are_as_they_are():
    logits = np.random.default_rng(0).normal(size=(3, 2))
    assert at_threshold(logits, None) is logits

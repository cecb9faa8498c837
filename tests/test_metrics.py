"""Metrics against scikit-learn's and scipy's own, and by hand."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics
from transformers import EvalPrediction

from glot_hf.metrics import metrics_for


RNG = np.random.default_rng(0)


def test_two_classes():
    logits, labels = RNG.normal(size=(50, 2)), RNG.integers(0, 2, size=50)
    result = metrics_for("single_label_classification")(EvalPrediction(logits, labels))
    predicted = logits.argmax(axis=1)
    assert result["accuracy"] == (predicted == labels).mean()
    assert result["matthews_correlation"] == pytest.approx(np.corrcoef(predicted, labels)[0, 1], abs=1e-12)
    assert result["f1"] == pytest.approx(metrics.f1_score(labels, predicted), abs=1e-12)


def test_many_classes_have_no_f1_of_class_one():
    logits, labels = RNG.normal(size=(50, 4)), RNG.integers(0, 4, size=50)
    result = metrics_for("single_label_classification")(EvalPrediction(logits, labels))
    assert set(result) == {"accuracy", "f1_macro", "matthews_correlation"}
    assert result["f1_macro"] == metrics.f1_score(labels, logits.argmax(axis=1), average="macro")


def test_several_labels():
    logits, labels = RNG.normal(size=(50, 3)), RNG.integers(0, 2, size=(50, 3)).astype(float)
    result = metrics_for("multi_label_classification")(EvalPrediction(logits, labels))
    assert result["accuracy"] == ((logits > 0) == labels).all(axis=1).mean()
    assert result["f1_micro"] == metrics.f1_score(labels.ravel(), (logits > 0).ravel())


def test_a_correlation_that_does_not_exist_is_left_out():
    """Rather than NaN, which JSON does not have."""
    metrics_of = metrics_for("regression")
    assert set(metrics_of(EvalPrediction(np.ones(5), np.arange(5.0)))) == {"mse"}
    assert set(metrics_of(EvalPrediction(np.ones(1), np.ones(1)))) == {"mse"}


@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_regression(shape):
    predicted, labels = RNG.normal(size=shape), RNG.normal(size=50)
    result = metrics_for("regression")(EvalPrediction(predicted, labels))
    assert result["pearson"] == pytest.approx(pearsonr(predicted.ravel(), labels).statistic, abs=1e-12)
    assert result["spearman"] == pytest.approx(spearmanr(predicted.ravel(), labels).statistic, abs=1e-12)
    assert result["mse"] == pytest.approx(((predicted.ravel() - labels) ** 2).mean(), abs=1e-12)

"""Metrics against scikit-learn's and scipy's own, and by hand."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics
from sklearn.metrics.pairwise import cosine_similarity, paired_cosine_distances
from transformers import EvalPrediction

from glot_hf.data.labels import Labels
from glot_hf.training.metrics import (
    GREATER_IS_BETTER,
    embedding_metric_names,
    embedding_metrics,
    greater_is_better,
    metric_names,
    metrics_for,
)


RNG = np.random.default_rng(0)


def test_two_classes():
    logits, labels = RNG.normal(size=(50, 2)), RNG.integers(0, 2, size=50)
    result = metrics_for("single_label_classification")(EvalPrediction(logits, labels))
    predicted = logits.argmax(axis=1)
    assert result["accuracy"] == (predicted == labels).mean()
    assert result["matthews_correlation"] == pytest.approx(np.corrcoef(predicted, labels)[0, 1], abs=1e-12)
    assert result["f1"] == pytest.approx(metrics.f1_score(labels, predicted), abs=1e-12)


def test_two_classes_with_a_threshold():
    logits, labels = RNG.normal(size=(50, 2)), RNG.integers(0, 2, size=50)
    result = metrics_for("single_label_classification", 0.3)(EvalPrediction(logits, labels))
    assert result["accuracy"] == ((softmax(logits, axis=1)[:, 1] > 0.3) == labels).mean()
    assert metrics_for("single_label_classification", 0.5)(EvalPrediction(logits, labels)) == metrics_for(
        "single_label_classification"
    )(EvalPrediction(logits, labels))


def test_many_classes_have_no_f1_of_class_one():
    logits, labels = RNG.normal(size=(50, 4)), RNG.integers(0, 4, size=50)
    result = metrics_for("single_label_classification")(EvalPrediction(logits, labels))
    assert set(result) == {"accuracy", "f1_macro", "matthews_correlation", "distinct_predictions"}
    assert result["f1_macro"] == metrics.f1_score(labels, logits.argmax(axis=1), average="macro")


@pytest.mark.parametrize(
    ("problem_type", "classes", "names"),
    [
        ("single_label_classification", "ab", "accuracy f1_macro matthews_correlation f1"),
        ("single_label_classification", "abc", "accuracy f1_macro matthews_correlation"),
        ("multi_label_classification", "abc", "accuracy f1_micro f1_macro"),
        ("regression", "", "mse pearson spearman"),
    ],
)
def test_names_are_known_before_there_is_a_prediction(problem_type, classes, names):
    assert metric_names(Labels(problem_type, tuple(classes))) == [*names.split(), "distinct_predictions"]


def test_every_metric_has_a_direction():
    types = [("single_label_classification", "ab"), ("multi_label_classification", "abc"), ("regression", "")]
    names = {name for problem_type, classes in types for name in metric_names(Labels(problem_type, tuple(classes)))}
    names |= {*embedding_metric_names(has_scores=True), *embedding_metric_names(has_scores=False)}
    assert names | {"loss"} == set(GREATER_IS_BETTER)


def test_less_is_better_of_errors_alone():
    for name in ("loss", "mse", "eval_mse", "eval_loss", "my_loss"):
        assert not greater_is_better(name)
    for name in ("accuracy", "eval_spearman", "spearman_64", "recall_at_10", "recall_at_10_64", "my_metric"):
        assert greater_is_better(name)
    assert "spearman_4" in embedding_metric_names(has_scores=True, sizes=(4,))


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_names_of_many_labels_take_little_memory(problem_type):
    labels = Labels(problem_type, tuple(map(str, range(10_000))))
    tracemalloc.start()
    assert "f1_macro" in metric_names(labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_a_correlation_that_does_not_exist_is_left_out():
    """Rather than NaN, which JSON does not have."""
    metrics_of = metrics_for("regression")
    assert set(metrics_of(EvalPrediction(np.ones(5), np.arange(5.0)))) == {"mse", "distinct_predictions"}
    equal = np.float32(1) + np.finfo(np.float32).eps * RNG.integers(0, 2, size=5).astype(
        np.float32
    )  # but for last bits
    assert set(metrics_of(EvalPrediction(equal, np.arange(5.0)))) == {"mse", "distinct_predictions"}
    assert set(metrics_of(EvalPrediction(np.ones(1), np.ones(1)))) == {"mse"}


@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_regression(shape):
    predicted, labels = RNG.normal(size=shape), RNG.normal(size=50)
    result = metrics_for("regression")(EvalPrediction(predicted, labels))
    assert result["pearson"] == pytest.approx(pearsonr(predicted.ravel(), labels).statistic, abs=1e-12)
    assert result["spearman"] == pytest.approx(spearmanr(predicted.ravel(), labels).statistic, abs=1e-12)
    assert result["mse"] == pytest.approx(((predicted.ravel() - labels) ** 2).mean(), abs=1e-12)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("case", ["random", "ties", "constant predictions", "constant labels", "perfect"])
def test_single_label_is_scikit_learn_s(num_classes, case):
    labels = RNG.integers(0, num_classes, size=200)
    logits = RNG.normal(size=(200, num_classes))
    if case == "ties":
        logits = logits.round()  # the first class wins
    elif case == "constant predictions":
        logits[:, 1] = 10
    elif case == "constant labels":
        labels[:] = 1
    elif case == "perfect":
        logits = np.eye(num_classes)[labels]
    result = metrics_for("single_label_classification")(EvalPrediction(logits, labels))
    predicted = np.array([max(range(num_classes), key=row.__getitem__) for row in logits.tolist()])
    expected = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "f1_macro": metrics.f1_score(labels, predicted, average="macro"),
        "matthews_correlation": metrics.matthews_corrcoef(labels, predicted),
    }
    if num_classes == 2:
        expected["f1"] = metrics.f1_score(labels, predicted)
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("case", ["random", "ties", "constant predictions", "perfect"])
def test_several_labels_are_scikit_learn_s(case):
    labels = RNG.integers(0, 2, size=(200, 3)).astype(float)
    logits = RNG.normal(size=(200, 3))
    if case == "ties":
        logits = logits.round()  # a logit of 0 predicts nothing
    elif case == "constant predictions":
        logits[:] = -1
    elif case == "perfect":
        logits = labels - 0.5
    result = metrics_for("multi_label_classification")(EvalPrediction(logits, labels))
    predicted = (logits > 0).astype(int)
    assert result["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted), abs=1e-12)
    for average in ("micro", "macro"):
        expected = metrics.f1_score(labels, predicted, average=average, zero_division=0)
        assert result[f"f1_{average}"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("case", ["random", "ties", "perfect"])
def test_correlations_are_scipy_s(case):
    labels, predicted = RNG.normal(size=200), RNG.normal(size=200)
    if case == "ties":
        labels, predicted = labels.round(), predicted.round()
    elif case == "perfect":
        predicted = 3 * labels + 1
    result = metrics_for("regression")(EvalPrediction(predicted[:, None], labels))
    assert result["mse"] == pytest.approx(metrics.mean_squared_error(labels, predicted), abs=1e-12)
    assert result["pearson"] == pytest.approx(pearsonr(labels, predicted).statistic, abs=1e-12)
    assert result["spearman"] == pytest.approx(spearmanr(labels, predicted).statistic, abs=1e-12)


def test_a_share_of_the_score_has_the_same_correlations():
    """STS-B's labels are score / 5."""
    predicted, scores = RNG.normal(size=200), RNG.integers(0, 26, size=200) / 5
    whole, share = (metrics_for("regression")(EvalPrediction(predicted, labels)) for labels in (scores, scores / 5))
    for name in ("pearson", "spearman"):
        assert whole[name] == pytest.approx(share[name], abs=1e-12)


@pytest.mark.parametrize(("sizes", "size", "suffix"), [((), 6, ""), ((2, 4), 2, "_2"), ((2, 4), 4, "_4")])
def test_cosines_of_pairs(sizes, size, suffix):
    vectors, scores = RNG.normal(size=(50, 2, 6)), RNG.normal(size=50)
    result = embedding_metrics(EvalPrediction(vectors, scores), sizes)
    cosines = 1 - paired_cosine_distances(vectors[:, 0, :size], vectors[:, 1, :size])
    assert result[f"spearman{suffix}"] == pytest.approx(spearmanr(cosines, scores).statistic)
    assert result[f"pearson{suffix}"] == pytest.approx(pearsonr(cosines, scores).statistic)


def test_a_dead_head():
    dead = embedding_metrics(EvalPrediction(np.ones((50, 2, 3)), RNG.normal(size=50)))
    assert dead == {"pearson": 0.0, "spearman": 0.0, "distinct_predictions": 1}


def test_ranks_among_all_candidates():
    """Against scikit-learn's label ranking, which is the mean reciprocal rank where each query has one positive."""
    vectors = RNG.normal(size=(40, 3, 4))
    ids = np.arange(120).reshape(40, 3)
    result = embedding_metrics(EvalPrediction(vectors, ids))
    cosines = cosine_similarity(vectors[:, 0], vectors[:, 1:].reshape(80, 4))
    relevant = np.arange(80) == 2 * np.arange(40)[:, None]
    assert result["mrr"] == pytest.approx(metrics.label_ranking_average_precision_score(relevant, cosines))
    labels = 2 * np.arange(40)
    for k in (1, 10):
        expected = metrics.top_k_accuracy_score(labels, cosines, k=k, labels=range(80))
        assert result[f"recall_at_{k}"] == pytest.approx(expected)


def test_other_positives_are_not_in_the_way_and_equals_are():
    one, other = [1.0, 0.0], [0.0, 1.0]
    vectors, ids = np.array([[one, other], [one, one]]), np.array([[0, 1], [0, 2]])
    assert embedding_metrics(EvalPrediction(vectors, ids))["mrr"] == 1  # one query, two positives
    ids = np.array([[0, 1], [3, 2]])
    assert embedding_metrics(EvalPrediction(vectors, ids))["mrr"] == pytest.approx((1 / 2 + 1) / 2)
    same = np.ones((10, 2, 1))
    dead = embedding_metrics(EvalPrediction(same, np.arange(20).reshape(10, 2)))
    assert dead == {"mrr": pytest.approx(0.1), "recall_at_1": 0, "recall_at_10": 1, "distinct_predictions": 1}
    same = np.tile(RNG.normal(size=33).astype(np.float32), (257, 2, 1))  # where the rounding of a product differs
    dead = embedding_metrics(EvalPrediction(same, np.arange(514).reshape(257, 2)))
    assert dead["mrr"] == pytest.approx(1 / 257)


def test_ranks_do_not_depend_on_how_many_queries_are_compared_at_once(monkeypatch):
    """Rows of repeated texts, as queries with several positives are, and of vectors that are not finite."""
    ids = RNG.integers(0, 60, size=(40, 3))
    table = RNG.normal(size=(60, 4))
    table[ids[0]] = np.nan
    prediction = EvalPrediction(table[ids], ids)
    ranks = []
    for query, positive, _ in ids.tolist():
        known = {query, *ids[ids[:, 0] == query, 1].tolist()}
        others = list(set(ids[:, 1:].ravel().tolist()) - known)
        cosines = cosine_of(table[query], table[[positive, *others]])
        ranks.append(1 + sum(not other < cosines[0] for other in cosines[1:]))
    for at_once in (2**24, 200, 1):
        monkeypatch.setattr("glot_hf.training.metrics._COSINES_AT_ONCE", at_once)
        assert embedding_metrics(prediction)["mrr"] == pytest.approx((1 / np.array(ranks)).mean())


def cosine_of(vector, others):
    return (others @ vector) / (np.linalg.norm(others, axis=1) * np.linalg.norm(vector))

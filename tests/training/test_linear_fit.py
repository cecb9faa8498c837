"""A pooling without parameters: the head that scikit-learn fits, inside the head."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from glot_hf import GlotConfig, GlotForSequenceClassification
from glot_hf.states.running import HiddenStateCollator
from glot_hf.system.errors import InputError
from glot_hf.training.linear_fit import PENALTIES, fit_linear_layer, is_linear


D = 6
COLLATOR = HiddenStateCollator()


def rows_of(labels, is_pair=False, seed=0, separation=1.0):
    """States whose mean tells a little of the label, some dimensions much larger than others."""
    generator = torch.Generator().manual_seed(seed)
    scales, rows = torch.tensor([1.0, 50.0, 1.0, 0.01, 1.0, 1.0]), []
    for label in labels:
        shift = separation * float(np.sum(label)) * torch.eye(D)[0]
        row = {"labels": label}
        for name in ("hidden_states", "hidden_states_b")[: 1 + is_pair]:
            length = int(torch.randint(1, 5, (), generator=generator))
            row[name] = (torch.randn(length, D, generator=generator) + shift) * scales
        rows.append(row)
    return rows


def vectors_of(rows, is_pair=False, mode=None):
    a = np.stack([row["hidden_states"].mean(0).double().numpy() for row in rows])
    if not is_pair:
        return a
    b = np.stack([row["hidden_states_b"].mean(0).double().numpy() for row in rows])
    parts = [a, b] if mode == "concat" else [a, b, abs(a - b), a * b]
    return np.concatenate(parts, axis=1)


def head_of(**options):
    return GlotForSequenceClassification(GlotConfig(input_size=D, pooling="mean", **options)).eval()


def logits_of(model, rows):
    batch = COLLATOR(rows)
    with torch.no_grad():
        return model(**{name: value for name, value in batch.items() if name != "labels"}).logits.numpy()


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("mode", [None, "concat", "interaction"])
def test_classes_are_those_of_logistic_regression(num_classes, mode):
    labels = [i % num_classes for i in range(60)]
    train, test = rows_of(labels, mode is not None), rows_of(labels, mode is not None, seed=1)
    model = head_of(num_labels=num_classes, pair_mode=mode, problem_type="single_label_classification")
    found = fit_linear_layer(model, train, COLLATOR, "accuracy")
    oracle = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)),
        {"logisticregression__C": PENALTIES["C"]},
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    ).fit(vectors_of(train, mode is not None, mode), labels)
    assert found.value == oracle.best_params_["logisticregression__C"] and found.num_folds == 5
    probabilities = torch.from_numpy(logits_of(model, test)).softmax(-1).numpy()
    expected = oracle.predict_proba(vectors_of(test, mode is not None, mode))
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)


def test_scores_are_those_of_ridge_regression():
    labels = np.random.default_rng(0).normal(size=40).tolist()
    train = rows_of(labels)
    model = head_of(num_labels=1, problem_type="regression")
    found = fit_linear_layer(model, train, COLLATOR, "mse")
    oracle = GridSearchCV(
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge__alpha": PENALTIES["alpha"]},
        scoring="neg_mean_squared_error",
        cv=KFold(5, shuffle=True, random_state=0),
    ).fit(vectors_of(train), labels)
    assert str(found) == f"alpha {oracle.best_params_['ridge__alpha']:g}"
    np.testing.assert_allclose(logits_of(model, train)[:, 0], oracle.predict(vectors_of(train)), atol=1e-4)


def test_several_labels_are_one_against_the_rest():
    """The last label is on every row, and the first on none."""
    labels = [[0.0, float(i % 2), float(i % 3 == 0), 1.0] for i in range(60)]
    train = rows_of(labels)
    model = head_of(num_labels=4, problem_type="multi_label_classification")
    found = fit_linear_layer(model, train, COLLATOR, "f1_micro")
    oracle = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression(C=found.value, max_iter=10_000)))
    with pytest.warns(UserWarning, match="is present in all training examples"):
        oracle.fit(vectors_of(train), np.array(labels))
    expected = oracle.predict_proba(vectors_of(train))
    found = torch.from_numpy(logits_of(model, train)).sigmoid().numpy()
    np.testing.assert_allclose(found[:, 1:3], expected[:, 1:3], atol=1e-4)
    np.testing.assert_allclose(found[:, [0, 3]], expected[:, [0, 3]], atol=1e-2)  # not quite never, and always


def test_statistics_of_the_states_are_gathered_first():
    labels = [i % 2 for i in range(60)]
    train = rows_of(labels)
    model = head_of(num_labels=2, input_norm="standard", problem_type="single_label_classification")
    fit_linear_layer(model, train, COLLATOR, "accuracy", batch_size=7)
    tokens = torch.cat([row["hidden_states"] for row in train])
    torch.testing.assert_close(model.glot.head.input_norm.mean, tokens.mean(0), rtol=1e-4, atol=1e-4)
    assert (logits_of(model, train).argmax(-1) == labels).mean() > 0.6


def test_a_class_without_rows_is_never_the_answer():
    labels = [(0, 2)[i % 2] for i in range(40)]
    model = head_of(num_labels=3, problem_type="single_label_classification")
    fit_linear_layer(model, rows_of(labels), COLLATOR, "accuracy")
    logits = logits_of(model, rows_of(labels, seed=1))
    assert set(logits.argmax(-1)) == {0, 2}
    assert torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.ones(40, dtype=torch.long)) < 20


def test_the_penalty_of_the_smallest_loss():
    labels = [i % 3 for i in range(60)]
    train = rows_of(labels)
    model = head_of(num_labels=3, problem_type="single_label_classification")
    oracle = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)),
        {"logisticregression__C": PENALTIES["C"]},
        scoring="neg_log_loss",
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    ).fit(vectors_of(train), labels)
    found = fit_linear_layer(model, train, COLLATOR, "loss")
    assert found.value == oracle.best_params_["logisticregression__C"]


def test_few_rows():
    model = head_of(num_labels=2, problem_type="single_label_classification")
    found = fit_linear_layer(model, rows_of([0, 1]), COLLATOR, "accuracy")
    assert found.num_folds == 0 and found.value == 1.0
    assert fit_linear_layer(model, rows_of([0, 1, 0, 0]), COLLATOR, "accuracy").num_folds == 3
    with pytest.raises(InputError, match="all rows to train on are of the class 'LABEL_1'"):
        fit_linear_layer(model, rows_of([1, 1, 1]), COLLATOR, "accuracy")


def test_states_that_are_not_finite_are_refused_by_row():
    rows = rows_of([0, 1, 0, 1])
    rows[2]["hidden_states"][0, 0] = float("inf")
    model = head_of(num_labels=2, problem_type="single_label_classification")
    with pytest.raises(InputError, match="the vector of training row 3 is not finite"):
        fit_linear_layer(model, rows, COLLATOR, "accuracy")


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"pooling": "mean"}, True),
        ({"pooling": "last", "pair_mode": "interaction", "input_norm": "standard"}, True),
        ({"pooling": "mean", "pair_mode": "cosine"}, False),
        ({"pooling": "mean", "projection_size": 4}, False),
        ({"pooling": "mean", "backbone_layers": [0, 1]}, False),
        ({"pooling": "adapool"}, False),
        ({"pooling": "glot", "num_gnn_layers": 0}, False),
    ],
)
def test_what_is_linear(options, expected):
    assert is_linear(GlotConfig(input_size=D, **options)) is expected

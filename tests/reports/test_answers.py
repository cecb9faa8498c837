"""What a report says of answers, against scikit-learn and by hand."""

import json

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import classification_report, confusion_matrix, f1_score

from glot_hf.data.labels import Labels
from glot_hf.reports.answers import count_classes, report_answers


RNG = np.random.default_rng(0)


def texts(count):
    return {"text": [f"text {i}" for i in range(count)]}


@pytest.mark.parametrize("count", [2, 6, 40])
def test_classes(count):
    labels = Labels("single_label_classification", tuple(f"class {i}" for i in range(count)))
    logits, truth = RNG.normal(size=(200, count)), RNG.integers(0, count, 200)
    logits[np.arange(200), truth] += 1.5
    report = report_answers(logits, truth, labels, "accuracy", texts(200))
    answers = logits.argmax(axis=1)
    places = list(range(count))
    expected = classification_report(
        truth, answers, labels=places, target_names=labels.names, output_dict=True, zero_division=0
    )
    for each in report["classes"]:
        for name, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert each[name] == pytest.approx(expected[each["name"]][theirs])
        assert each["support"] == expected[each["name"]]["support"]
    assert report["confusion"] == confusion_matrix(truth, answers, labels=places).tolist()
    assert report["metrics"]["f1_macro"] == f1_score(truth, answers, average="macro")
    main = report["main"]
    assert main["name"] == "accuracy" and main["low"] < main["value"] == (answers == truth).mean() < main["high"]
    half = 1.96 * np.sqrt(main["value"] * (1 - main["value"]) / 200)  # the normal approximation
    assert main["high"] - main["low"] == pytest.approx(2 * half, rel=0.15)
    assert json.loads(json.dumps(report)) == report


def test_the_most_confident_mistakes_come_first():
    labels = Labels("single_label_classification", ("no", "yes"))
    logits, truth = RNG.normal(size=(100, 2)), RNG.integers(0, 2, 100)
    report = report_answers(logits, truth, labels, "f1", texts(100), positions=range(100, 200))
    confidence, answers = softmax(logits, axis=1).max(axis=1), logits.argmax(axis=1)
    wrong = sorted(np.flatnonzero(answers != truth), key=lambda row: -confidence[row])[:10]
    assert [each["row"] for each in report["mistakes"]] == [row + 101 for row in wrong]
    assert [each["text"] for each in report["mistakes"]] == [f"text {row}" for row in wrong]
    assert report["mistakes"][0]["label"] != report["mistakes"][0]["answer"]


def test_a_threshold_decides_the_answers():
    labels = Labels("single_label_classification", ("no", "yes"))
    logits, truth = RNG.normal(size=(100, 2)), RNG.integers(0, 2, 100)
    report = report_answers(logits, truth, labels, "accuracy", texts(100), threshold=0.2)
    answers = softmax(logits, axis=1)[:, 1] > 0.2
    assert report["confusion"] == confusion_matrix(truth, answers).tolist()
    assert report["main"]["value"] == (answers == truth).mean()


def test_calibration():
    """Of a head that is always 0.9 sure and right in 6 of 10, the expected error is 0.3."""
    labels = Labels("single_label_classification", ("no", "yes"))
    logits = np.tile([0.0, np.log(9)], (10, 1))
    report = report_answers(logits, np.array([1] * 6 + [0] * 4), labels, "accuracy", texts(10))
    assert report["calibration"]["expected_calibration_error"] == pytest.approx(0.3)
    assert report["calibration"]["bins"] == [
        {"confidence": pytest.approx(0.9), "accuracy": pytest.approx(0.6), "rows": 10}
    ]


def test_several_labels():
    labels = Labels("multi_label_classification", ("a", "b", "c"))
    logits, truth = RNG.normal(size=(60, 3)), RNG.integers(0, 2, (60, 3)).astype(float)
    report = report_answers(logits, truth, labels, "f1_micro", texts(60))
    for place, each in enumerate(report["classes"]):
        assert each["f1"] == pytest.approx(f1_score(truth[:, place], logits[:, place] > 0))
    first = report["mistakes"][0]
    assert {first["label"], first["answer"]} in [{name, f"not {name}"} for name in labels.names]
    assert "confusion" not in report
    assert count_classes(truth, labels) == {"a": truth[:, 0].sum(), "b": truth[:, 1].sum(), "c": truth[:, 2].sum()}


def test_scores_of_pairs():
    truth = RNG.normal(size=50)
    logits = (truth + RNG.normal(size=50) / 9)[:, None]
    logits[7] += 5
    pairs = texts(50) | {"text_pair": [f"other {i}" for i in range(50)]}
    report = report_answers(logits, truth, Labels("regression"), "spearman", pairs)
    assert report["mistakes"][0]["row"] == 8 and report["mistakes"][0]["text_pair"] == "other 7"
    assert len(report["points"]) == 50 and report["main"]["low"] <= report["main"]["value"] <= report["main"]["high"]
    assert count_classes(truth, Labels("regression")) is None


def test_a_correlation_that_is_undefined():
    report = report_answers(np.zeros((9, 1)), np.arange(9.0), Labels("regression"), "spearman", texts(9))
    assert report["main"] == {"name": "spearman", "value": None, "low": None, "high": None}

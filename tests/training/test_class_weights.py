"""Class weights: those of scikit-learn, in the loss of Trainer and in the linear fit."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from glot_hf import GlotConfig, GlotForSequenceClassification
from glot_hf.data.labels import Labels
from glot_hf.states.running import HiddenStateCollator
from glot_hf.system.errors import InputError
from glot_hf.training.class_weights import class_weights, weighted_loss
from glot_hf.training.linear_fit import fit_linear_layer


LABELS = Labels("single_label_classification", ("ham", "spam", "other"))
CLASSES = [0] * 12 + [1] * 3 + [2] * 5


def test_balanced_is_what_scikit_learn_calls_so():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=CLASSES)
    np.testing.assert_allclose(class_weights("balanced", LABELS, CLASSES), expected)
    assert class_weights("balanced", LABELS, [0, 0, 0, 1]) == pytest.approx([4 / 6, 2.0, 1.0])  # no row of the third


def test_weights_are_named():
    assert class_weights('{"spam": 5}', LABELS, CLASSES) == [1.0, 5.0, 1.0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("even", "neither balanced nor JSON"),
        ("[1, 2, 3]", "no weights by the names of classes"),
        ('{"Spam": 5}', "no class 'Spam': the classes are ham, spam, other"),
        ('{"spam": 0}', "the weight 0 of 'spam' is not a positive number"),
        ('{"spam": "5"}', "the weight '5' of 'spam' is not a positive number"),
        ('{"spam": NaN}', "is not a positive number"),
    ],
)
def test_other_weights_are_refused(asked, message):
    with pytest.raises(InputError, match=message):
        class_weights(asked, LABELS, CLASSES)


def test_labels_that_are_no_classes_have_no_weights():
    with pytest.raises(InputError, match="is for one class a row, but these labels are regression"):
        class_weights("balanced", Labels("regression"), [0.5, 1.0])


def test_the_loss_is_the_mean_of_weighted_rows():
    weights, labels = [1.0, 5.0, 2.0], torch.tensor([0, 1, 2, 1])
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    rows = F.cross_entropy(logits, labels, reduction="none") * torch.tensor(weights)[labels]
    loss = weighted_loss(weights)
    torch.testing.assert_close(loss({"logits": logits}, labels), rows.mean())
    torch.testing.assert_close(loss((logits,), labels, num_items_in_batch=8), rows.sum() / 8)  # of two batches


def test_a_linear_fit_weighs_classes_as_scikit_learn_does():
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(60, 8)).astype(np.float32)
    labels = (vectors[:, 0] + draw.normal(size=60) > 1).astype(int)
    rows = [{"hidden_states": torch.from_numpy(v)[None], "labels": int(label)} for v, label in zip(vectors, labels)]
    options = {"problem_type": "single_label_classification", "num_labels": 2}
    model = GlotForSequenceClassification(GlotConfig(input_size=8, pooling="mean", **options))
    fit = fit_linear_layer(model, rows, HiddenStateCollator(), "loss", weights=[1.0, 7.0])
    oracle = LogisticRegression(C=fit.value, class_weight={0: 1.0, 1: 7.0}, max_iter=10_000)
    oracle.fit(StandardScaler().fit_transform(vectors.astype(float)), labels)
    states = torch.from_numpy(vectors)[:, None]
    logits = model(hidden_states=states, attention_mask=torch.ones(60, 1)).logits.softmax(-1)[:, 1].detach()
    expected = oracle.predict_proba(StandardScaler().fit_transform(vectors.astype(float)))[:, 1]
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-3)

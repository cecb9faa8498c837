"""Explanations to look at: whole at any length, escaped, in any script, without a request."""

import json
import re
import warnings

import pytest
import torch

from glot_hf import GlotForSequenceClassification
from glot_hf.explain import explain
from glot_hf.explanations.colours import edges_of, node_sizes, shades
from glot_hf.explanations.page import render_explanations
from glot_hf.explanations.pictures import draw_explanation


TEXTS = {
    "short": "a fine film",
    "long": "a very fine film of nobody " * 20,
    "hard": '<script>alert("x")</script> {{ 7 * 7 }} $x_1$ & co',
    "scripts": "שלום עולם مرحبا Привет",
    "empty": "",
}


@pytest.fixture(scope="module")
def model(minilm_path):
    torch.manual_seed(0)
    return GlotForSequenceClassification.from_backbone(minilm_path, num_labels=3, tau=0.3)


@pytest.fixture(scope="module")
def late(minilm_path):
    return GlotForSequenceClassification.from_backbone(minilm_path, num_labels=2, pair_mode="late")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_page(model, minilm_tokenizer, text):
    page = render_explanations([explain(model, text, minilm_tokenizer)], "why <b>")
    assert "<script" not in page and not re.search(r"https?://|@import|url\(", page) and "why &lt;b&gt;" in page
    shown = re.search(r'<p class="text" dir="auto">(.*?)</p>', page, flags=re.DOTALL)[1]
    words = re.sub(r"<[^>]+>", "", shown).replace("[CLS]", "").replace("[SEP]", "")
    for sign, escaped in (("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("&", "&amp;")):
        words = words.replace(escaped, sign)
    assert words.split() == text.split()  # in its own order


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_picture(model, minilm_tokenizer, tmp_path, text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_explanation(explain(model, text, minilm_tokenizer), str(tmp_path / "why.png"))
    assert (tmp_path / "why.png").stat().st_size > 3_000


def test_a_pair(late, minilm_tokenizer, tmp_path):
    explanation = explain(late, "a fine film", minilm_tokenizer, "a very fine film")
    draw_explanation(explanation, str(tmp_path / "why.svg"))
    page = render_explanations([explanation], "why")
    assert page.count("<line ") >= 4 and page.count('class="text"') == 2


def test_marks(model, minilm_tokenizer):
    explanation = explain(model, "a very fine film", minilm_tokenizer)
    strengths, towards = shades(explanation, explanation.first), explanation.towards_answer(explanation.first)
    assert max(map(abs, strengths)) == pytest.approx(1)
    assert all(strength == 0 or (strength > 0) == (value > 0) for strength, value in zip(strengths, towards))
    assert all(cosine > 0.3 and i < j for i, j, cosine in edges_of(explanation.first))
    assert max(node_sizes(explanation.first)) == pytest.approx(1)


def test_all_of_it_is_json(late, model, minilm_tokenizer):
    for explanation in (
        explain(late, "a fine film", minilm_tokenizer, "a film"),
        explain(model, "a film", minilm_tokenizer),
        explain(model.glot, "a film", minilm_tokenizer),
    ):
        found = json.loads(json.dumps(explanation.to_dict(), allow_nan=False))
        assert found["first"]["tokens"] == explanation.tokens and len(found["first"]["cosines"]) >= 4

"""Answers taken apart: sums over words against the logits, for every head; weights, graphs and alignments beside."""

import sys

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.explain import explain


A, B = "a b c d e f", "c d h"
LINEAR = {
    "default": {},
    "gat-2-heads": {"num_attention_heads": 2, "gnn_hidden_size": 8},
    "gcn-last": {"gnn_type": "gcn", "jumping_knowledge": "last"},
    "gin": {"gnn_type": "gin"},
    "sage-mean": {"gnn_type": "sage", "jumping_knowledge": "mean"},
    "no-layers": {"num_gnn_layers": 0},
    "projected": {"projection_size": 3},
    "without-edges": {"graph_type": "self"},
    "residual": {"block": "residual", "readout": ["mean", "attention"]},
    "standard": {"input_norm": "standard"},
    "layers": {"backbone_layers": [0, 2], "layer_mix": "concat"},
    **{name: {"pooling": name} for name in ("mean", "cls", "last", "weighted_mean", "adapool", "deepsets")},
    "latent_attention": {"pooling": "latent_attention", "num_latents": 3},
}
OTHERS = {
    "max": ({"pooling": "max"}, "takes each dimension from one token"),
    "max-among-readouts": ({"readout": ["mean", "max"]}, "takes each dimension from one token"),
    "cross_attention": ({"pooling": "cross_attention"}, "attention heads"),
    "multi_query": ({"pooling": "multi_query"}, "attention heads"),
    "interaction": ({"pair_mode": "interaction"}, "multiplies"),
    "cosine": ({"pair_mode": "cosine", "num_labels": 1}, "divides"),
    "late": ({"pair_mode": "late"}, "compares tokens with tokens"),
    "late_mean": ({"pair_mode": "late_mean"}, "compares tokens with a mean"),
}


def classifier(backbone, **options):
    torch.manual_seed(0)
    options = {"gnn_hidden_size": 8, "num_labels": 3, "tau": 0.1} | options
    model = GlotForSequenceClassification.from_backbone(backbone, **options)
    for parameter in [*model.glot.head.parameters(), *[p for n, p in model.named_parameters() if "glot." not in n]]:
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


@pytest.fixture(params=["tiny_bert", "tiny_llama"])
def backbone(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("pair_mode", [None, "concat"])
@pytest.mark.parametrize("options", LINEAR.values(), ids=LINEAR)
def test_contributions_sum_to_the_logits(backbone, tokenizer, options, pair_mode):
    model = classifier(backbone, **options, pair_mode=pair_mode)
    explanation = explain(model, A, tokenizer, B if pair_mode else None)
    inputs = tokenizer(A, return_tensors="pt")
    pair = {f"{name}_b": ids for name, ids in tokenizer(B, return_tensors="pt").items() if name != "token_type_ids"}
    with torch.no_grad():
        logits = model(**inputs, **(pair if pair_mode else {})).logits[0]
    assert explanation.exact and explanation.answer == int(logits.argmax())
    torch.testing.assert_close(explanation.logits, logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(explanation.total, logits, rtol=0, atol=1e-5)
    assert explanation.contributions.shape == (6, 3) and len(explanation.texts) == 1 + bool(pair_mode)


@pytest.mark.parametrize("side", ["left", "right"])
def test_weights_and_graph_are_those_of_a_padded_batch(backbone, tokenizer, side):
    model = classifier(backbone)
    tokenizer.padding_side = side
    batch = tokenizer([B, A], return_tensors="pt", padding=True)
    with torch.no_grad():
        output = model(**batch, output_readout_weights=True, output_adjacency=True)
    valid = batch["attention_mask"][0].bool()
    explanation = explain(model, B, tokenizer)
    torch.testing.assert_close(explanation.readout_weights, output.readout_weights[0][valid], rtol=1e-4, atol=1e-6)
    assert (explanation.first.adjacency == output.adjacency[0][valid][:, valid]).all()
    cosines = explanation.first.cosines
    off = ~torch.eye(3, dtype=torch.bool)
    assert ((cosines > model.config.tau) == explanation.first.adjacency)[off].all()


@pytest.mark.parametrize(("options", "reason"), OTHERS.values(), ids=OTHERS)
def test_heads_that_are_not_linear_say_so(tiny_bert, tokenizer, options, reason):
    model = classifier(tiny_bert, **options)
    explanation = explain(model, A, tokenizer, B if "pair_mode" in options else None)
    assert not explanation.exact and reason in explanation.why
    torch.testing.assert_close(explanation.total, explanation.logits)
    assert all(each.contributions.isfinite().all() for each in explanation.texts)


def test_attention_of_graph_layers(tiny_bert, tokenizer):
    """What a layer gives is its attention, times its values."""
    model = classifier(tiny_bert, num_attention_heads=2)
    layer, seen = model.glot.head.pooling.layers[0], []
    layer.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output.clone())))
    first, second = explain(model, A, tokenizer).first.graph_attention
    assert first.shape == second.shape == (2, 6, 6)
    torch.testing.assert_close(second.sum(dim=-1), torch.ones(2, 6))
    tokens, output = seen[0]
    values = layer.lin(tokens).unflatten(-1, (2, 4)).transpose(0, 1)
    torch.testing.assert_close((first @ values).transpose(0, 1).flatten(1) + layer.bias, output)


def test_tokens_of_a_pair_meet(tiny_bert, tokenizer):
    model = classifier(tiny_bert, pair_mode="late", num_labels=2)
    explanation = explain(model, A, tokenizer, A)
    for alignment in (explanation.alignment, explanation.alignment_back):
        assert alignment.weights.shape == alignment.cosines.shape == (6, 6)
        torch.testing.assert_close(alignment.weights.sum(dim=1), torch.ones(6))
        torch.testing.assert_close(alignment.token_weights.sum(), torch.ones(()))
        assert (alignment.weights.argmax(dim=1) == torch.arange(6)).all()  # the same text twice
    assert explain(classifier(tiny_bert), A, tokenizer).alignment is None


def test_integrated_gradients_are_complete(tiny_bert, tokenizer):
    """They sum to the difference between the logits of the text and those of the baseline (Captum's own axiom)."""
    model = classifier(tiny_bert)
    explanation = explain(model, A, tokenizer, method="integrated_gradients")
    ids = tokenizer(A, return_tensors="pt")
    zeros = torch.zeros(1, 6, 32)
    with torch.no_grad():
        expected = model(inputs_embeds=zeros, attention_mask=ids["attention_mask"]).logits[0]
    torch.testing.assert_close(explanation.bias, expected, rtol=0, atol=0.02)
    assert not explanation.exact and explanation.contributions.shape == (6, 3)


def test_a_head_of_remote_code(minilm_path, minilm_tokenizer, tmp_path):
    GlotForSequenceClassification.from_backbone(minilm_path, num_labels=3).save_pretrained(tmp_path)
    registered = dict(AutoModelForSequenceClassification._model_mapping._extra_content)
    AutoModelForSequenceClassification._model_mapping._extra_content.clear()
    try:
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path, trust_remote_code=True)
    finally:
        AutoModelForSequenceClassification._model_mapping._extra_content.update(registered)
    assert type(model).__module__.startswith("transformers_modules") and type(model).__module__ in sys.modules
    explanation = explain(model, "an unbelievably fine film", minilm_tokenizer)
    assert explanation.exact and explanation.first.graph_attention
    torch.testing.assert_close(explanation.total, explanation.logits, rtol=0, atol=1e-5)
    assert explanation.tokens == ["[CLS]", "an", "unbelievably", "fine", "film", "[SEP]"]


def test_a_head_of_vectors(tiny_bert, tokenizer):
    explanation = explain(GlotModel.from_backbone(tiny_bert), A, tokenizer)
    assert explanation.contributions is None and explanation.logits is None and not explanation.labels
    torch.testing.assert_close(explanation.readout_weights.sum(), torch.ones(()))


def test_an_empty_text(tiny_bert, tokenizer):
    explanation = explain(classifier(tiny_bert), "", tokenizer)
    assert explanation.tokens == [] and explanation.contributions.shape == (0, 3)
    torch.testing.assert_close(explanation.total, explanation.logits)


def test_the_mode_of_the_model_stays(tiny_bert, tokenizer):
    model = classifier(tiny_bert).train()
    explain(model, A, tokenizer)
    assert model.training


def test_mistakes(tiny_bert, tokenizer):
    model = classifier(tiny_bert)
    for arguments, message in (
        ({"text_pair": B}, "takes one text: leave out text_pair"),
        ({"method": "lime"}, "method='lime' is not one of contributions, integrated_gradients"),
    ):
        with pytest.raises(ValueError, match=message):
            explain(model, A, tokenizer, **arguments)
    with pytest.raises(ValueError, match="compares two texts: pass text_pair"):
        explain(classifier(tiny_bert, pair_mode="late"), A, tokenizer)
    with pytest.raises(ValueError, match="this model gives vectors: use contributions"):
        explain(model.glot, A, tokenizer, method="integrated_gradients")


def test_each_of_several_labels_is_explained_for_itself(tiny_bert, tokenizer):
    model = classifier(tiny_bert, problem_type="multi_label_classification")
    explanation = explain(model, A, tokenizer)
    for_itself = explanation.contributions[:, explanation.answer]
    torch.testing.assert_close(explanation.towards_answer(explanation.first), for_itself)
    instead = explain(classifier(tiny_bert), A, tokenizer)
    assert not torch.allclose(instead.towards_answer(instead.first), for_itself)

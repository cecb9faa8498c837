"""The pipeline answers as the model does, and refuses what the stock pipeline would do something else with."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast, RobertaConfig, RobertaModel, pipeline

from glot_hf import GlotForSequenceClassification, GlotTextClassificationPipeline


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}
FIRST = ["a man sleeps", "two dogs run in the park near the river", "rain", "who was it ?"]
SECOND = ["somebody is asleep now", "cats", "it is raining and it will rain all day", "who"]
PAIRS = [{"text": a, "text_pair": b} for a, b in zip(FIRST, SECOND)]
MODES = ["concat", "interaction", "cosine", "late"]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(params=["encoder", "decoder", "roberta"])
def parts(request):
    """A backbone and its tokenizer; but for the first, padding is not token 0."""
    if request.param == "encoder":
        path = request.getfixturevalue("minilm_path")
        return path, AutoTokenizer.from_pretrained(path)
    if request.param == "decoder":  # pads on the left, no special tokens
        return request.getfixturevalue("tiny_llama"), word_tokenizer("left")
    config = RobertaConfig(  # finds positions by the padding token
        vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37, pad_token_id=1
    )
    return RobertaModel(config).eval(), word_tokenizer("right")


def word_tokenizer(padding_side):
    words = sorted({word for text in FIRST + SECOND for word in text.split()})
    vocabulary = {word: index for index, word in enumerate(["[UNK]", "[PAD]", *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", padding_side=padding_side
    )


def make(parts, **options):
    backbone, tokenizer = parts
    model = GlotForSequenceClassification.from_backbone(backbone, **SMALL, **options)
    return model, pipeline(
        "text-classification", model=model, tokenizer=tokenizer, pipeline_class=GlotTextClassificationPipeline
    )


@torch.no_grad()
def logits_by_hand(model, tokenizer, pair, **options):
    a, b = (tokenizer(pair[name], return_tensors="pt", **options) for name in ("text", "text_pair"))
    return model(**a, input_ids_b=b["input_ids"], attention_mask_b=b["attention_mask"]).logits[0]


def scores(answers):
    return torch.tensor([answer["score"] for answer in answers])


@pytest.mark.parametrize("pair_mode", MODES)
def test_answers_as_the_model_does(parts, pair_mode):
    model, classify = make(parts, pair_mode=pair_mode)
    logits = torch.stack([logits_by_hand(model, parts[1], pair) for pair in PAIRS])
    answers = classify(PAIRS)
    if pair_mode == "cosine":
        expected, labels = logits[:, 0], [0] * len(PAIRS)
    else:
        expected, labels = logits.softmax(dim=-1).max(dim=-1)
        labels = labels.tolist()
    assert [answer["label"] for answer in answers] == [f"LABEL_{index}" for index in labels]
    torch.testing.assert_close(scores(answers), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("batch_size", [2, 3, 4])
def test_batches(parts, side, batch_size):
    """Of texts of all lengths: each pair's answer is the one that it has alone."""
    parts[1].padding_side = side
    _, classify = make(parts, pair_mode="concat")
    alone = [classify(pair, top_k=None) for pair in PAIRS]
    together = classify(PAIRS, top_k=None, batch_size=batch_size)
    for actual, expected in zip(together, alone, strict=True):
        assert [answer["label"] for answer in actual] == [answer["label"] for answer in expected]
        torch.testing.assert_close(scores(actual), scores(expected), atol=1e-6, rtol=0)


def test_ways_to_write_a_pair(parts):
    _, classify = make(parts, pair_mode="concat")
    expected = classify(PAIRS)
    a, b = FIRST[0], SECOND[0]
    assert classify(PAIRS[0]) == classify((a, b)) == expected[0]
    assert classify([(a, b)]) == classify([[a, b]]) == classify([[[a, b]]]) == classify([PAIRS[0]]) == expected[:1]
    assert classify([list(pair.values()) for pair in PAIRS]) == expected
    assert list(classify(pair for pair in PAIRS)) == expected


def test_long_texts_are_cut(parts):
    """At what the tokenizer takes; the stock pipeline runs into the backbone's end."""
    _, classify = make(parts, pair_mode="concat")
    parts[1].model_max_length = 16
    long = {"text": "it rain " * 40, "text_pair": "cats run " * 40}
    assert classify(long) == classify(long, truncation=True, max_length=16)


def test_truncation_is_of_both_texts(parts):
    model, classify = make(parts, pair_mode="cosine")
    long = {"text": "it rain " * 40, "text_pair": "cats run " * 40}
    options = {"truncation": True, "max_length": 6}
    expected = logits_by_hand(model, parts[1], long, **options)
    assert not torch.allclose(expected, logits_by_hand(model, parts[1], long), atol=1e-4)
    torch.testing.assert_close(scores([classify(long, **options)]), expected, atol=1e-6, rtol=0)
    backbone, tokenizer = parts
    by_default = GlotTextClassificationPipeline(model=model, tokenizer=tokenizer, **options)
    torch.testing.assert_close(scores([by_default(long)]), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("options", [{"pair_mode": "cosine"}, {"problem_type": "regression", "num_labels": 1}])
def test_scores_are_not_squeezed(parts, options):
    """Neither a sigmoid nor a softmax, for one text or two."""
    model, classify = make(parts, **options)
    if model.config.pair_mode is None:
        with torch.no_grad():
            model.classifier.bias.fill_(7.0)
        assert classify("rain")[0]["score"] > 2
    else:
        identical = {"text": "rain", "text_pair": "rain"}
        assert classify(identical) == {"label": "LABEL_0", "score": pytest.approx(1, abs=1e-6)}


@pytest.mark.parametrize("inputs", ["rain", FIRST, {"text": "rain"}, [FIRST[0]]])
def test_single_texts_are_as_in_the_stock_pipeline(parts, inputs):
    model, classify = make(parts, num_labels=3)
    stock = pipeline("text-classification", model=model, tokenizer=parts[1])
    assert classify(inputs) == stock(inputs)
    assert classify(inputs, top_k=2, truncation=True, max_length=8) == stock(
        inputs, top_k=2, truncation=True, max_length=8
    )


def test_a_threshold_decides_between_two_classes(parts):
    model, classify = make(parts, num_labels=2)
    (stock,) = classify("rain", top_k=None)[1:]  # the less probable class
    probability = {each["label"]: each["score"] for each in classify("rain", top_k=None)}["LABEL_1"]
    model.config.decision_threshold = probability + 0.01 if probability > 0.5 else probability - 0.01
    assert classify("rain") == [stock]
    assert classify("rain", top_k=1) == [stock]
    assert classify(["rain"], top_k=None)[0][0] == stock
    model.config.decision_threshold = 0.5
    assert classify("rain") != [stock]


def test_a_threshold_needs_two_classes(parts):
    for options in ({"num_labels": 3}, {"num_labels": 2, "pair_mode": "cosine"}):
        with pytest.raises(ValueError, match="decision_threshold=0.3 decides between two classes"):
            make(parts, decision_threshold=0.3, **options)


@pytest.mark.parametrize(
    "inputs",
    [
        PAIRS[0],
        PAIRS,
        [["rain", "cats"]],
        [[["rain", "cats"]]],
        ("rain", "cats"),
        {"text": FIRST, "text_pair": SECOND},
    ],
)
def test_a_pair_for_a_head_of_one_text(parts, inputs):
    _, classify = make(parts)
    with pytest.raises(ValueError, match="this head takes one text.*train one with a pair_mode"):
        classify(inputs)


def test_a_second_text_as_an_option(parts):
    for options in ({}, {"pair_mode": "concat"}):
        _, classify = make(parts, **options)
        with pytest.raises(ValueError, match="this head"):
            classify("rain", text_pair="cats")


@pytest.mark.parametrize(
    "inputs", ["rain", ["rain", "cats"], {"text": "rain"}, [("rain", None)], {"text": FIRST, "text_pair": SECOND}]
)
def test_one_text_for_a_pair_head(parts, inputs):
    _, classify = make(parts, pair_mode="concat")
    with pytest.raises(ValueError, match="compares two texts.*'concat'.*\"text_pair\""):
        classify(inputs)


def test_the_stock_pipeline_names_this_one(parts):
    model, _ = make(parts, pair_mode="concat")
    stock = pipeline("text-classification", model=model, tokenizer=parts[1])
    with pytest.raises(ValueError, match="pipeline_class=glot_hf.GlotTextClassificationPipeline"):
        stock(PAIRS[0])


def test_other_models_are_refused(tiny_bert):
    with pytest.raises(ValueError, match="is for GLOT heads, not BertModel"):
        GlotTextClassificationPipeline(model=tiny_bert, tokenizer=word_tokenizer("right"))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_readout_weights_beside_the_answers(parts, batch_size):
    model, classify = make(parts, num_labels=2)
    answers = classify(FIRST, return_explanations=True, batch_size=batch_size)
    for text, answer in zip(FIRST, answers):
        inputs = parts[1](text, return_tensors="pt")
        with torch.no_grad():
            weights = model.glot(**inputs, output_readout_weights=True).readout_weights[0]
        assert [each["token"] for each in answer["explanation"]] == inputs.tokens()
        torch.testing.assert_close(torch.tensor([each["weight"] for each in answer["explanation"]]), weights)
        assert "explanation" not in classify(text) and {"label", "score"} < set(answer)


def test_readout_weights_of_pairs(parts):
    _, classify = make(parts, num_labels=3, pair_mode="concat")
    answers = classify(PAIRS, return_explanations=True, top_k=2)
    for pair, (answer, other) in zip(PAIRS, answers):
        assert answer["explanation"] == other["explanation"] and set(answer["explanation"]) == {"text", "text_pair"}
        assert [each["token"] for each in answer["explanation"]["text_pair"]] == parts[1](pair["text_pair"]).tokens()


def test_a_head_without_readout_weights(parts):
    _, classify = make(parts, pooling="max")
    with pytest.raises(ValueError, match="readout weights, and this head has none"):
        classify(FIRST[0], return_explanations=True)

"""Texts in, sentence vectors out."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.model import encoding_glot
from glot_hf.model.encoding_glot import batches_by_length


WORDS = [f"w{index}" for index in range(60)]
TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w10 w11", "w12 w13", "w1 w1 w14 w15 w16", "w2"]
SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}


def tokenizer(padding_side="right", special_tokens=True):
    """One word, one token; like BERT's with special tokens, like many decoders' without."""
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    if special_tokens:
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", padding_side=padding_side, model_max_length=30
    )


def relative_error(actual, expected):
    return ((actual - expected).norm(dim=-1) / expected.norm(dim=-1)).max().item()


@pytest.fixture(params=["tiny_bert", "tiny_llama"])
def model(request):
    return GlotModel.from_backbone(request.getfixturevalue(request.param), **SMALL)


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("batch_size", [None, 1, 2, 4, 100])
def test_each_text_gets_its_vector_in_its_place(model, padding_side, batch_size):
    """Whatever the batches that they are sorted into."""
    expected = torch.cat([model(**tokenizer()(text, return_tensors="pt")).pooler_output for text in TEXTS])
    vectors = model.encode(TEXTS, tokenizer(padding_side), batch_size=batch_size)
    assert vectors.shape == (len(TEXTS), model.config.hidden_size)
    assert (vectors.dtype, vectors.device.type, vectors.requires_grad) == (torch.float32, "cpu", False)
    assert relative_error(vectors, expected) < 1e-5


def test_texts_are_tokenized_in_parts(model, monkeypatch):
    """So that many of them do not fill memory; a vector does not depend on it."""
    expected = model.encode(TEXTS, tokenizer())
    monkeypatch.setattr(encoding_glot, "_TEXTS_TOKENIZED_AT_ONCE", 4)
    assert relative_error(model.encode(TEXTS, tokenizer()), expected) < 1e-5


@pytest.mark.parametrize(
    ("batch_size", "lengths"),
    [(None, [[20], [6, 6], [5, 2], [1]]), (2, [[20, 6], [6, 5], [2, 1]]), (100, [[20, 6, 6, 5, 2, 1]])],
)
def test_batches_hold_a_number_of_tokens_or_of_texts(batch_size, lengths):
    """With padding; the longest first, so that too large a batch fails at once."""
    texts = [5, 1, 6, 20, 2, 6]
    batches = list(batches_by_length(texts, max_tokens=12, batch_size=batch_size))
    assert [[texts[index] for index in batch] for batch in batches] == lengths
    assert sorted(sum(batches, [])) == list(range(6))


def test_a_real_encoder(minilm_path, minilm_tokenizer):
    """Mean pooling of MiniLM: what is close in meaning is close in space."""
    model = GlotModel.from_backbone(minilm_path, pooling="mean")
    texts = ["A cat sits on the mat.", "The stock market fell sharply today.", "There is a kitten on a rug."]
    vectors = torch.nn.functional.normalize(model.encode(texts, minilm_tokenizer), dim=-1)
    similarity = vectors @ vectors.T
    assert similarity[0, 2] > 0.4 > similarity[0, 1]


def test_no_texts(model):
    assert model.encode([], tokenizer()).shape == (0, model.config.hidden_size)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("special_tokens", [False, True])
def test_empty_texts(model, batch_size, special_tokens):
    """Without special tokens there is nothing to pool: zeros, in any company."""
    vectors = model.encode(["", "w1", ""], tokenizer(special_tokens=special_tokens), batch_size=batch_size)
    assert vectors.isfinite().all()
    assert vectors[1].any()
    assert bool(vectors[0].any()) is special_tokens
    torch.testing.assert_close(vectors[0], vectors[2])


def test_long_texts_are_cut(model):
    text = " ".join(WORDS[:50])
    assert torch.equal(model.encode([text], tokenizer()), model.encode([" ".join(WORDS[:28])], tokenizer()))
    shorter = model.encode([text], tokenizer(), max_length=5)
    assert torch.equal(shorter, model.encode([" ".join(WORDS[:3])], tokenizer()))


def test_one_string_is_refused(model):
    with pytest.raises(TypeError, match=r"pass \[text\]"):
        model.encode("w1 w2", tokenizer())


def test_without_a_backbone():
    with pytest.raises(ValueError, match="without a backbone"):
        GlotModel(GlotConfig(input_size=32)).encode(TEXTS, tokenizer())


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored(model, training):
    """It encodes in eval mode: batch norm and dropout would make vectors depend on their company."""
    model = GlotModel.from_backbone(model.backbone, gnn_type="gin", **SMALL)
    expected = model.eval().encode(TEXTS, tokenizer())
    assert torch.equal(model.train(training).encode(TEXTS, tokenizer()), expected)
    assert model.training is model.head.training is training
    assert not model.backbone.training


def test_the_mode_is_restored_when_a_text_fails(model):
    model.train()
    with pytest.raises((TypeError, ValueError, AttributeError)):
        model.encode(["w1", None], tokenizer())
    assert model.training


def test_from_a_classifier(tiny_bert):
    """The vectors under the classifier, after the projection."""
    model = GlotForSequenceClassification.from_backbone(tiny_bert, projection_size=5, **SMALL)
    vectors = model.encode(TEXTS, tokenizer())
    assert vectors.shape == (len(TEXTS), 5)
    assert torch.equal(vectors, model.glot.encode(TEXTS, tokenizer()))


@pytest.mark.parametrize("show_progress", [True, False])
def test_progress(model, show_progress, capfd):
    model.encode(TEXTS, tokenizer(), show_progress=show_progress)
    assert ("Encoding" in capfd.readouterr().err) is show_progress

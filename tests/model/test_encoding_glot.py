"""How long a text may be, and what a batch is padded with."""

from types import SimpleNamespace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    XLNetConfig,
    XLNetModel,
)

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.commands.main import main
from glot_hf.data import HiddenStateCache
from glot_hf.data.examples import PairCollator
from glot_hf.export.check import text_batches
from glot_hf.export.program import write_tokenizer
from glot_hf.loading.backbone import load_tokenizer
from glot_hf.model.backbone_forward_glot import run_backbone
from glot_hf.model.encoding_glot import longest_text, pad_tokens


SIZES = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 37,
}
SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8}
WORDS = [f"w{index}" for index in range(20)]
LONG = " ".join(WORDS * 10)
UNLIMITED = 10**30


def make_tokenizer(**special):
    """One word, one token; no token is special unless it is named."""
    vocabulary = {word: index for index, word in enumerate([*WORDS, "[UNK]"])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


@pytest.fixture
def roberta():
    """Its 66 positions are those of 64 tokens: they begin after the padding's, 1."""
    torch.manual_seed(0)
    return RobertaModel(RobertaConfig(**SIZES, max_position_embeddings=66, pad_token_id=1)).eval()


@pytest.mark.parametrize(
    ("model_class", "config", "of_tokenizer", "expected"),
    [
        (RobertaModel, RobertaConfig(**SIZES, max_position_embeddings=66, pad_token_id=1), UNLIMITED, 64),
        (RobertaModel, RobertaConfig(**SIZES, max_position_embeddings=66, pad_token_id=1), 48, 48),
        (MPNetModel, MPNetConfig(**SIZES, max_position_embeddings=66), UNLIMITED, 64),
        (BertModel, BertConfig(**SIZES, max_position_embeddings=66), UNLIMITED, 66),
        (XLNetModel, XLNetConfig(vocab_size=99, d_model=32, n_layer=1, n_head=4, d_inner=37), UNLIMITED, None),
    ],
)
def test_the_longest_text(model_class, config, of_tokenizer, expected):
    backbone = model_class(config).eval()
    assert longest_text(SimpleNamespace(model_max_length=of_tokenizer), backbone) == expected
    if expected is not None and of_tokenizer == UNLIMITED:
        with torch.no_grad(), pytest.raises((IndexError, RuntimeError)):  # one more is too many
            run_backbone(backbone, {"input_ids": torch.full((1, expected + 1), 5)})


def test_a_tokenizer_without_a_limit_cuts_at_the_positions(roberta, tmp_path):
    tokenizer, model = make_tokenizer(), GlotModel.from_backbone(roberta, **SMALL)
    expected = model.encode([" ".join(LONG.split()[:64])], tokenizer)
    assert torch.equal(model.encode([LONG], tokenizer), expected)
    cache = HiddenStateCache.build(model.backbone, tokenizer, {"text": [LONG, "w1"]}, folder=tmp_path)
    assert [row["hidden_states"].shape[0] for row in cache] == [64, 1]


@pytest.mark.parametrize("side", ["left", "right"])
def test_any_token_pads(tiny_bert, side):
    """Where the tokenizer has no padding token, a text's vector, states and answer are those that it has alone."""
    tokenizer, texts = make_tokenizer(padding_side=side), ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9"]
    model = GlotForSequenceClassification.from_backbone(tiny_bert, pair_mode="concat", **SMALL)
    alone = torch.cat([model.encode([text], tokenizer) for text in texts])
    torch.testing.assert_close(model.encode(texts, tokenizer), alone, rtol=1e-5, atol=1e-5)
    rows = [dict(tokenizer(text)) for text in texts]
    rows = [row | {f"{name}_b": ids for name, ids in rows[0].items()} | {"labels": 1} for row in rows]
    collate = PairCollator(tokenizer)
    together = model(**collate(rows)).logits
    for row, logits in zip(rows, together):
        torch.testing.assert_close(model(**collate([row])).logits[0], logits, rtol=1e-5, atol=1e-5)


def test_a_padding_token_of_its_own_is_used():
    tokenizer = make_tokenizer(pad_token="w7")
    rows = [tokenizer("w1 w2"), tokenizer("w3")]
    batch = pad_tokens(tokenizer, rows)
    assert batch["input_ids"].tolist() == [[1, 2], [3, 7]] and batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert pad_tokens(tokenizer, rows, "left")["input_ids"].tolist() == [[1, 2], [7, 3]]
    assert {name: tensor.dtype for name, tensor in batch.items()} == dict.fromkeys(batch, torch.int64)


@pytest.mark.parametrize(("special", "named"), [({}, None), ({"unk_token": "[UNK]"}, "[UNK]")])
def test_what_a_command_pads_with(tiny_bert, tmp_path, capsys, special, named):
    """No ordinary word becomes a special token, which would be read differently from then on."""
    make_tokenizer(**special).save_pretrained(tmp_path)
    tokenizer = load_tokenizer(str(tmp_path), None, {})
    assert f"has no padding token: pads with {named or 'w0'!r}, which is masked" in capsys.readouterr().err
    assert tokenizer.pad_token == named
    model = GlotModel.from_backbone(tiny_bert, **SMALL)
    tokenizer.model_max_length = 16
    assert all(model(**batch).pooler_output.isfinite().all() for batch in text_batches(model, tokenizer, True))
    write_tokenizer(tokenizer, tmp_path / "exported.json")
    padded = Tokenizer.from_file(str(tmp_path / "exported.json")).encode_batch(["w1 w2", "w3"])
    assert [row.ids for row in padded] == [[1, 2], [3, 20 if named else 0]]


def test_training_on_few_positions(roberta, tmp_path, monkeypatch, capsys):
    """By default a text is cut at them; asked for more, they are named."""
    monkeypatch.chdir(tmp_path)
    roberta.save_pretrained("roberta")
    make_tokenizer(unk_token="[UNK]").save_pretrained("roberta")
    rows = [f"{LONG},{label}" for label in "ab" * 4]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    train = ["train", "--backbone", "roberta", "--train_file", "texts.csv", "--output_dir", "head", "--max_steps", "1"]
    assert main([*train, "--max_length", "66"]) == 2
    assert "--max_length 66 is not between 1 and 64, which the backbone can take" in capsys.readouterr().err
    assert main([*train, "--no_cache"]) == 0
    assert "texts are cut at 64 tokens" in capsys.readouterr().err
    for command in (
        ["predict", "head", "--test_file", "texts.csv"],
        ["evaluate", "head", "--validation_file", "texts.csv"],
        ["embed", "--model", "head", "--input", "texts.csv", "--output", "vectors.npy"],
    ):
        assert main(command) == 0

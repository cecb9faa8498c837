"""Heads that read surprisal beside token states: of text, of states, of pairs; tuned with their backbone; saved."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from single_words import make_texts, make_tokenizer
from small_decoders import make_decoder
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig, BertModel

from glot_hf import GlotForSequenceClassification, GlotModel, HiddenStateCache, HiddenStateCollator
from glot_hf.model import surprisal_glot
from glot_hf.model.backbone_forward_glot import run_backbone
from glot_hf.model.backbone_glot import text_encoder
from glot_hf.model.language_model_glot import surprisal_of


FEATURES = {"token_features": ["surprisal"]}
SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, **FEATURES}
LAYERS = {"last": {}, "one": {"backbone_layers": 1}, "mixed": {"backbone_layers": [0, 2]}}
LAYERS["joined"] = {"backbone_layers": [0, 2], "layer_mix": "concat"}
TEXTS = ["", *make_texts(6)]


@pytest.fixture(params=["right", "left"])
def tokenizer(request):
    return make_tokenizer(padding_side=request.param)


@pytest.fixture(params=["gpt2", "mamba"], ids=["with mask", "without mask"])
def backbone(request):
    return text_encoder(make_decoder(request.param))


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
def test_text_and_cached_states_give_the_same(options, backbone, tokenizer, tmp_path):
    model = GlotModel.from_backbone(backbone, input_norm="layer", **options, **SMALL)
    layers = model.config.backbone_layers
    cache = HiddenStateCache.build(backbone, tokenizer, {"text": TEXTS}, root=tmp_path, layers=layers, **FEATURES)
    assert cache.manifest.key["token_features"] == ["surprisal"]
    assert cache[1]["hidden_states"].shape[1:] == model.head.token_shape
    batch = HiddenStateCollator()([cache[row] for row in range(len(TEXTS))])
    tokens = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model(**batch).pooler_output
        torch.testing.assert_close(model(**tokens).pooler_output, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.encode(TEXTS, tokenizer), expected, rtol=1e-4, atol=1e-5)
    plain = HiddenStateCache.build(backbone, tokenizer, {"text": TEXTS}, root=tmp_path, layers=layers)
    assert plain.folder != cache.folder and "token_features" not in plain.manifest.key
    states = cache[3]["hidden_states"]
    torch.testing.assert_close(states[..., :-4], plain[3]["hidden_states"])
    alone = tokenizer(TEXTS[3:4], return_tensors="pt")
    with torch.no_grad():
        numbers = surprisal_of(backbone, backbone(alone["input_ids"]).last_hidden_state, alone)[0]  # (L, 4)
    numbers = numbers if states.dim() == 2 else numbers[:, None].expand(-1, 2, -1)
    torch.testing.assert_close(states[..., -4:], numbers, rtol=1e-4, atol=1e-4)


def test_the_dtype_of_the_states():
    """Their numbers fit half precision: a cache in it holds what the head is given of text."""
    backbone = text_encoder(make_decoder("gpt2")).to(torch.bfloat16)
    states = run_backbone(backbone, {"input_ids": torch.tensor([[3, 4, 5]])}, 1, **FEATURES).states
    assert states.dtype == torch.bfloat16 and states.shape == (1, 3, 36)


@pytest.mark.parametrize("pair_mode", ["interaction", "cosine", "late"])
def test_pairs(pair_mode):
    backbone = text_encoder(make_decoder("gpt2"))
    options = FEATURES if pair_mode == "late" else SMALL
    model = GlotForSequenceClassification.from_backbone(backbone, pair_mode=pair_mode, **options)
    tokenizer = make_tokenizer()
    first, second = (tokenizer(texts, padding=True, return_tensors="pt") for texts in (TEXTS[1:4], TEXTS[4:7]))
    second = {f"{name}_b": second[name] for name in ("input_ids", "attention_mask")}
    states = {
        f"hidden_states{suffix}": run_backbone(
            backbone, {name: batch[name + suffix] for name in ("input_ids", "attention_mask")}, **FEATURES
        ).states
        for suffix, batch in (("", first), ("_b", second))
    }
    masks = {"attention_mask": first["attention_mask"], "attention_mask_b": second["attention_mask_b"]}
    with torch.no_grad():
        torch.testing.assert_close(model(**first, **second).logits, model(**states, **masks).logits)


def test_saved_and_loaded(tmp_path):
    lm = make_decoder("gpt2")
    lm.save_pretrained(tmp_path / "backbone")
    model = GlotForSequenceClassification.from_backbone(tmp_path / "backbone", input_norm="standard", **SMALL)
    ids = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 3]])
    for in_checkpoint in (False, True):
        model.config.backbone_in_checkpoint = in_checkpoint
        model.save_pretrained(tmp_path / "head")
        loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "head")
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits)
        vectors = AutoModel.from_pretrained(tmp_path / "head")(ids).pooler_output
        torch.testing.assert_close(vectors, model.glot(ids).pooler_output)
    assert loaded.config.input_size == 32 and loaded.config.state_size == 36


def test_a_tuned_backbone_learns_from_its_surprisal():
    """Its embeddings get the gradient that they have through the logits too, in chunks or not."""
    gradients = []
    for size in (256, 2):
        torch.manual_seed(0)
        model = GlotModel.from_backbone(text_encoder(make_decoder("gpt2")), **SMALL)
        model.backbone.requires_grad_()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(surprisal_glot, "TOKENS_AT_ONCE", size)
            model(torch.tensor([[3, 4, 5, 6], [7, 8, 9, 3]])).pooler_output.sum().backward()
        gradients.append(model.get_input_embeddings().weight.grad)
    torch.testing.assert_close(*gradients)
    assert gradients[0][90:].abs().sum() > 0  # of words that no text has


def test_refused(tmp_path):
    encoder = BertModel(BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4, vocab_size=99)).eval()
    with pytest.raises(StrictDataclassError, match="'bert' is not: choose a decoder with tied embeddings"):
        GlotModel.from_backbone(encoder, **FEATURES)
    with pytest.raises(ValueError, match="'bert' is not"):
        HiddenStateCache.build(encoder, make_tokenizer(), {"text": ["w1"]}, root=tmp_path, **FEATURES)
    model = GlotModel.from_backbone(text_encoder(make_decoder("gpt2")), **SMALL)
    with pytest.raises(ValueError, match="inputs_embeds do not say which token that is: pass input_ids"):
        model(inputs_embeds=torch.randn(1, 3, 32))
    with pytest.raises(ValueError, match="takes .B, L, 36.: .* token_features add theirs"):
        model(hidden_states=torch.randn(1, 3, 32))

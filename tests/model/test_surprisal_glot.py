"""Surprisal of tokens against the logits of transformers' own language models."""

import pytest
import torch
from small_decoders import DECODERS, LLAMA_LIKE, SIZES, make_decoder
from transformers import (
    BertConfig,
    BertModel,
    Gemma3TextConfig,
    Gemma3TextModel,
    LlamaConfig,
    LlamaModel,
)

from glot_hf.model import surprisal_glot
from glot_hf.model.backbone_glot import text_encoder
from glot_hf.model.language_model_glot import require_language_model, surprisal_of
from glot_hf.model.surprisal_glot import token_surprisal


TEXTS = [[7, 5, 9, 98, 3, 9, 4], [8, 6, 6, 11], [5]]
IDS = torch.tensor([TEXTS[0], TEXTS[1] + 3 * [0]])
MASK = (IDS != 0).long()


def oracle(model, ids):
    """The numbers of one text without padding, from all logits at once, in float64."""
    log_p = model(ids[None]).logits[0, :-1].double().log_softmax(dim=1)  # (L - 1, V)
    own = log_p.gather(1, ids[1:, None])  # (L - 1, 1)
    entropy = -(log_p.exp() * log_p).sum(dim=1)
    rank = (log_p > own).sum(dim=1).double()
    columns = [-own[:, 0], (log_p.amax(dim=1) - own[:, 0]), entropy, rank.log1p()]
    return torch.cat([torch.zeros(1, 4), torch.stack(columns, dim=1).float()])  # of the first token, nothing


@pytest.mark.parametrize("chunks", [(256, 4096), (2, 10)], ids=["one chunk", "many chunks"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", DECODERS)
@torch.no_grad()
def test_language_models_of_transformers(kind, side, chunks, monkeypatch):
    monkeypatch.setattr(surprisal_glot, "TOKENS_AT_ONCE", chunks[0])
    monkeypatch.setattr(surprisal_glot, "WORDS_AT_ONCE", chunks[1])
    model = make_decoder(kind)
    backbone = text_encoder(model)
    require_language_model(backbone)
    last = torch.full((3, 7, backbone.get_input_embeddings().weight.shape[1]), torch.nan)  # nothing reads padding
    ids, mask, expected = torch.zeros(3, 7).long(), torch.zeros(3, 7).long(), torch.zeros(3, 7, 4)
    for row, text in enumerate(map(torch.tensor, TEXTS)):
        place = slice(len(text)) if side == "right" else slice(7 - len(text), 7)
        ids[row, place], mask[row, place] = text, 1
        last[row, place] = backbone(text[None]).last_hidden_state
        expected[row, place] = oracle(model, text)
    found = surprisal_of(backbone, last, {"input_ids": ids, "attention_mask": mask})
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_gradients():
    torch.manual_seed(0)
    states = torch.randn(1, 5, 4, requires_grad=True)
    weight, ids = torch.randn(9, 4, requires_grad=True), torch.tensor([[1, 4, 8, 2, 2]])
    coefficients = torch.randn(1, 5, 4)
    (token_surprisal(states, ids, None, weight) * coefficients).sum().backward()
    found = states.grad, weight.grad
    states.grad = weight.grad = None
    log_p = (states @ weight.T)[:, :-1].log_softmax(dim=-1)
    own = log_p.gather(2, ids[:, 1:, None])[..., 0]
    numbers = [-own, log_p.amax(dim=2) - own, -(log_p.exp() * log_p).sum(dim=2), torch.zeros_like(own)]
    (torch.stack(numbers, dim=2) * coefficients[:, 1:]).sum().backward()
    torch.testing.assert_close(found, (states.grad, weight.grad))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast(dtype):
    """Logits in half precision have many ties: the numbers are those of the rounded states, exactly."""
    torch.manual_seed(0)
    states, weight = torch.randn(2, 7, 8).to(dtype), torch.randn(99, 8).to(dtype)
    expected = token_surprisal(states.float(), IDS, MASK, weight.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = token_surprisal(states, IDS, MASK, weight)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "backbone, reason",
    [
        (BertModel(BertConfig(**SIZES)), "needs a decoder .*'bert' is not: choose .* gpt2"),
        (LlamaModel(LlamaConfig(**LLAMA_LIKE | {"tie_word_embeddings": False})), "'llama' ties no embeddings.*gpt2"),
        (
            Gemma3TextModel(Gemma3TextConfig(**LLAMA_LIKE, use_bidirectional_attention=True)),
            "'gemma3_text' backbone does not predict the next token",
        ),
    ],
    ids=["encoder", "untied", "bidirectional"],
)
def test_backbones_that_predict_no_next_token(backbone, reason):
    with pytest.raises(ValueError, match=reason):
        require_language_model(backbone.eval())


def test_logits_that_are_made_otherwise(monkeypatch):
    """A language model that changes its logits in a way that glot_hf does not know is refused, not misread."""
    backbone = text_encoder(make_decoder("granite"))
    monkeypatch.setattr("glot_hf.model.language_model_glot.logit_adjustment", lambda config: lambda logits: logits)
    with pytest.raises(ValueError, match="'granite' backbone does not predict"):
        require_language_model(backbone)

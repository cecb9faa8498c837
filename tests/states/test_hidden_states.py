import pytest
import torch
from transformers import AutoModel

from glot_hf import GlotModel
from glot_hf.states.running import HiddenStateCollator, compute_hidden_states


TEXTS = ["a", "the quick brown fox", "jumps over the lazy dog and away"]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_head_says_the_same_of_states_and_of_text(minilm_path, minilm_tokenizer, side):
    model = GlotModel.from_backbone(minilm_path)
    minilm_tokenizer.padding_side = side
    states = compute_hidden_states(model.backbone, minilm_tokenizer, TEXTS, tokens_per_batch=12)
    live = model.encode(TEXTS, minilm_tokenizer)
    minilm_tokenizer.padding_side = "right"
    batch = HiddenStateCollator()([{"hidden_states": state} for state in states])
    with torch.no_grad():
        torch.testing.assert_close(model(**batch).pooler_output, live, rtol=1e-5, atol=1e-5)


def test_several_layers(minilm_path, minilm_tokenizer):
    backbone = AutoModel.from_pretrained(minilm_path)
    states = compute_hidden_states(backbone, minilm_tokenizer, TEXTS, layers=[0, 3, -1])
    assert [tuple(state.shape) for state in states] == [(3, 3, 384), (6, 3, 384), (9, 3, 384)]
    batch = HiddenStateCollator()([{"hidden_states": state, "labels": 1} for state in states])
    assert batch["hidden_states"].shape == (3, 9, 3, 384)
    assert batch["attention_mask"].sum(dim=1).tolist() == [3, 6, 9]
    assert batch["labels"].tolist() == [1, 1, 1]

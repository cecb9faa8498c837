"""A backbone stops below the blocks that no head reads."""

import pytest
import torch
from transformers import BertConfig, BertModel

from glot_hf.model.backbone_forward_glot import forward_backbone


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    return BertModel(BertConfig(num_hidden_layers=4, **sizes)).eval()


@pytest.fixture
def inputs():
    return {"input_ids": torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]]), "attention_mask": torch.ones(2, 4).long()}


def blocks_run(backbone, inputs, layers):
    """The blocks that the second call runs: the first call tries whether stopping is exact."""
    forward_backbone(backbone, inputs, layers)
    ran = []
    hooks = [
        block.register_forward_hook(lambda *_, index=index: ran.append(index))
        for index, block in enumerate(backbone.encoder.layer)
    ]
    states = forward_backbone(backbone, inputs, layers).states
    for hook in hooks:
        hook.remove()
    return ran, states


@pytest.mark.parametrize(
    ("layers", "expected"),
    [(0, []), (2, [0, 1]), (-2, [0, 1, 2]), ([1, 3], [0, 1, 2]), (4, [0, 1, 2, 3]), ([0, -1], [0, 1, 2, 3])],
)
def test_blocks_that_are_run(backbone, inputs, layers, expected):
    with torch.no_grad():
        whole = backbone(**inputs, output_hidden_states=True).hidden_states
        ran, states = blocks_run(backbone, inputs, layers)
    assert ran == expected
    wanted = whole[layers] if isinstance(layers, int) else torch.stack([whole[layer] for layer in layers], dim=2)
    torch.testing.assert_close(states, wanted, rtol=0, atol=0)


def test_a_block_that_is_given_something_else(backbone, inputs):
    """Where a block's input is not the hidden state of that number, the whole backbone is run."""
    backbone.encoder.layer[2].register_forward_pre_hook(lambda _, args: (args[0] + 1, *args[1:]), prepend=True)
    with torch.no_grad():
        ran, states = blocks_run(backbone, inputs, 2)
        assert ran == [0, 1, 2, 3]
        torch.testing.assert_close(states, backbone(**inputs, output_hidden_states=True).hidden_states[2])


def test_training_mode_runs_the_whole_backbone(backbone, inputs):
    assert blocks_run(backbone.train(), inputs, 1)[0] == [0, 1, 2, 3]


def test_gradients_reach_the_inputs(backbone):
    embeddings = torch.randn(1, 3, 16, requires_grad=True)
    inputs = {"inputs_embeds": embeddings, "attention_mask": torch.ones(1, 3)}
    forward_backbone(backbone, inputs, 2).states.sum().backward()
    assert embeddings.grad is not None


@pytest.mark.parametrize("layers", [5, -6, [0, 9]])
def test_a_layer_that_is_not_there(backbone, inputs, layers):
    with pytest.raises(ValueError, match="hidden states 0"):
        forward_backbone(backbone, inputs, layers)

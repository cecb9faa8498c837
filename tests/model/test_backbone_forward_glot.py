"""One call of a backbone, whatever its forward takes and whatever it returns."""

import pytest
import torch
from torch import nn
from transformers import BertConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from glot_hf import GlotModel
from glot_hf.model.backbone_forward_glot import forward_backbone, run_backbone, sees_padding


IDS = torch.tensor([[3, 4, 5, 0], [6, 7, 0, 0]])
MASK = (IDS != 0).long()
RETURNS = {
    "tuple": lambda layers, attentions: (layers[-1], layers[-1][:, 0], layers, attentions),
    "tuple without the last layers": lambda layers, attentions: (layers[-1],),
    "tensor": lambda layers, attentions: layers[-1],
    "output": lambda layers, attentions: BaseModelOutput(layers[-1], layers, attentions),
    "logits": lambda layers, attentions: BaseModelOutput(hidden_states=layers),
}


class Own(PreTrainedModel):
    """A model with code of its own: two layers, and nothing in its forward that a head does not have to pass."""

    config_class = BertConfig

    def __init__(self, returns):
        super().__init__(BertConfig(hidden_size=8, num_hidden_layers=2))
        torch.manual_seed(0)
        self.embeddings, self.layer = nn.Embedding(9, 8), nn.Linear(8, 8)
        self.returns = RETURNS[returns]

    def forward(self, input_ids, attention_mask):
        first = self.embeddings(input_ids)
        layers = (first, self.layer(first), self.layer(self.layer(first)))
        weights = attention_mask[:, None, None] / attention_mask.sum(dim=1)[:, None, None, None]  # (B, 1, 1, L)
        return self.returns(layers, (weights.expand(-1, 2, IDS.shape[1], -1),) * 2)


class WithoutMask(Own):
    """One that mixes all positions, padding too."""

    def forward(self, input_ids, **kwargs):
        assert not kwargs.keys() - {"return_dict", "output_hidden_states"}
        mixed = self.embeddings(input_ids).cumsum(dim=1)
        mixed = mixed + mixed.mean(dim=1, keepdim=True)
        return BaseModelOutput(self.layer(mixed), (mixed, self.layer(mixed)))


@pytest.mark.parametrize("returns", ["tuple", "tuple without the last layers", "tensor", "output"])
def test_the_last_layer(returns):
    model = Own(returns)
    inputs = {"input_ids": IDS, "attention_mask": MASK, "token_type_ids": torch.zeros_like(IDS)}
    states = run_backbone(model, inputs).states
    assert torch.equal(states, model.layer(model.layer(model.embeddings(IDS))))
    vectors = GlotModel.from_backbone(model, gnn_hidden_size=8)(IDS, MASK).pooler_output
    assert vectors.shape == (2, 24) and vectors.isfinite().all()


@pytest.mark.parametrize("returns", ["tuple", "output"])
def test_other_layers_and_attentions(returns):
    model, inputs = Own(returns), {"input_ids": IDS, "attention_mask": MASK}
    run = forward_backbone(model, inputs, [0, 1], output_hidden_states=True, output_attentions=True)
    assert torch.equal(run.states[:, :, 1], model.layer(model.embeddings(IDS)))
    assert len(run.hidden_states) == 3
    assert [attention.shape for attention in run.attentions] == [(2, 2, 4, 4)] * 2


@pytest.mark.parametrize("asked", [{"layers": 1}, {"output_hidden_states": True}, {"output_attentions": True}])
@pytest.mark.parametrize("returns", ["tuple without the last layers", "tensor"])
def test_what_is_not_returned(returns, asked):
    what = "attentions" if "output_attentions" in asked else "hidden_states"
    with pytest.raises(ValueError, match=f"'bert' backbone returns no {what}.*last layer alone"):
        forward_backbone(Own(returns), {"input_ids": IDS, "attention_mask": MASK}, **asked)


def test_no_states_at_all():
    with pytest.raises(ValueError, match="returns no last hidden state"):
        forward_backbone(Own("logits"), {"input_ids": IDS, "attention_mask": MASK})


def test_not_one_state_a_token():
    class Latents(Own):
        def forward(self, input_ids, attention_mask):
            return (self.embeddings.weight[None].expand(2, -1, -1),)

    with pytest.raises(ValueError, match=r"one state a token.*\(2, 9, 8\) of \(2, 4\) tokens"):
        forward_backbone(Latents("tuple"), {"input_ids": IDS, "attention_mask": MASK})


class TestWithoutAMask:
    """Its rows are run without padding."""

    @pytest.mark.parametrize("mask", [MASK, MASK.flip(1)], ids=["right", "left"])
    @pytest.mark.parametrize("layers", [-1, 0, [0, 1]])
    def test_as_alone(self, mask, layers):
        model, ids = WithoutMask("output"), IDS if mask is MASK else IDS.flip(1)
        assert sees_padding(model)
        run = run_backbone(model, {"input_ids": ids, "attention_mask": mask}, layers, output_hidden_states=True)
        for row, valid in enumerate(mask.bool()):
            alone = run_backbone(model, {"input_ids": ids[row, valid][None]}, layers, output_hidden_states=True)
            torch.testing.assert_close(run.states[row, valid], alone.states[0])
            for actual, expected in zip(run.hidden_states, alone.hidden_states, strict=True):
                torch.testing.assert_close(actual[row, valid], expected[0])
            assert not run.states[row, ~valid].any()

    def test_gradients_pass(self):
        model = WithoutMask("output")
        run_backbone(model, {"input_ids": IDS, "attention_mask": MASK}).states.sum().backward()
        assert model.embeddings.weight.grad[3:8].abs().sum(dim=-1).gt(0).all()

    def test_attentions_are_of_one_length(self):
        with pytest.raises(ValueError, match="which sees padding"):
            run_backbone(WithoutMask("output"), {"input_ids": IDS, "attention_mask": MASK}, output_attentions=True)

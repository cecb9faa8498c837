"""Running a backbone: the same states on either padding side, the layers asked for, frozen; and finding one."""

import pytest
import torch
from transformers import (
    AutoModel,
    BertModel,
    GPT2Config,
    GPT2Model,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5Model,
)

from glot_hf import GlotModel
from glot_hf.model.backbone_forward_glot import run_backbone
from glot_hf.model.backbone_glot import build_backbone, is_trainable, load_backbone, pin_revision


MASKS = {
    "left": torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]]),
    "right": torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0]]),
    "both": torch.tensor([[0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0]]),
}
BACKBONES = ["tiny_bert", "tiny_roberta", "tiny_t5", "tiny_llama", "tiny_gpt2"]


@pytest.fixture
def tiny_roberta():
    """An encoder whose positions start behind the padding's own and are counted from the tokens."""
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37
    )
    return RobertaModel(config).eval()


@pytest.fixture
def tiny_gpt2():
    """A decoder with absolute positions."""
    torch.manual_seed(0)
    return GPT2Model(GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=40)).eval()


@pytest.fixture
def tiny_t5():
    """The encoder of a model that has both: relative positions."""
    torch.manual_seed(0)
    return T5Model(T5Config(vocab_size=99, d_model=32, d_ff=37, num_layers=2, num_heads=4, d_kv=8)).eval().encoder


@pytest.fixture(params=BACKBONES)
def backbone(request):
    backbone = request.getfixturevalue(request.param)
    backbone.set_attn_implementation("eager")  # the only one that returns attentions
    return backbone.requires_grad_(False)


def token_ids(mask, pad_token_id=1):
    ids = torch.randint(5, 99, mask.shape, generator=torch.Generator().manual_seed(0))
    return ids.where(mask.bool(), pad_token_id)


def assert_close(actual, expected):
    assert ((actual - expected).norm() / expected.norm()).item() < 1e-5


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("as_embeddings", [False, True], ids=["ids", "embeddings"])
def test_padding(backbone, mask, as_embeddings):
    """Each sentence gets the states it has alone, and all that is returned lies where its tokens are."""
    ids = token_ids(mask)
    inputs = {"attention_mask": mask, "input_ids": ids}
    if as_embeddings:
        inputs = {"attention_mask": mask, "inputs_embeds": backbone.get_input_embeddings()(ids)}
    run = run_backbone(backbone, inputs, output_hidden_states=True, output_attentions=True)
    assert len(run.hidden_states) == 3 and len(run.attentions) == 2
    for row, valid in enumerate(mask.bool()):
        if as_embeddings:
            alone = {"inputs_embeds": inputs["inputs_embeds"][row, valid][None]}
        else:
            alone = {"input_ids": ids[row, valid][None]}
        expected = backbone(**alone, output_hidden_states=True, output_attentions=True)
        assert_close(run.states[row, valid], expected.last_hidden_state[0])
        for actual, state in zip(run.hidden_states, expected.hidden_states, strict=True):
            assert_close(actual[row, valid], state[0])
        for actual, attention in zip(run.attentions, expected.attentions, strict=True):
            assert_close(actual[row][:, valid][:, :, valid], attention[0])


def test_token_types_move_with_their_tokens(tiny_bert):
    mask = MASKS["left"]
    ids, types = token_ids(mask), torch.randint(0, 2, mask.shape)
    states = run_backbone(tiny_bert, {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}).states
    for row, valid in enumerate(mask.bool()):
        alone = tiny_bert(input_ids=ids[row, valid][None], token_type_ids=types[row, valid][None])
        assert_close(states[row, valid], alone.last_hidden_state[0])


@pytest.mark.parametrize("side", MASKS)
def test_explicit_positions_are_respected(tiny_bert, side):
    """Also unusual ones: the row is then handed on as it is."""
    seen = {}
    tiny_bert.register_forward_pre_hook(lambda module, args, kwargs: seen.update(kwargs), with_kwargs=True)
    mask = MASKS[side]
    inputs = {"input_ids": token_ids(mask), "attention_mask": mask}
    inputs["position_ids"] = torch.randint(0, 40, mask.shape)
    run = run_backbone(tiny_bert, inputs, output_hidden_states=True)
    assert all(torch.equal(seen[name], tensor) for name, tensor in inputs.items())
    expected = tiny_bert(**inputs, output_hidden_states=True)
    torch.testing.assert_close(run.states, expected.last_hidden_state)
    torch.testing.assert_close(run.hidden_states, expected.hidden_states)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_dtypes_of_the_mask(tiny_bert, dtype):
    mask = MASKS["left"]
    expected = run_backbone(tiny_bert, {"input_ids": token_ids(mask), "attention_mask": mask}).states
    actual = run_backbone(tiny_bert, {"input_ids": token_ids(mask), "attention_mask": mask.to(dtype)}).states
    assert_close(actual[mask.bool()], expected[mask.bool()])


def test_without_a_mask_all_tokens_are_valid(backbone):
    ids = token_ids(MASKS["left"], pad_token_id=7)
    states = run_backbone(backbone, {"input_ids": ids, "attention_mask": None}).states
    expected = run_backbone(backbone, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}).states
    assert_close(states, expected)


def test_a_row_of_padding_does_not_disturb_the_others(backbone):
    mask = MASKS["left"].clone()
    mask[1] = 0
    ids = token_ids(mask)
    states = run_backbone(backbone, {"input_ids": ids, "attention_mask": mask}).states
    assert_close(states[0], backbone(input_ids=ids[:1]).last_hidden_state[0])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("layers", [0, 1, 2, -1, -2, -3, [1], [0, -1], [2, 0, 1]])
def test_layers(backbone, layers, side):
    mask = MASKS[side]
    inputs = {"input_ids": token_ids(mask), "attention_mask": mask}
    every_layer = run_backbone(backbone, inputs, output_hidden_states=True).hidden_states
    run = run_backbone(backbone, inputs, layers)
    assert run.hidden_states is None and run.attentions is None
    if isinstance(layers, int):
        expected = every_layer[layers]
    else:
        expected = torch.stack([every_layer[layer] for layer in layers], dim=2)
    torch.testing.assert_close(run.states, expected)


@pytest.mark.parametrize("layers", [3, -4, [0, 3], [-4, 1]])
def test_layers_that_do_not_exist(tiny_bert, layers):
    with pytest.raises(ValueError, match=r"hidden states 0 .* to 2, or -3 to -1") as error:
        run_backbone(tiny_bert, {"input_ids": torch.ones(1, 3, dtype=torch.long)}, layers)
    assert str(layers) in str(error.value)


def test_a_decoder_keeps_no_cache(tiny_llama):
    seen = {}
    tiny_llama.register_forward_hook(lambda module, args, kwargs, output: seen.update(output), with_kwargs=True)
    run_backbone(tiny_llama, {"input_ids": torch.ones(1, 3, dtype=torch.long)})
    assert seen["last_hidden_state"] is not None
    assert seen.get("past_key_values") is None


def test_records_a_graph_only_where_something_trains(tiny_bert):
    inputs = {"input_ids": torch.ones(1, 3, dtype=torch.long)}
    tiny_bert.requires_grad_(False)
    assert not is_trainable(tiny_bert) and not is_trainable(None)
    assert not run_backbone(tiny_bert, inputs).states.requires_grad

    tiny_bert.encoder.layer[1].requires_grad_(True)
    assert is_trainable(tiny_bert)
    assert run_backbone(tiny_bert, inputs).states.requires_grad
    with torch.no_grad():
        assert not run_backbone(tiny_bert, inputs).states.requires_grad


@pytest.mark.parametrize("how", ["inputs_embeds", "embedding layer"])
def test_attribution_reaches_the_inputs_of_a_frozen_backbone(tiny_bert, how):
    """Methods such as integrated gradients ask for it, of what they pass themselves or put in by a hook."""
    model = GlotModel.from_backbone(tiny_bert, gnn_hidden_size=8)
    ids, mask = token_ids(MASKS["left"]), MASKS["left"]
    embeddings = tiny_bert.embeddings.word_embeddings(ids).requires_grad_()
    if how == "inputs_embeds":
        output = model(inputs_embeds=embeddings, attention_mask=mask)
    else:
        tiny_bert.embeddings.word_embeddings.register_forward_hook(lambda *_: embeddings)
        output = model(ids)
    output.pooler_output.square().sum().backward()
    assert embeddings.grad.isfinite().all() and embeddings.grad.any()
    assert all(parameter.grad is None for parameter in tiny_bert.parameters())


class TestFinding:
    def test_a_folder_has_no_revision(self, tmp_path):
        assert pin_revision(str(tmp_path), "main") is None

    def test_what_cannot_be_asked_keeps_its_revision(self):
        assert pin_revision("someone/nothing", "v1") == "v1"
        assert pin_revision("someone/nothing") is None

    @pytest.mark.parametrize("name", ["/no/such/folder", "someone/nothing"])
    def test_what_is_not_there(self, name):
        with pytest.raises(OSError, match=f"'{name}'.*pass a loaded model as `backbone`"):
            load_backbone(name)

    def test_a_folder(self, tiny_bert, tmp_path):
        tiny_bert.save_pretrained(tmp_path)
        backbone = load_backbone(str(tmp_path))
        assert type(backbone) is BertModel and not backbone.training
        assert backbone.pooler is None
        ids = torch.ones(1, 3, dtype=torch.long)
        assert torch.equal(backbone(ids).last_hidden_state, tiny_bert(ids).last_hidden_state)

    def test_options_are_passed_on(self, tiny_bert, tmp_path):
        tiny_bert.save_pretrained(tmp_path)
        backbone = load_backbone(str(tmp_path), dtype=torch.bfloat16, attn_implementation="eager")
        assert backbone.dtype == torch.bfloat16
        assert backbone.config._attn_implementation == "eager"

    def test_encoder_and_decoder(self, tmp_path):
        """Of a model with both, the encoder is what reads a text."""
        config = T5Config(vocab_size=99, d_model=32, d_ff=37, num_layers=2, num_heads=4, d_kv=8)
        T5Model(config).save_pretrained(tmp_path)
        backbone = load_backbone(str(tmp_path))
        assert type(backbone).__name__ == "T5Stack" and not backbone.is_decoder
        assert type(build_backbone(config)).__name__ == "T5Stack"

    @pytest.mark.parametrize("name", ["tiny_bert", "tiny_llama"])
    def test_build(self, name, request):
        """Random weights of the right architecture, without the pooler that a head never reads."""
        backbone = request.getfixturevalue(name)
        built = build_backbone(backbone.config)
        assert type(built) is type(backbone)
        assert set(built.state_dict()) == {key for key in backbone.state_dict() if not key.startswith("pooler.")}

    def test_build_runs_no_code_of_a_repository(self, tiny_bert, monkeypatch):
        seen = {}
        from_config = AutoModel.from_config
        monkeypatch.setattr(
            AutoModel, "from_config", lambda config, **kwargs: seen.update(kwargs) or from_config(config, **kwargs)
        )
        build_backbone(tiny_bert.config)
        assert seen["trust_remote_code"] is False

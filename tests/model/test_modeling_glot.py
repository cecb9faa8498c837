"""GlotModel and GlotForSequenceClassification: inputs, outputs, and a backbone that stays frozen."""

import os

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import BertForMaskedLM, BertModel, T5Config, T5Model, Trainer, TrainingArguments

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel, GlotModelOutput
from glot_hf.model.pooling_glot import POOLINGS


RIGHT = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0]])
LEFT = RIGHT.flip(1)
SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}


@pytest.fixture(params=["tiny_bert", "tiny_llama"])
def backbone(request):
    backbone = request.getfixturevalue(request.param)
    backbone.set_attn_implementation("eager")  # the only one that returns attentions
    return backbone


@pytest.fixture
def ids():
    return torch.randint(5, 99, (3, 6), generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def headless(model_class=GlotForSequenceClassification, **options):
    """A model without a backbone, for hidden states of size 6, in eval mode."""
    return model_class(GlotConfig(**{"input_size": 6, **SMALL, **options})).eval()


def assert_close(actual, expected):
    assert ((actual - expected).norm() / expected.norm()).item() < 1e-5


class TestPadding:
    @pytest.mark.parametrize("layers", [-1, 1, [0, -1]])
    def test_side(self, backbone, layers, ids):
        """Left and right padding give the same vectors and logits: those of each sentence alone."""
        model = GlotForSequenceClassification.from_backbone(backbone, backbone_layers=layers, num_labels=3, **SMALL)
        left = ids.masked_fill(LEFT == 0, 0)
        right = torch.stack([row.roll(-int((mask == 0).sum())) for row, mask in zip(left, LEFT)])
        for padded, mask in ((left, LEFT), (right, RIGHT)):
            vectors, logits = model.glot(padded, mask).pooler_output, model(padded, mask).logits
            for row in range(3):
                alone = padded[row, mask[row].bool()][None]
                assert_close(vectors[row], model.glot(alone).pooler_output[0])
                assert_close(logits[row], model(alone).logits[0])

    @pytest.mark.parametrize("model_class", [GlotModel, GlotForSequenceClassification])
    def test_what_the_backbone_returns_lies_where_the_tokens_are(self, backbone, model_class, ids):
        model = model_class.from_backbone(backbone, **SMALL)
        output = model(ids, LEFT, output_hidden_states=True, output_attentions=True)
        for row, valid in enumerate(LEFT.bool()):
            alone = backbone(input_ids=ids[row, valid][None], output_hidden_states=True, output_attentions=True)
            for actual, expected in zip(output.hidden_states, alone.hidden_states, strict=True):
                assert_close(actual[row, valid], expected[0])
            for actual, expected in zip(output.attentions, alone.attentions, strict=True):
                assert_close(actual[row][:, valid][:, :, valid], expected[0])

    def test_explicit_positions_are_respected(self, tiny_bert, ids):
        model = GlotModel.from_backbone(tiny_bert, **SMALL)
        positions = torch.randint(0, 40, ids.shape)
        states = tiny_bert(input_ids=ids, attention_mask=LEFT, position_ids=positions).last_hidden_state
        actual = model(ids, LEFT, position_ids=positions).pooler_output
        torch.testing.assert_close(actual, model.head(states, LEFT))
        assert not torch.allclose(actual, model(ids, LEFT).pooler_output)

    def test_all_inputs_reach_the_backbone(self, tiny_bert, ids):
        model = GlotModel.from_backbone(tiny_bert, **SMALL)
        types = torch.randint(0, 2, ids.shape)
        states = tiny_bert(input_ids=ids, attention_mask=RIGHT, token_type_ids=types).last_hidden_state
        torch.testing.assert_close(model(ids, RIGHT, types).pooler_output, model.head(states, RIGHT))
        embeddings = tiny_bert.get_input_embeddings()(ids)
        actual = model(inputs_embeds=embeddings, attention_mask=RIGHT).pooler_output
        torch.testing.assert_close(actual, model(ids, RIGHT).pooler_output)


class TestInputs:
    @pytest.mark.parametrize("model_class", [GlotModel, GlotForSequenceClassification])
    def test_exactly_one(self, model_class, tiny_bert, ids):
        model = model_class.from_backbone(tiny_bert, **SMALL)
        states = torch.randn(3, 6, 32)
        with pytest.raises(ValueError, match="got none"):
            model(attention_mask=RIGHT)
        with pytest.raises(ValueError, match=r"got \['input_ids', 'hidden_states'\]"):
            model(ids, hidden_states=states)
        with pytest.raises(ValueError, match=r"got \['input_ids', 'inputs_embeds'\]"):
            model(ids, inputs_embeds=states)

    @pytest.mark.parametrize("layers", [-1, 1, [0, 1, -1]])
    def test_some_hidden_states(self, backbone, layers, ids):
        model = GlotModel.from_backbone(backbone, backbone_layers=layers, **SMALL)
        every = model(ids, LEFT, output_hidden_states=True).hidden_states
        some = model(ids, LEFT, output_hidden_states=[0, -1]).hidden_states
        assert_close(some[0], every[0])
        assert_close(some[2], every[2])
        assert some[1] is None and len(some) == 3

    @pytest.mark.parametrize("layers", [-1, 1, [0, 1, -1]])
    def test_cached_hidden_states(self, backbone, layers, ids):
        model = GlotModel.from_backbone(backbone, backbone_layers=layers, **SMALL)
        every_layer = model(ids, LEFT, output_hidden_states=True).hidden_states
        cached = every_layer[layers] if isinstance(layers, int) else torch.stack([every_layer[i] for i in layers], 2)
        alone = GlotModel(model.config).eval()
        assert alone.backbone is None
        alone.head.load_state_dict(model.head.state_dict())
        torch.testing.assert_close(alone(hidden_states=cached, attention_mask=LEFT)[0], model(ids, LEFT)[0])

    def test_text_without_a_backbone(self, ids):
        for model in (headless(), headless(GlotModel)):
            with pytest.raises(ValueError, match="without a backbone.*backbone=...` or load_backbone=True"):
                model(ids)

    @pytest.mark.parametrize("layers", [3, -4, [0, 3]])
    def test_a_layer_that_the_backbone_does_not_have(self, tiny_bert, layers, ids):
        with pytest.raises((StrictDataclassError, ValueError), match="backbone_layers=.*0 .its embeddings. to 2"):
            GlotModel.from_backbone(tiny_bert, backbone_layers=layers, **SMALL)(ids)

    def test_states_of_another_backbone(self):
        with pytest.raises(ValueError, match=r"\(2, 3, 7\)"):
            headless()(hidden_states=torch.randn(2, 3, 7))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_cached_states_of_another_dtype(self, dtype):
        """A cache holds what the backbone gave; the head computes in its own dtype."""
        model, states = headless(), torch.randn(2, 3, 6).to(dtype)
        assert torch.equal(model(hidden_states=states).logits, model(hidden_states=states.float()).logits)


class TestOutputs:
    def test_pooler_output_is_first(self, tiny_bert, ids):
        """The feature-extraction pipeline takes the first."""
        output = GlotModel.from_backbone(tiny_bert, **SMALL)(ids, LEFT)
        assert type(output) is GlotModelOutput
        assert list(output) == ["pooler_output"]
        assert output[0] is output.pooler_output
        assert output[0].shape == (3, 32 + 2 * 8)

    @pytest.mark.parametrize("by_config", [False, True])
    def test_tuple(self, tiny_bert, ids, by_config):
        model = GlotForSequenceClassification.from_backbone(tiny_bert, **SMALL)
        flags = {} if by_config else {"return_dict": False}
        model.config.return_dict = not by_config
        labels = torch.tensor([0, 1, 1])
        assert [part.shape for part in model.glot(ids, LEFT, **flags)] == [(3, 48)]
        assert [part.shape for part in model(ids, LEFT, **flags)] == [(3, 2)]
        assert [part.shape for part in model(ids, LEFT, labels=labels, **flags)] == [(), (3, 2)]
        assert isinstance(model(ids, LEFT, labels=labels, **flags), tuple)

    @pytest.mark.parametrize("model_class", [GlotModel, GlotForSequenceClassification])
    def test_on_request(self, model_class, tiny_bert, ids):
        model = model_class.from_backbone(tiny_bert, projection_size=5, **SMALL)
        wanted = ("token_embeddings", "readout_weights", "adjacency", "hidden_states")
        plain = model(ids, LEFT)
        assert all(plain[name] is None for name in wanted if name in plain) and plain.adjacency is None
        output = model(ids, LEFT, **{f"output_{name}": True for name in wanted})
        assert output.token_embeddings.shape == (3, 6, 48)
        assert output.readout_weights.shape == (3, 6)
        assert output.adjacency.shape == (3, 6, 6) and output.adjacency.dtype == torch.bool
        assert not output.adjacency[LEFT == 0].any() and not output.readout_weights[LEFT == 0].any()
        assert len(output.hidden_states) == 3
        assert torch.equal(output[0], plain[0])

    def test_flags_of_the_configuration(self, backbone, ids):
        model = GlotForSequenceClassification.from_backbone(
            backbone, output_hidden_states=True, output_attentions=True, **SMALL
        )
        output = model(ids, LEFT)
        assert len(output.hidden_states) == 3 and len(output.attentions) == 2
        output = model(ids, LEFT, output_hidden_states=False, output_attentions=False)
        assert output.hidden_states is None and output.attentions is None

    @pytest.mark.parametrize("pooling", POOLINGS)
    def test_dtype(self, pooling):
        """Also where a pooling has no parameters to tell it by."""
        model, states = headless(pooling=pooling), torch.randn(2, 3, 6)
        assert model.dtype == model.glot.dtype == torch.float32
        assert model(hidden_states=states).logits.dtype == torch.float32
        model.to(torch.bfloat16)
        assert model(hidden_states=states).logits.dtype == torch.bfloat16


class TestFrozen:
    @pytest.fixture
    def model(self, backbone):
        return GlotForSequenceClassification.from_backbone(backbone, gnn_type="gin", **SMALL)

    def test_no_parameter_of_the_backbone_asks_for_a_gradient(self, model):
        trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert trainable == {name for name, _ in model.named_parameters() if ".backbone." not in name}
        assert "classifier.weight" in trainable and "glot.head.pooling.readout.score_layer.0.weight" in trainable

    def test_stays_in_eval(self, model):
        for mode in (True, False, True):
            model.train(mode)
            assert model.training is model.glot.training is model.glot.head.training is mode
            assert not any(module.training for module in model.glot.backbone.modules())

    def test_records_no_graph(self, model, ids):
        output = model.train()(ids, LEFT, output_hidden_states=True, labels=torch.tensor([0, 1, 1]))
        assert output.loss.requires_grad
        assert not any(state.requires_grad for state in output.hidden_states)

    def test_trainer_optimizes_the_head_alone(self, model, ids, tmp_path):
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        data = [{"input_ids": row, "attention_mask": mask, "labels": 1} for row, mask in zip(ids, LEFT)]
        arguments = TrainingArguments(tmp_path, max_steps=2, use_cpu=True, report_to=[], disable_tqdm=True)
        arguments.learning_rate = 0.1
        trainer = Trainer(model, arguments, train_dataset=data)
        trainer.train()
        optimized = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
        assert optimized == {id(p) for name, p in model.named_parameters() if ".backbone." not in name}
        changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
        assert not any(".backbone." in name for name in changed)
        assert {"classifier.weight", "glot.head.pooling.layers.0.lin_in.weight"} <= changed

    def test_unfrozen_it_trains(self, model, ids):
        model.base_model.backbone.requires_grad_(True)
        model.train()
        assert all(module.training for module in model.glot.backbone.modules())
        model(ids, LEFT, labels=torch.tensor([0, 1, 1])).loss.backward()
        for name, parameter in model.glot.backbone.named_parameters():
            if not name.startswith("pooler."):  # BERT's own, which no head reads
                assert parameter.grad.isfinite().all(), name
        assert model.get_input_embeddings().weight.grad.any()

    def test_partly_unfrozen(self, tiny_bert, ids):
        """Its dropout is then that of training again."""
        model = GlotModel.from_backbone(tiny_bert, **SMALL)
        tiny_bert.encoder.layer[1].requires_grad_(True)
        model.train()
        assert tiny_bert.training
        assert not torch.equal(model(ids).pooler_output, model(ids).pooler_output)
        model(ids).pooler_output.square().sum().backward()
        assert tiny_bert.encoder.layer[1].output.dense.weight.grad.any()
        assert tiny_bert.encoder.layer[0].output.dense.weight.grad is None


class TestFromBackbone:
    def test_live(self, backbone):
        """Used as it is, so that heads can share it; its configuration is copied."""
        first, second = (GlotModel.from_backbone(backbone, **SMALL) for _ in range(2))
        assert first.backbone is second.backbone is backbone
        assert first.config.backbone_config is not backbone.config
        assert first.config.backbone_config.model_type == backbone.config.model_type
        assert backbone.config._attn_implementation == "eager"
        assert (first.config.input_size, first.config.hidden_size) == (32, 48)
        assert not first.training

    def test_a_folder(self, backbone, tmp_path, monkeypatch, ids):
        """Recorded by its absolute path; a local folder has no revision."""
        backbone.save_pretrained(tmp_path / "backbone")
        monkeypatch.chdir(tmp_path)
        for name in ("backbone", tmp_path / "backbone"):
            model = GlotModel.from_backbone(name, **SMALL)
            assert model.config.backbone_name_or_path == os.path.join(tmp_path, "backbone")
            assert model.config.backbone_revision is None
            assert model.config.backbone_load_kwargs is None
            states = backbone(input_ids=ids).last_hidden_state
            assert_close(model(ids).pooler_output, model.head(states))

    def test_records_the_dtype(self, backbone, tmp_path):
        backbone.save_pretrained(tmp_path)
        for option in ("dtype", "torch_dtype"):  # two names of one option in transformers
            model = GlotModel.from_backbone(str(tmp_path), backbone_kwargs={option: torch.bfloat16}, **SMALL)
            assert (model.backbone.dtype, model.dtype) == (torch.bfloat16, torch.float32)
            assert model.config.backbone_load_kwargs == {"dtype": "bfloat16"}
        live = GlotModel.from_backbone(backbone.to(torch.float16), **SMALL)
        assert live.config.backbone_load_kwargs == {"dtype": "float16"}

    def test_does_not_record_what_belongs_to_one_machine(self, backbone, tmp_path):
        backbone.save_pretrained(tmp_path)
        options = {
            "attn_implementation": "eager",
            "device_map": "cpu",
            "trust_remote_code": False,
            "token": "hf_secret",
        }
        model = GlotModel.from_backbone(str(tmp_path), backbone_kwargs=options, **SMALL)
        assert model.backbone.config._attn_implementation == "eager"
        assert model.config.backbone_load_kwargs is None
        recorded = model.config.to_json_string()
        assert not any(word in recorded for word in ("hf_secret", "device_map", "trust_remote_code", "eager"))

    def test_a_model_with_a_task_head(self, tiny_bert, ids):
        masked_lm = BertForMaskedLM(tiny_bert.config).eval()
        model = GlotModel.from_backbone(masked_lm, **SMALL)
        assert type(model.backbone) is BertModel and model.backbone is masked_lm.bert
        torch.testing.assert_close(model(ids)[0], model.head(masked_lm.bert(ids).last_hidden_state))

    def test_an_encoder_and_decoder(self, ids):
        t5 = T5Model(T5Config(vocab_size=99, d_model=32, d_ff=37, num_layers=2, num_heads=4, d_kv=8)).eval()
        model = GlotModel.from_backbone(t5, **SMALL)
        assert model.backbone is t5.encoder and model.config.input_size == 32
        states = t5.encoder(input_ids=ids, attention_mask=RIGHT).last_hidden_state
        assert_close(model(ids, RIGHT).pooler_output, model.head(states, RIGHT))

    def test_options_are_looked_at_before_anything_is_loaded(self):
        with pytest.raises(StrictDataclassError, match="transformer"):
            GlotModel.from_backbone("someone/nothing", gnn_type="transformer")
        with pytest.raises(TypeError, match="gnn_hidden_size"):
            GlotModel.from_backbone("someone/nothing", gnn_hidden_sise=3)

    def test_what_is_not_there(self):
        with pytest.raises(OSError, match="'someone/nothing' cannot be loaded.*pass a loaded model as `backbone`"):
            GlotModel.from_backbone("someone/nothing")

    def test_an_input_size_that_does_not_fit(self, tiny_bert):
        with pytest.raises((StrictDataclassError, ValueError), match=r"input_size \(48\).*32"):
            GlotModel.from_backbone(tiny_bert, input_size=48)

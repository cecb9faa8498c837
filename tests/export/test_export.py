"""Exported models say what the model says: any batch, any length, either padding side, rows of padding alone."""

import itertools

import pytest
import torch
from transformers import AutoConfig, AutoModel

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.export.check import TOLERANCE, largest_difference
from glot_hf.export.example import example
from glot_hf.export.program import (
    FORMATS,
    export_inputs,
    export_program,
    load_onnx,
    quantize_int8,
    require_exportable_backbone,
)
from glot_hf.system.errors import InputError


SIZE = 16
SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8}
# Every graph layer and every pooling; the other options of a head are spread over them.
HEADS = {
    "gat": {"num_attention_heads": 2, "graph_block_size": 2},
    "gcn": {"gnn_type": "gcn", "jumping_knowledge": "max", "pair_mode": "concat"},
    "gin": {"gnn_type": "gin", "jumping_knowledge": "mean", "input_norm": "standard", "pair_mode": "interaction"},
    "gine": {"gnn_type": "gine", "jumping_knowledge": "last", "backbone_layers": [0, 1]},
    "sage": {"gnn_type": "sage", "input_norm": "layer", "projection_size": 4, "pair_mode": "cosine"},
    "without edges": {"graph_type": "self"},
    "late": {"pair_mode": "late", "input_norm": "standard"},
    "late_mean": {"pair_mode": "late_mean", "backbone_layers": [0, 1]},
    **{name: {"pooling": name} for name in ("mean", "max", "cls", "last", "weighted_mean", "adapool", "deepsets")},
    "cross_attention": {"pooling": "cross_attention", "num_attention_heads": 2},
    "multi_query": {"pooling": "multi_query"},
    "latent_attention": {"pooling": "latent_attention", "num_latents": 5},
}


def make_head(options):
    torch.manual_seed(0)
    model_class = GlotForSequenceClassification if "pair_mode" in options else GlotModel
    model = model_class(GlotConfig(input_size=SIZE, **{**SMALL, **options})).eval()
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point():  # of a trained head: means, variances and deviations
            buffer.uniform_(0.5, 2)
    return model


def mask_of(batch, length, side):
    """The last of several rows is padding alone."""
    lengths = torch.randint(1, length + 1, (batch, 1))
    lengths[-1] *= batch == 1
    mask = torch.arange(length) < lengths
    return (mask.flip(1) if side == "left" else mask).long()


def states_of(model, batch, length):
    """Tokens of three kinds, so that no cosine is near tau, where rounding would decide."""
    kinds = torch.eye(3, SIZE)[torch.randint(3, (batch, length))]  # (B, L, d)
    kinds = kinds.view(batch, length, *[1] * (len(model.base_model.head.token_shape) - 1), SIZE)
    return 3 * kinds + 0.05 * torch.randn(batch, length, *model.base_model.head.token_shape)


def inputs_of(model, batch, length, side):
    inputs = {"hidden_states": states_of(model, batch, length), "attention_mask": mask_of(batch, length, side)}
    if model.config.pair_mode is not None:
        length = length // 2 + 1
        inputs |= {
            "hidden_states_b": states_of(model, batch, length),
            "attention_mask_b": mask_of(batch, length, side),
        }
    return inputs


def write(model, inputs, folder, to):
    form = FORMATS[to]
    form.write(export_program(model, inputs), folder / form.file_name, model)
    return form.load(folder / form.file_name)


# Of each kind one, for time: whether torch can trace a head is asked of all kinds in tests/test_pooling_glot.py.
QUICK = ("gat", "gin", "gine", "max")  # and those that become int8, below


@pytest.fixture(
    scope="module", params=[name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in HEADS]
)
def exported(request, tmp_path_factory):
    """A head, and the same in onnxruntime."""
    model = make_head(HEADS[request.param])
    return model, write(model, inputs_of(model, 3, 5, "right"), tmp_path_factory.mktemp("onnx"), "onnx")


def assert_same(run, model, *shape):
    for side in ("left", "right"):
        difference, compared, set_aside = largest_difference(run, model, [inputs_of(model, *shape, side)])
        assert difference <= 1e-5, (shape, side)
        assert (compared, set_aside) == (shape[0], 0)


def test_in_onnxruntime(exported):
    model, run = exported
    for shape in ((1, 1), (1, 2), (2, 1), (64, 3), (7, 60), (2, 512)):
        assert_same(run, model, *shape)


@pytest.mark.slow
def test_in_onnxruntime_at_many_sizes(exported):
    model, run = exported
    for shape in itertools.product((1, 2, 3, 16, 64), (1, 2, 3, 17, 128, 511, 512)):
        assert_same(run, model, *shape)


@pytest.mark.parametrize("name", ["gat", "multi_query"])
def test_in_torch(name, tmp_path):
    model = make_head(HEADS[name])
    run = write(model, inputs_of(model, 3, 5, "right"), tmp_path, "torch")
    for shape in ((1, 1), (1, 2), (2, 1), (64, 3), (2, 512)):
        assert_same(run, model, *shape)


@pytest.mark.parametrize("name", [pytest.param("sage", marks=pytest.mark.slow), "latent_attention"])
def test_in_int8(name, tmp_path):
    """A pair, whose texts share the parts of the readout's weight; and a stack of learned matrices."""
    model = make_head(HEADS[name])
    run = write(model, inputs_of(model, 3, 5, "right"), tmp_path, "onnx")
    quantize_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx")
    inputs = {name: tensor[:-1] for name, tensor in inputs_of(model, 9, 7, "left").items()}
    assert largest_difference(run, model, [inputs])[0] <= 1e-5
    exact, rounded = run(inputs), load_onnx(tmp_path / "int8.onnx")(inputs)
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.05 * exact.abs().max().item())


@pytest.mark.parametrize(
    ("backbone", "pair_mode", "to"),
    [
        ("tiny_llama", None, "onnx"),
        ("tiny_bert", "concat", "torch"),
        pytest.param("tiny_llama", None, "torch", marks=pytest.mark.slow),
        pytest.param("tiny_bert", "concat", "onnx", marks=pytest.mark.slow),
    ],
)
def test_with_a_backbone(backbone, pair_mode, to, tmp_path, request):
    backbone = request.getfixturevalue(backbone)
    model = GlotForSequenceClassification.from_backbone(backbone, pair_mode=pair_mode, **SMALL)

    def tokens(batch, length, side):
        names = ("",) if pair_mode is None else ("", "_b")
        return {
            f"{name}{suffix}": tensor
            for suffix, length in zip(names, (length, length + 1))
            for name, tensor in {
                "input_ids": torch.randint(1, 99, (batch, length)),
                "attention_mask": mask_of(batch, length, side),
            }.items()
        }

    run = write(model, export_inputs(model, tokens(3, 5, "right"), True), tmp_path, to)
    for batch, length, side in ((1, 2, "right"), (5, 3, "left"), (4, 30, "left"), (4, 30, "right")):
        difference, compared, _ = largest_difference(run, model, [tokens(batch, length, side)])
        assert difference <= 1e-5 and compared
    for path in tmp_path.iterdir():  # a stack trace would hold paths of this machine
        assert b"modeling_glot.py" not in path.read_bytes()


def test_the_model_is_as_it_was(tiny_bert):
    model = GlotModel.from_backbone(tiny_bert, graph_block_size=2, **SMALL)
    batch = {"input_ids": torch.randint(1, 99, (3, 5)), "attention_mask": torch.ones(3, 5).long()}
    expected = model(**batch)
    export_program(model, export_inputs(model, batch, with_backbone=False))
    assert model.backbone is tiny_bert and model.head.pooling.block_size == 2
    assert torch.equal(model(**batch).pooler_output, expected.pooler_output)


def test_the_example_of_labels_without_names_shows_logits():
    for options in ({}, {"pair_mode": "concat"}):
        config = GlotConfig(input_size=SIZE, problem_type="single_label_classification", **options)
        source = example(config, with_backbone=True, is_classifier=True)
        compile(source, "example.py", "exec")
        assert "id2label" not in source and 'print(text, "->", logits)' in source
        assert ('"_b")' in source) == bool(options)


class TestTheCheck:
    def test_finds_what_differs(self):
        model, off = make_head(HEADS["gcn"]), 1e-3
        batches = [inputs_of(model, 4, 6, "left"), inputs_of(model, 4, 6, "right")]
        difference, compared, _ = largest_difference(lambda inputs: model(**inputs).logits + off, model, batches)
        assert difference == pytest.approx(off, rel=0.01) and compared == 8
        difference, *_ = largest_difference(lambda inputs: model(**inputs).logits * torch.nan, model, batches)
        assert not difference <= TOLERANCE

    @pytest.mark.parametrize("suffix", ["", "_b"])
    def test_sets_aside_what_rounding_decides(self, suffix):
        model = make_head({**HEADS["gcn"], "tau": 0.6})
        inputs = inputs_of(model, 3, 4, "right")
        inputs[f"hidden_states{suffix}"][1, :2] = torch.eye(2, SIZE)
        inputs[f"hidden_states{suffix}"][1, 1] = 0.6 * torch.eye(SIZE)[0] + 0.8 * torch.eye(SIZE)[1]
        inputs[f"attention_mask{suffix}"][1, :2] = 1
        *_, compared, set_aside = largest_difference(lambda inputs: model(**inputs).logits, model, [inputs])
        assert (compared, set_aside) == (2, 1)
        assert model.glot.head.pooling.threshold == 0.6


class TestRefused:
    def test_no_backbone(self):
        with pytest.raises(InputError, match="has no backbone: leave out --with_backbone"):
            require_exportable_backbone(make_head({}))

    def test_a_backbone_that_sees_padding(self):
        config = AutoConfig.for_model("fnet", vocab_size=64, hidden_size=32, num_hidden_layers=1, intermediate_size=48)
        model = GlotModel.from_backbone(AutoModel.from_config(config), **SMALL)
        with pytest.raises(InputError, match="'fnet' backbone sees padding"):
            require_exportable_backbone(model)

    def test_a_quantized_backbone(self, tiny_bert):
        model = GlotModel.from_backbone(tiny_bert, **SMALL)
        tiny_bert.hf_quantizer = object()
        with pytest.raises(InputError, match="quantized"):
            require_exportable_backbone(model)

    def test_what_torch_cannot_trace(self, tiny_bert):
        def forward(self, input_ids, attention_mask):
            return (input_ids[attention_mask.bool()].float().mean().item() * input_ids,)

        model = GlotModel.from_backbone(tiny_bert, **SMALL)
        model.backbone.forward = forward.__get__(model.backbone)
        batch = {"input_ids": torch.randint(1, 99, (3, 5)), "attention_mask": torch.ones(3, 5).long()}
        with pytest.raises(InputError, match="cannot be exported by torch .*heads alone can"):
            export_program(model, batch)

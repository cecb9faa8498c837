"""Heads on backbones of 8 and 4 bits: they come back, on a backbone of as many bits, and they train."""

import shutil

import pytest
import torch
from transformers import (
    AutoModel,
    BitsAndBytesConfig,
    LlamaConfig,
    LlamaModel,
    TorchAoConfig,
    Trainer,
    TrainingArguments,
)

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.states.key import hash_weights


pytestmark = pytest.mark.slow
IDS = torch.randint(5, 99, (3, 6), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])


@pytest.fixture(params=["torchao 8", "bitsandbytes 8", "bitsandbytes 4"])
def quantization(request):
    library, bits = request.param.split()
    pytest.importorskip(library, reason='pip install "glot-hf[slow]"')
    if library == "bitsandbytes":
        return BitsAndBytesConfig(**{f"load_in_{bits}bit": True})
    from torchao.quantization import Int8WeightOnlyConfig

    return TorchAoConfig(Int8WeightOnlyConfig())


@pytest.fixture
def backbone_path(tmp_path):
    """Of widths that are multiples of 64, a block of bitsandbytes: some of its kernels for CPUs take no others."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=99,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        pad_token_id=0,
    )
    LlamaModel(config).save_pretrained(tmp_path / "backbone")
    return str(tmp_path / "backbone")


def logits(model):
    with torch.no_grad():
        return model(IDS, MASK).logits


def kind_of_weights(model):
    return type(model.base_model.backbone.layers[0].mlp.up_proj.weight)


@pytest.mark.parametrize("is_loaded", [False, True], ids=["folder", "model"])
def test_a_head_comes_back(backbone_path, quantization, is_loaded, tmp_path):
    if is_loaded:
        backbone = AutoModel.from_pretrained(backbone_path, quantization_config=quantization)
        model = GlotForSequenceClassification.from_backbone(backbone, gnn_hidden_size=8)
    else:
        options = {"quantization_config": quantization}
        model = GlotForSequenceClassification.from_backbone(backbone_path, backbone_kwargs=options, gnn_hidden_size=8)
    assert kind_of_weights(model) is not torch.nn.Parameter
    model.save_pretrained(tmp_path / "head")
    reloaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head")
    assert kind_of_weights(reloaded) is kind_of_weights(model)
    torch.testing.assert_close(logits(reloaded), logits(model), rtol=0, atol=1e-6)  # the last bits are the kernels'


@pytest.mark.parametrize("model_class", [GlotModel, GlotForSequenceClassification])
def test_a_whole_model_comes_back(backbone_path, quantization, model_class, tmp_path):
    """Its packed weights as they are, and the head in float32; saved again, too."""
    options = {"backbone_kwargs": {"quantization_config": quantization, "dtype": torch.bfloat16}}
    model = model_class.from_backbone(backbone_path, gnn_hidden_size=8, backbone_in_checkpoint=True, **options)
    model.save_pretrained(tmp_path / "first")
    reloaded = model_class.from_pretrained(tmp_path / "first")
    reloaded.save_pretrained(tmp_path / "second")
    again = model_class.from_pretrained(tmp_path / "second")
    shutil.rmtree(backbone_path)
    with torch.no_grad():
        expected = model(IDS, MASK)[0]
        for loaded in (reloaded, again):
            assert kind_of_weights(loaded) is kind_of_weights(model)
            assert {type(p) for p in loaded.base_model.head.parameters()} == {torch.nn.Parameter}
            assert loaded.dtype == torch.float32 and loaded.base_model.backbone.norm.weight.dtype == torch.bfloat16
            torch.testing.assert_close(loaded(IDS, MASK)[0], expected, rtol=0, atol=1e-6)


def test_a_whole_model_is_quantized_when_it_is_loaded(backbone_path, quantization, tmp_path):
    """Its backbone alone: it says what the same head says on the backbone, quantized by itself."""
    model = GlotForSequenceClassification.from_backbone(backbone_path, gnn_hidden_size=8)
    model.save_pretrained(tmp_path / "head")
    expected = GlotForSequenceClassification.from_pretrained(tmp_path / "head", quantization_config=quantization)
    model.config.backbone_in_checkpoint = True
    model.save_pretrained(tmp_path / "whole")
    loaded = GlotForSequenceClassification.from_pretrained(tmp_path / "whole", quantization_config=quantization)
    assert kind_of_weights(loaded) is kind_of_weights(expected)
    torch.testing.assert_close(logits(loaded), logits(expected), rtol=0, atol=1e-6)
    assert not torch.allclose(logits(loaded), logits(model), rtol=0, atol=1e-6)


def test_its_states_are_cached_by_all_of_its_weights(backbone_path, quantization):
    def key():
        return hash_weights(AutoModel.from_pretrained(backbone_path, quantization_config=quantization))

    first = key()
    assert key() == first
    backbone = LlamaModel.from_pretrained(backbone_path)
    backbone.layers[1].mlp.up_proj.weight.data[64, 32] += 0.02
    backbone.save_pretrained(backbone_path)
    assert key() != first


def test_the_head_trains_in_float32(backbone_path, quantization, tmp_path):
    options = {"quantization_config": quantization}
    model = GlotForSequenceClassification.from_backbone(backbone_path, backbone_kwargs=options, gnn_hidden_size=8)
    assert {parameter.dtype for parameter in model.glot.head.parameters()} == {torch.float32}
    before = model.classifier.weight.clone()
    rows = [
        {"input_ids": ids, "attention_mask": mask, "labels": i % 2} for i, (ids, mask) in enumerate(zip(IDS, MASK))
    ]
    arguments = TrainingArguments(
        str(tmp_path), max_steps=2, save_strategy="no", report_to="none", use_cpu=True, learning_rate=1e-2
    )
    Trainer(model, arguments, train_dataset=rows).train()
    assert not torch.equal(model.classifier.weight, before)

"""A head saved with its backbone's weights in the same checkpoint."""

import shutil
from collections import Counter

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification

from glot_hf import GlotForSequenceClassification, GlotModel


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}
IDS = torch.randint(5, 99, (3, 6), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])


def logits(model, **inputs):
    with torch.no_grad():
        return model(**(inputs or {"input_ids": IDS, "attention_mask": MASK})).logits


def assert_same_logits(loaded, model):
    """Up to rounding: a mapped weight lies elsewhere in memory, and the last bits of a product depend on where."""
    tolerance = 1e-2 if model.glot.backbone.dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(logits(loaded), logits(model), rtol=0, atol=tolerance)


def saved_tensors(folder):
    with safe_open(f"{folder}/model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def complete(request, backbone_path, tmp_path):
    torch.manual_seed(0)
    model = GlotForSequenceClassification.from_backbone(
        backbone_path, backbone_kwargs={"dtype": request.param}, backbone_in_checkpoint=True, **SMALL
    )
    model.save_pretrained(tmp_path / "complete")
    shutil.rmtree(backbone_path)
    return model, str(tmp_path / "complete"), request.param


@pytest.mark.parametrize("loader", [GlotForSequenceClassification, AutoModelForSequenceClassification])
def test_comes_back_bit_for_bit(complete, loader, backbone_calls):
    model, path, dtype = complete
    loaded, information = loader.from_pretrained(path, output_loading_info=True)
    assert not any(information.values())
    assert not backbone_calls and loaded.config.backbone_in_checkpoint
    assert (loaded.glot.backbone.dtype, loaded.dtype) == (dtype, torch.float32)
    expected = model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
    assert_same_logits(loaded, model)


def test_holds_everything_in_its_own_dtype(complete):
    model, path, dtype = complete
    assert "pooler.dense.weight" not in model.glot.backbone.state_dict()
    assert set(saved_tensors(path)) == set(model.state_dict())
    dtypes = Counter((".backbone." in name, tensor.dtype) for name, tensor in saved_tensors(path).items())
    assert set(dtypes) == {(True, dtype), (False, torch.float32)}


def test_is_frozen(complete):
    loaded = GlotForSequenceClassification.from_pretrained(complete[1]).train()
    assert not any(parameter.requires_grad for parameter in loaded.glot.backbone.parameters())
    assert not loaded.glot.backbone.training and loaded.glot.head.training


def test_base_model(complete):
    model, path, _ = complete
    loaded = GlotModel.from_pretrained(path)
    expected = model.glot.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())


def test_saved_again(complete, tmp_path):
    model, path, _ = complete
    GlotForSequenceClassification.from_pretrained(path).save_pretrained(tmp_path / "again")
    loaded = GlotForSequenceClassification.from_pretrained(tmp_path / "again")
    assert_same_logits(loaded, model)
    first, second = saved_tensors(path), saved_tensors(tmp_path / "again")
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_live_backbone_with_parts_that_are_not_read(tiny_bert, tmp_path):
    """BERT's own pooler stays out."""
    model = GlotForSequenceClassification.from_backbone(tiny_bert, backbone_in_checkpoint=True, **SMALL)
    model.save_pretrained(tmp_path)
    assert not any(name.startswith("glot.backbone.pooler.") for name in saved_tensors(tmp_path))
    assert_same_logits(GlotForSequenceClassification.from_pretrained(tmp_path), model)


@pytest.mark.parametrize("option", ["dtype", "torch_dtype"])
def test_another_dtype_is_honoured(complete, option):
    loaded = GlotForSequenceClassification.from_pretrained(complete[1], **{option: torch.float64})
    assert loaded.glot.backbone.dtype == torch.float64


def test_auto_is_the_saved_dtype(complete):
    loaded = GlotForSequenceClassification.from_pretrained(complete[1], dtype="auto")
    assert loaded.glot.backbone.dtype == complete[2]


def test_another_backbone_is_refused(tiny_bert, tmp_path):
    GlotModel.from_backbone(tiny_bert, backbone_in_checkpoint=True, **SMALL).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="This checkpoint holds its backbone"):
        GlotModel.from_pretrained(tmp_path, backbone=tiny_bert)


def test_load_backbone_false_is_refused(complete):
    with pytest.raises(ValueError, match="This checkpoint holds its backbone"):
        GlotModel.from_pretrained(complete[1], load_backbone=False)

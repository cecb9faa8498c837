"""Backbones and heads in folders, for the tests that save and load them."""

import pytest
import torch
from transformers import AutoModel

import glot_hf.model.backbone_glot
from glot_hf import GlotForSequenceClassification


@pytest.fixture(params=["tiny_bert", "tiny_llama"])
def backbone_path(request, tmp_path):
    request.getfixturevalue(request.param).save_pretrained(tmp_path / "backbone")
    return str(tmp_path / "backbone")


@pytest.fixture
def model(backbone_path):
    torch.manual_seed(0)
    return GlotForSequenceClassification.from_backbone(
        backbone_path, num_labels=3, gnn_hidden_size=8, readout_hidden_size=8, tau=0.3
    )


@pytest.fixture
def head_path(model, tmp_path):
    model.save_pretrained(tmp_path / "head")
    return str(tmp_path / "head")


@pytest.fixture
def backbone_calls(monkeypatch):
    """The options of each `AutoModel.from_pretrained` for a backbone."""
    calls, load = [], AutoModel.from_pretrained

    class Recorder(AutoModel):
        @classmethod
        def from_pretrained(cls, name, **kwargs):
            calls.append(kwargs)
            return load(name, **kwargs)

    monkeypatch.setattr(glot_hf.model.backbone_glot, "AutoModel", Recorder)
    return calls

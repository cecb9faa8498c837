"""The backbone of a head: recorded as the one that it is, and never lost without a word when the head is saved."""

import pytest
import torch
from transformers import AutoModel, BertModel

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel


IDS = torch.randint(5, 99, (3, 6), generator=torch.Generator().manual_seed(0))


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


@pytest.fixture
def path(tiny_bert, tmp_path):
    tiny_bert.save_pretrained(tmp_path / "backbone")
    return str(tmp_path / "backbone")


@pytest.fixture
def head(path, tmp_path):
    model = GlotForSequenceClassification.from_backbone(path, gnn_hidden_size=8)
    model.save_pretrained(tmp_path / "head")
    return str(tmp_path / "head")


@pytest.fixture
def other(tiny_bert, tmp_path):
    """Of the same kind, with other weights, in half precision."""
    torch.manual_seed(5)
    BertModel(tiny_bert.config).save_pretrained(tmp_path / "other")
    return AutoModel.from_pretrained(tmp_path / "other", dtype=torch.bfloat16)


def changed(model):
    with torch.no_grad():
        model.encoder.layer[0].output.dense.weight[3] += 0.5
    return model


@pytest.mark.parametrize("how", ["from_pretrained", "attach_backbone"])
def test_another_live_backbone_is_recorded(head, other, how, tmp_path, caplog):
    if how == "from_pretrained":
        model = GlotForSequenceClassification.from_pretrained(head, backbone=other)
    else:
        model = GlotForSequenceClassification.from_pretrained(head, load_backbone=False)
        model.attach_backbone(other)
    assert "made on a backbone with other weights than" in caplog.text and other.name_or_path in caplog.text
    assert model.config.backbone_name_or_path == other.name_or_path
    model.save_pretrained(tmp_path / "again")
    caplog.clear()
    loaded = GlotForSequenceClassification.from_pretrained(tmp_path / "again")
    assert loaded.glot.backbone.dtype == torch.bfloat16 and not caplog.text
    torch.testing.assert_close(logits(loaded), logits(model), rtol=0, atol=1e-2)


def test_the_same_live_backbone_stays_what_was_recorded(head, path, tiny_bert, caplog):
    """Its commit and its place too, which a loaded model does not know."""
    config = GlotConfig.from_pretrained(head)
    config.backbone_revision, config.backbone_load_kwargs = "0123abc", {"subfolder": "a"}
    config.save_pretrained(head)
    for live in (AutoModel.from_pretrained(path), tiny_bert):  # by its name; by its weights
        live.name_or_path = live.name_or_path and path
        model = GlotForSequenceClassification.from_pretrained(head, backbone=live)
        assert (model.config.backbone_name_or_path, model.config.backbone_revision) == (path, "0123abc")
        assert model.config.backbone_load_kwargs == {"subfolder": "a", "dtype": "float32"}
    assert not caplog.text
    model = GlotForSequenceClassification.from_pretrained(head, backbone=changed(AutoModel.from_pretrained(path)))
    assert model.config.backbone_revision is None and "other weights" in caplog.text


def test_a_backbone_of_unknown_origin_is_not_recorded_as_another(head, tiny_bert):
    model = GlotForSequenceClassification.from_pretrained(head, backbone=changed(tiny_bert))
    assert model.config.backbone_name_or_path is None


def test_a_live_backbone_with_changed_weights_is_told_when_it_is_looked_for(path, tmp_path, caplog):
    live = changed(AutoModel.from_pretrained(path))
    model = GlotForSequenceClassification.from_backbone(live, gnn_hidden_size=8)
    model.save_pretrained(tmp_path / "head")
    assert not caplog.text
    for options in ({}, {"dtype": torch.bfloat16}, {"backbone": path}):
        caplog.clear()
        GlotForSequenceClassification.from_pretrained(tmp_path / "head", **options)
        assert f"other weights than {path!r} has" in caplog.text
    caplog.clear()
    loaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head", backbone=live)
    torch.testing.assert_close(logits(loaded), logits(model))
    assert not caplog.text


def test_a_backbone_that_has_changed_is_not_left_out(head, tmp_path):
    """By hand or by training; whatever was saved before is still there."""
    model = GlotForSequenceClassification.from_pretrained(head)
    expected = logits(model)
    model.glot.backbone.requires_grad_(True)
    model.save_pretrained(head)  # not yet
    changed(model.glot.backbone)
    with pytest.raises(ValueError, match="weights have changed.*set model.config.backbone_in_checkpoint = True"):
        model.save_pretrained(head)
    torch.testing.assert_close(logits(GlotForSequenceClassification.from_pretrained(head)), expected)
    model.config.backbone_in_checkpoint = True
    model.save_pretrained(tmp_path / "whole")
    loaded = GlotForSequenceClassification.from_pretrained(tmp_path / "whole")
    torch.testing.assert_close(logits(loaded), logits(model))
    loaded.config.backbone_in_checkpoint = False  # the recorded folder has other weights
    loaded.attach_backbone(loaded.glot.backbone)
    assert loaded.config.backbone_name_or_path is None


def test_a_head_saved_without_a_fingerprint(head, path, other, caplog):
    """By an earlier version: nothing is known to differ."""
    config = GlotConfig.from_pretrained(head)
    config.backbone_fingerprint = None
    config.save_pretrained(head)
    assert GlotForSequenceClassification.from_pretrained(head).config.backbone_fingerprint
    model = GlotForSequenceClassification.from_pretrained(head, backbone=other)
    assert not caplog.text and model.config.backbone_name_or_path == other.name_or_path


class TestResizedVocabulary:
    def test_a_whole_model_comes_back(self, path, tmp_path):
        for model_class in (GlotModel, GlotForSequenceClassification):
            model = model_class.from_backbone(path, gnn_hidden_size=8, backbone_in_checkpoint=True)
            model.resize_token_embeddings(120)
            model.save_pretrained(tmp_path / "whole")
            loaded = model_class.from_pretrained(tmp_path / "whole")
            ids = torch.full((1, 3), 110)
            torch.testing.assert_close(loaded(ids)[0], model(ids)[0])

    @pytest.mark.parametrize("when", ["before", "after", "inside"])
    def test_a_head_alone_is_refused(self, path, when, tmp_path):
        backbone = AutoModel.from_pretrained(path)
        if when == "before":
            backbone.resize_token_embeddings(120)
        model = GlotForSequenceClassification.from_backbone(backbone, gnn_hidden_size=8)
        if when != "before":
            (model if when == "after" else backbone).resize_token_embeddings(120)
        with pytest.raises(ValueError, match=f"a vocabulary of 120 tokens, and '{path}' one of 99: .* not saved"):
            model.save_pretrained(tmp_path / "head")
        backbone.save_pretrained(tmp_path / "resized")
        model = GlotForSequenceClassification.from_backbone(tmp_path / "resized", gnn_hidden_size=8)
        model.save_pretrained(tmp_path / "head")
        GlotForSequenceClassification.from_pretrained(tmp_path / "head")

    def test_another_vocabulary_is_told(self, head, path, caplog):
        backbone = AutoModel.from_pretrained(path)
        backbone.resize_token_embeddings(120)
        GlotForSequenceClassification.from_pretrained(head, backbone=backbone)
        assert "a vocabulary of 99 tokens, and runs on one of 120" in caplog.text

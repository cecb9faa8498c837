"""Where a backbone is from, and what tells its weights from others."""

import copy

import pytest
import torch
from transformers import AutoModel, LlamaForCausalLM

import glot_hf.model.backbone_origin_glot
from glot_hf.model.backbone_origin_glot import are_comparable, fingerprint, origin_of


class TestFingerprint:
    def test_is_that_of_the_weights_however_they_are_loaded(self, tiny_bert, tmp_path):
        tiny_bert.save_pretrained(tmp_path)
        expected = fingerprint(tiny_bert)
        without_pooler = copy.deepcopy(tiny_bert)
        without_pooler.pooler = None
        for same in (AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16), tiny_bert.double(), without_pooler):
            assert fingerprint(same) == expected

    @pytest.mark.parametrize("name", ["embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.bias"])
    def test_tells_of_one_changed_value(self, tiny_bert, name):
        before = fingerprint(tiny_bert)
        tiny_bert.get_parameter(name).data.view(-1)[-3] += 0.01
        assert are_comparable(before, fingerprint(tiny_bert)) and fingerprint(tiny_bert) != before

    def test_tells_of_rows_that_changed_places(self, tiny_llama):
        before = fingerprint(tiny_llama)
        tiny_llama.embed_tokens.weight.data = tiny_llama.embed_tokens.weight.data.flip(0)
        assert fingerprint(tiny_llama) != before

    def test_of_a_large_backbone_some_rows_are_read(self, tiny_llama, monkeypatch):
        third = sum(p.numel() for p in tiny_llama.parameters()) // 3
        monkeypatch.setattr(glot_hf.model.backbone_origin_glot, "_WEIGHTS_READ", third)
        before = fingerprint(tiny_llama)
        tiny_llama.embed_tokens.weight.data[1] += 1
        assert fingerprint(tiny_llama) == before
        tiny_llama.embed_tokens.weight.data[4] += 1
        assert fingerprint(tiny_llama) != before

    def test_is_not_compared_where_the_weights_are_not_the_same_by_name(self, tiny_bert):
        first = fingerprint(tiny_bert)
        assert not are_comparable(first, fingerprint(copy.deepcopy(tiny_bert).half()))
        tiny_bert.encoder.layer[0].to("meta")  # as if offloaded
        assert not are_comparable(first, fingerprint(tiny_bert))
        assert fingerprint(tiny_bert.to("meta")) is None
        assert not are_comparable(first, None) and not are_comparable(first, 5)

    def test_weights_that_do_not_begin_at_a_word_in_memory(self, tiny_llama):
        expected = fingerprint(tiny_llama.bfloat16())
        for parameter in tiny_llama.parameters():
            memory = torch.empty(parameter.numel() + 1, dtype=parameter.dtype)
            parameter.data = memory[1:].view_as(parameter).copy_(parameter)
        assert fingerprint(tiny_llama) == expected


def test_a_loaded_model_says_where_it_is_from(tiny_llama, tmp_path):
    LlamaForCausalLM(tiny_llama.config).save_pretrained(tmp_path)
    for loader in (AutoModel, LlamaForCausalLM):
        assert origin_of(loader.from_pretrained(tmp_path, dtype=torch.bfloat16)) == {
            "backbone_name_or_path": str(tmp_path),
            "backbone_revision": None,
            "backbone_load_kwargs": {"dtype": "bfloat16"},
        }
    assert origin_of(tiny_llama)["backbone_name_or_path"] is None
    assert origin_of(tiny_llama, "v1", {"subfolder": "a"})["backbone_load_kwargs"]["subfolder"] == "a"

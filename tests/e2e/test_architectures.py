"""Heads on tiny random backbones of many architectures: alone, in company, padding side, saving, a Trainer's step."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModel, Trainer, TrainingArguments

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.model.encoding_glot import longest_text


# By each of the names that configurations have for them.
SIZES = {
    32: "hidden_size d_model dim n_embd embed_dim embedding_size word_embed_proj_dim ffn_dim d_ff hidden_dim d_inner "
    "intermediate_size encoder_ffn_dim decoder_ffn_dim lru_width",
    8: "head_dim d_kv d_head state_size attention_head_size moe_intermediate_size shared_expert_intermediate_size",
    4: "num_attention_heads n_heads n_head encoder_attention_heads decoder_attention_heads attention_heads num_heads "
    "num_local_experts num_experts attention_window",
    2: "num_hidden_layers n_layers n_layer num_layers encoder_layers decoder_layers num_key_value_heads "
    "num_experts_per_tok num_decoder_layers",
    64: "vocab_size max_position_embeddings n_positions max_seq_len context_length",
}
SMALL = {name: size for size, names in SIZES.items() for name in names.split()}
SMALL |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

# What is left to say of each.
ENCODERS = {
    "albert": {},
    "bert": {},
    "big_bird": {},
    "canine": {"num_hash_buckets": 64},
    "convbert": {},
    "deberta": {},
    "deberta-v2": {},
    "distilbert": {},
    "electra": {},
    "eurobert": {},
    "fnet": {},
    "funnel": {"architectures": ["FunnelModel"], "block_sizes": [1, 1], "block_repeats": [1, 1]},
    "longformer": {},
    "modernbert": {"global_attn_every_n_layers": 2},
    "mpnet": {},
    "nomic_bert": {},
    "nystromformer": {"num_landmarks": 4, "segment_means_seq_len": 4},
    "roberta": {"pad_token_id": 1},
    "xlm": {},
    "xlm-roberta": {"pad_token_id": 1},
    "xlnet": {},
}
ENCODERS_OF_BOTH = {  # an encoder and a decoder
    "bart": {},
    "m2m_100": {},
    "mbart": {},
    "pegasus": {},
    "t5": {},
}
DECODERS = {
    "bloom": {},
    "codegen": {"rotary_dim": 4},
    "cohere": {},
    "falcon": {},
    "gemma2": {},
    "gemma3_text": {},
    "gpt2": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 4},
    "gpt_neox": {},
    "llama": {},
    "mistral": {},
    "modernbert-decoder": {},
    "mpt": {},
    "olmo2": {},
    "opt": {"word_embed_proj_dim": 16},
    "phi3": {},
    "qwen2": {},
    "qwen3": {},
    "smollm3": {},
    "stablelm": {},
    "xglm": {},
}
MIXTURES_OF_EXPERTS = {
    "gpt_oss": {},
    "mixtral": {},
    "qwen2_moe": {},
}
RECURRENT = {
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "mamba": {},
    "mamba2": {"num_heads": 8, "n_groups": 1},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "rwkv": {},
}
ARCHITECTURES = ENCODERS | ENCODERS_OF_BOTH | DECODERS | MIXTURES_OF_EXPERTS | RECURRENT


def small_config(architecture):
    config_class = CONFIG_MAPPING[architecture]
    names = {field.name for field in dataclasses.fields(config_class)}
    names |= {alias for alias, name in config_class.attribute_map.items() if name not in SMALL}
    sizes = {name: size for name, size in SMALL.items() if name in names}
    return AutoConfig.for_model(architecture, **sizes | ARCHITECTURES[architecture])


@pytest.fixture(params=sorted(ARCHITECTURES))
def backbone(request):
    torch.manual_seed(0)
    return AutoModel.from_config(small_config(request.param)).eval()


@pytest.fixture
def batch(backbone):
    """The same three sentences, padded on the right and on the left."""
    generator = torch.Generator().manual_seed(0)
    pad = getattr(backbone.config, "pad_token_id", None) or 0
    shortest = {"canine": 4, "funnel": 3}.get(backbone.config.model_type, 1)  # what they take themselves
    rows = [torch.randint(3, 64, (length,), generator=generator) for length in (9, shortest, 5)]
    sides = {}
    for side in ("right", "left"):
        ids, mask = torch.full((3, 9), pad), torch.zeros(3, 9, dtype=torch.long)
        for index, row in enumerate(rows):
            place = slice(0, len(row)) if side == "right" else slice(9 - len(row), 9)
            ids[index, place], mask[index, place] = row, 1
        sides[side] = {"input_ids": ids, "attention_mask": mask}
    return sides


def test_one_head(backbone, batch, tmp_path):
    torch.manual_seed(0)
    model = GlotForSequenceClassification.from_backbone(backbone, num_labels=3, gnn_hidden_size=8, tau=0.0)
    with torch.no_grad():
        right, left = model(**batch["right"]).logits, model(**batch["left"]).logits
        alone = torch.cat([model(input_ids=ids[None, mask.bool()]).logits for ids, mask in rows_of(batch)])
    torch.testing.assert_close(right, alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(left, alone, rtol=1e-5, atol=1e-5)
    longest = longest_text(SimpleNamespace(model_max_length=10**30), model.glot.backbone) or 70
    assert longest >= 62
    with torch.no_grad():  # as long as any text may be
        assert model(input_ids=torch.full((1, longest), 5)).logits.isfinite().all()

    backbone.save_pretrained(tmp_path / "backbone")
    model.save_pretrained(tmp_path / "head")
    assert (tmp_path / "head" / "model.safetensors").stat().st_size < 200_000
    reloaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head", backbone=tmp_path / "backbone")
    for name, parameter in reloaded.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter)
    with torch.no_grad():  # where operands lie in memory can change how a matrix product is rounded
        torch.testing.assert_close(reloaded(**batch["right"]).logits, right, rtol=1e-6, atol=1e-6)

    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    rows = [
        {"labels": label, **dict(zip(batch["left"], row))} for label, row in enumerate(zip(*batch["left"].values()))
    ]
    arguments = TrainingArguments(
        str(tmp_path), max_steps=2, learning_rate=1e-2, save_strategy="no", report_to="none", use_cpu=True
    )
    trainer = Trainer(model, arguments, train_dataset=rows)
    trainer.train()
    assert all(parameter.grad is None for parameter in model.glot.backbone.parameters())
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert "classifier.weight" in changed and any(name.startswith("glot.head.") for name in changed)
    assert not any(name.startswith("glot.backbone.") for name in changed)


# The others' lower layers have no state of the head's width for each token.
@pytest.mark.parametrize("backbone", sorted(ARCHITECTURES.keys() - {"canine", "funnel", "opt"}), indirect=True)
def test_blocks_above_the_layer_are_not_run(backbone, batch):
    """The states are those of a whole run; where a backbone lets itself be stopped, its last block is not run."""
    depth = getattr(backbone.config, "num_hidden_layers", 0)
    lists = [part for part in backbone.modules() if isinstance(part, torch.nn.ModuleList) and len(part) == depth]
    model = GlotModel.from_backbone(backbone, backbone_layers=[1, 0], layer_mix="concat", pooling="mean")
    calls = []
    for blocks in lists:
        blocks[-1].register_forward_hook(lambda *_: calls.append(None))
    for side in batch.values():
        whole = model(**side, output_hidden_states=True).pooler_output
        early = model(**side).pooler_output
        torch.testing.assert_close(early, whole, rtol=1e-5, atol=1e-5)
        calls.clear()
        torch.testing.assert_close(model(**side).pooler_output, whole, rtol=1e-5, atol=1e-5)
    if backbone.config.model_type in ("bert", "gpt2", "llama", "gemma3_text", "mpnet", "roberta", "qwen3"):
        assert not calls


@pytest.mark.parametrize("backbone", sorted(ENCODERS_OF_BOTH), indirect=True)
def test_only_the_encoder_is_read(backbone, batch):
    """As transformers itself runs it, on a batch that is padded as the model expects."""
    with torch.no_grad():
        model = GlotModel.from_backbone(backbone, gnn_hidden_size=8)
        states = model(**batch["right"], output_hidden_states=True).hidden_states[-1]
        expected = backbone(**batch["right"], decoder_input_ids=torch.ones(3, 1, dtype=torch.long))
    valid = batch["right"]["attention_mask"].bool()
    torch.testing.assert_close(states[valid], expected.encoder_last_hidden_state[valid])


@pytest.mark.parametrize("backbone", ["llama", "roberta"], indirect=True)
@pytest.mark.parametrize("jumping_knowledge", ["cat", "max", "mean", "last"])
@pytest.mark.parametrize("gnn_type", ["gat", "gcn", "gin", "gine", "sage"])
def test_company(backbone, batch, gnn_type, jumping_knowledge):
    """Alone, in company, in another order, on either side: the same vector, whatever the head."""
    model = GlotModel.from_backbone(
        backbone, gnn_type=gnn_type, jumping_knowledge=jumping_knowledge, gnn_hidden_size=8, tau=0.2
    )
    with torch.no_grad():
        states = model(**batch["right"], output_hidden_states=True).hidden_states[-1]
        right, left = (model(**batch[side]).pooler_output for side in ("right", "left"))
        turned = model(**{name: rows.flip(0) for name, rows in batch["left"].items()}).pooler_output.flip(0)
        alone = torch.cat([model(input_ids=ids[None, mask.bool()]).pooler_output for ids, mask in rows_of(batch)])
    cosines = torch.nn.functional.cosine_similarity(states[:, :, None], states[:, None], dim=-1)
    assert ((cosines - 0.2).abs() > 1e-5).all()  # else an edge could flip: draw other sentences
    for vectors in (right, left, turned):
        differences = (vectors - alone).norm(dim=-1) / alone.norm(dim=-1)
        assert differences.max() < 1e-5


def rows_of(batch):
    return zip(batch["right"]["input_ids"], batch["right"]["attention_mask"])

"""Heads on tiny random backbones of many architectures: padding side, saving, training step."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from glot_hf import GlotForSequenceClassification, GlotModel


SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DECODER = SMALL | {"num_key_value_heads": 2, "head_dim": 8}
ARCHITECTURES = {
    "albert": SMALL | {"embedding_size": 16},
    "bert": SMALL,
    "deberta-v2": SMALL,
    "distilbert": {"vocab_size": 64, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "electra": SMALL | {"embedding_size": 16},
    "gemma2": DECODER,
    "gemma3_text": DECODER,
    "gpt2": {"vocab_size": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    "gpt_neox": SMALL,
    "llama": DECODER,
    "mamba": {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "pad_token_id": 0},
    "mistral": DECODER,
    "modernbert": SMALL | {"global_attn_every_n_layers": 2},
    "mpnet": SMALL,
    "opt": {
        "vocab_size": 64,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "ffn_dim": 48,
        "word_embed_proj_dim": 16,
        "max_position_embeddings": 64,
    },
    "phi3": DECODER,
    "qwen2": DECODER,
    "qwen3": DECODER,
    "roberta": SMALL | {"pad_token_id": 1},
    "smollm3": DECODER,
    "t5": {"vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4},
    "xlm-roberta": SMALL | {"pad_token_id": 1},
}


@pytest.fixture(params=sorted(ARCHITECTURES))
def backbone(request):
    torch.manual_seed(0)
    return AutoModel.from_config(AutoConfig.for_model(request.param, **ARCHITECTURES[request.param])).eval()


@pytest.fixture
def batch(backbone):
    """The same three sentences, padded on the right and on the left."""
    generator = torch.Generator().manual_seed(0)
    pad = backbone.config.pad_token_id or 0
    rows = [torch.randint(3, 64, (length,), generator=generator) for length in (9, 1, 5)]
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
    torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-5)

    backbone.save_pretrained(tmp_path / "backbone")
    model.save_pretrained(tmp_path / "head")
    assert (tmp_path / "head" / "model.safetensors").stat().st_size < 200_000
    reloaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head", backbone=tmp_path / "backbone")
    for name, parameter in reloaded.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter)
    with torch.no_grad():  # where operands lie in memory can change how a matrix product is rounded
        torch.testing.assert_close(reloaded(**batch["right"]).logits, right, rtol=1e-6, atol=1e-6)

    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(10):
        loss = model.train()(**batch["left"], labels=torch.tensor([0, 1, 2])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is None for parameter in model.glot.backbone.parameters())


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

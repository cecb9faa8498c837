"""A frozen backbone that FSDP shards over processes, and a head that each of them has whole."""

import torch
from forked_processes import run_together
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import BertConfig, BertModel, Trainer, TrainingArguments

from glot_hf import GlotForSequenceClassification


def train(rank, world_size, folder):
    """With stock Trainer, 16 rows a step in all. Saves the head, and its losses and the share of the backbone here."""
    arguments = TrainingArguments(  # makes the process group
        str(folder),
        use_cpu=True,
        max_steps=4,
        per_device_train_batch_size=16 // world_size,
        learning_rate=1e-3,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
    )
    torch.manual_seed(0)
    backbone = BertModel(
        BertConfig(vocab_size=98, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37)
    ).requires_grad_(False)
    if world_size > 1:
        mesh = init_device_mesh("cpu", (world_size,))
        for layer in (*backbone.encoder.layer, backbone):
            fully_shard(layer, mesh=mesh)
    here = sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in backbone.parameters())
    share = here / sum(p.numel() for p in backbone.parameters())
    torch.manual_seed(0)
    model = GlotForSequenceClassification.from_backbone(backbone, num_labels=2, gnn_hidden_size=8)
    ids = torch.randint(0, 98, (64, 12))
    rows = [{"input_ids": row, "attention_mask": torch.ones_like(row), "labels": int(row[0] % 2)} for row in ids]
    trainer = Trainer(model, arguments, train_dataset=rows)
    trainer.train()
    trainer.save_model(str(folder))
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    torch.save({"losses": losses, "share": share}, folder / f"result{rank}.pt")


def run(world_size, folder):
    run_together(world_size, train, world_size, folder)
    return [torch.load(folder / f"result{rank}.pt", weights_only=True) for rank in range(world_size)]


def test_a_head_trains_the_same_on_a_sharded_backbone(tmp_path):
    (one,) = run(1, tmp_path / "one")
    two, other = run(2, tmp_path / "two")
    assert one["share"] == 1 and two["share"] < 0.6 and other["share"] < 0.6
    assert len(one["losses"]) == 4
    torch.testing.assert_close(torch.tensor(two["losses"]), torch.tensor(one["losses"]), rtol=0, atol=1e-5)
    heads = [
        GlotForSequenceClassification.from_pretrained(tmp_path / name, load_backbone=False) for name in ("one", "two")
    ]
    states = torch.randn(8, 12, 32, generator=torch.Generator().manual_seed(1))
    # Not their weights: the readout's last bias has no effect, so its gradient is rounding, which Adam scales up.
    one, two = (head.eval()(hidden_states=states).logits for head in heads)
    torch.testing.assert_close(two, one, rtol=0, atol=1e-5)

"""input_norm: against torch and scikit-learn, learned by stock Trainer, saved with the head."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.preprocessing import StandardScaler
from transformers import Trainer, TrainingArguments

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotPooler
from glot_hf.states.running import HiddenStateCollator


SIZE = 5


def batches(count=4, layers=()):
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        hidden = torch.randn(3, 6, *layers, SIZE, generator=generator) * torch.tensor([0.01, 1, 5, 100, 1e4]) + 7
        mask = torch.rand(3, 6, generator=generator) < 0.6
        hidden[~mask] = torch.nan
        yield hidden, mask


@pytest.mark.parametrize("layers", [(), (2,)])
def test_standard_sees_what_a_scaler_sees(layers):
    """The statistics of all valid tokens so far, whatever the batches."""
    options = {"backbone_layers": [0, 1]} if layers else {}
    pooler = GlotPooler(GlotConfig(input_size=SIZE, input_norm="standard", pooling="mean", **options)).train()
    scaler = StandardScaler()
    for hidden, mask in batches(layers=layers):
        pooler(hidden, mask)
        scaler.partial_fit(hidden[mask].flatten(1))
        norm = pooler.input_norm
        assert norm.num_tokens == scaler.n_samples_seen_
        torch.testing.assert_close(norm.mean.flatten(), torch.from_numpy(scaler.mean_).float())
        torch.testing.assert_close(norm.deviation.flatten(), torch.from_numpy(scaler.var_**0.5).float())
    tokens = torch.randn(1, 1, *layers, SIZE) * 100
    expected = torch.from_numpy(scaler.transform(tokens.flatten(1))).float().view(tokens.shape)
    expected = expected.mean(dim=2) if layers else expected  # the mix of two layers with equal scores
    torch.testing.assert_close(pooler.eval()(tokens), expected[:, 0], rtol=1e-4, atol=1e-4)


def test_standard_learns_in_training_mode_only():
    pooler = GlotPooler(GlotConfig(input_size=SIZE, input_norm="standard"))
    hidden, mask = next(batches())
    before = {name: tensor.clone() for name, tensor in pooler.state_dict().items()}
    pooler.eval()(hidden, mask)
    assert all(torch.equal(tensor, before[name]) for name, tensor in pooler.state_dict().items())
    pooler.train()(hidden, torch.zeros_like(mask))  # no token, no evidence
    assert all(torch.equal(tensor, before[name]) for name, tensor in pooler.state_dict().items())
    pooler(hidden, mask)
    assert pooler.input_norm.num_tokens == mask.sum()


def test_a_dimension_that_never_varies_stays_small():
    pooler = GlotPooler(GlotConfig(input_size=SIZE, input_norm="standard", pooling="mean")).train()
    hidden = torch.randn(4, 50, SIZE)
    hidden[:, :, 0] = 12345.678
    assert pooler(hidden).abs().max() < 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    """Also of a dimension whose variance float16 cannot hold, and of one that never varies."""
    pooler = GlotPooler(GlotConfig(input_size=SIZE, input_norm="standard", pooling="mean")).train()
    hidden = torch.randn(4, 50, SIZE) * torch.tensor([1.0, 1.0, 1.0, 1.0, 4000.0])
    hidden[:, :, 0] = 3.0
    expected = pooler(hidden)
    actual = pooler.eval().to(dtype)(hidden.to(dtype))
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.float(), expected, atol=0.05, rtol=0.05)


def test_standard_without_training_changes_little():
    pooler = GlotPooler(GlotConfig(input_size=SIZE, input_norm="standard", pooling="mean")).eval()
    hidden = torch.randn(2, 3, SIZE)
    torch.testing.assert_close(pooler(hidden), hidden.mean(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layers", [(), (2,)])
def test_layer_is_layer_norm(layers):
    options = {"backbone_layers": [0, 1]} if layers else {}
    pooler = GlotPooler(GlotConfig(input_size=SIZE, input_norm="layer", pooling="mean", **options))
    assert not list(pooler.input_norm.state_dict())
    hidden = torch.randn(2, 3, *layers, SIZE) * 50 + 3
    expected = F.layer_norm(hidden, (SIZE,))
    torch.testing.assert_close(pooler(hidden), (expected.mean(2) if layers else expected).mean(1))


@pytest.mark.parametrize("input_norm", ["layer", "standard"])
def test_the_graph_is_of_normalised_states(input_norm):
    """One huge dimension makes all tokens alike to a cosine; normalised, they differ."""
    hidden = torch.randn(2, 8, SIZE)
    hidden[:, :, 0] += 1e4
    mask = torch.ones(2, 8)
    edges = {}
    for name in ("none", input_norm):
        pooler = GlotPooler(GlotConfig(input_size=SIZE, input_norm=name, tau=0.9)).train()
        edges[name] = pooler(hidden, mask, return_details=True).adjacency
    assert edges["none"].all()
    if input_norm == "standard":
        states = (hidden - hidden.mean((0, 1))) / hidden.std((0, 1), correction=0)
    else:
        states = F.layer_norm(hidden, (SIZE,))
    cosines = F.cosine_similarity(states[:, :, None], states[:, None], dim=-1)
    sure = (cosines - 0.9).abs() > 1e-3
    assert torch.equal(edges[input_norm][sure], (cosines > 0.9)[sure])
    assert input_norm == "layer" or not edges[input_norm].all()  # a LayerNorm keeps what is huge in every token


def test_stock_trainer_learns_and_saves_it(tmp_path):
    generator = torch.Generator().manual_seed(0)
    rows = [
        {"hidden_states": torch.randn(length, SIZE, generator=generator) * 40 + 9, "labels": length % 2}
        for length in range(2, 18)
    ]
    model = GlotForSequenceClassification(GlotConfig(input_size=SIZE, input_norm="standard", gnn_hidden_size=4))
    arguments = TrainingArguments(str(tmp_path), num_train_epochs=1, per_device_train_batch_size=4, report_to="none")
    Trainer(model, arguments, train_dataset=rows, data_collator=HiddenStateCollator()).train()
    tokens = torch.cat([row["hidden_states"] for row in rows])
    norm = model.glot.head.input_norm
    assert norm.num_tokens == len(tokens)
    torch.testing.assert_close(norm.mean.cpu(), tokens.mean(0))
    model.save_pretrained(tmp_path / "head")
    reloaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head")
    batch = HiddenStateCollator()(rows[:3])
    model.eval().cpu()
    torch.testing.assert_close(reloaded(**batch).logits, model(**batch).logits)

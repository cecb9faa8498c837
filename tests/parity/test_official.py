"""The head computes what the released GLOT code computes (golden files made by running that code)."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from glot_hf import GlotConfig, GlotPooler
from glot_hf.convert import convert_official_state_dict


GOLDEN = Path(__file__).parent / "golden"
GNN_FILES = sorted(path.stem for path in GOLDEN.glob("official_g*.safetensors"))


def load(stem):
    with safe_open(GOLDEN / f"{stem}.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, file.metadata()


def part(tensors, prefix):
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def relative_error(actual, expected):
    return ((actual - expected).norm() / expected.norm()).item()


def glot_pooler(stem):
    tensors, metadata = load(stem)
    config = GlotConfig(
        input_size=tensors["input.hidden_states"].shape[-1],
        gnn_type=metadata["conv"],
        num_gnn_layers=int(metadata["num_layers"]),
        gnn_hidden_size=int(metadata["hidden_dim"]),
        jumping_knowledge=metadata["jk"],
        similarity_threshold=float(metadata["tau"]),
    )
    pooler = GlotPooler(config)
    pooler.load_state_dict(convert_official_state_dict(part(tensors, "weight."), metadata["conv"]))
    return pooler, tensors, metadata


def test_all_twelve_files_are_here():
    assert len(GNN_FILES) == 12


@pytest.mark.parametrize("stem", GNN_FILES)
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_forward(stem, mode):
    pooler, tensors, _ = glot_pooler(stem)
    output = pooler.train(mode == "train")(tensors["input.hidden_states"], tensors["input.attention_mask"])
    assert relative_error(output, tensors[f"output.{mode}"]) < 1e-5


@pytest.mark.parametrize("stem", GNN_FILES)
def test_gradients(stem):
    pooler, tensors, metadata = glot_pooler(stem)
    output = pooler.train()(tensors["input.hidden_states"], tensors["input.attention_mask"])
    output.square().sum().backward()
    golden = convert_official_state_dict(part(tensors, "grad."), metadata["conv"])
    assert set(golden) == {name for name, _ in pooler.named_parameters()}
    whole = torch.cat([gradient.flatten() for gradient in golden.values()]).norm()
    for name, parameter in pooler.named_parameters():
        difference = (parameter.grad - golden[name]).norm()
        assert difference <= 1e-4 * golden[name].norm() + 1e-6 * whole, name


def test_adapool():
    tensors, metadata = load("official_adapool")
    config = GlotConfig(
        pooling="adapool",
        input_size=tensors["input.hidden_states"].shape[-1],
        readout_hidden_size=int(metadata["hidden_dim"]),
    )
    pooler = GlotPooler(config).eval()
    pooler.load_state_dict(convert_official_state_dict(part(tensors, "weight.")))
    output = pooler(tensors["input.hidden_states"], tensors["input.attention_mask"])
    assert relative_error(output, tensors["output.eval"]) < 1e-5


def test_running_statistics_follow_training():
    """The statistics that a released checkpoint carries are of PyTorch's batch norm: ours must move the same way."""
    pooler, tensors, _ = glot_pooler("official_gin_cat")
    layer = pooler.pooling.layers[0]
    layer.norm.reset_running_stats()
    reference = torch.nn.BatchNorm1d(layer.norm.num_features)
    mask = tensors["input.attention_mask"].bool()
    hidden = torch.randn(*mask.shape, layer.norm.num_features)
    layer.norm.train()(hidden.flatten(0, 1), mask.flatten())
    reference.train()(hidden[mask])
    torch.testing.assert_close(layer.norm.running_mean, reference.running_mean)
    torch.testing.assert_close(layer.norm.running_var, reference.running_var)
    assert layer.norm.num_batches_tracked == 1


def test_unknown_parameters_are_refused():
    with pytest.raises(ValueError, match="convs.0.surprise"):
        convert_official_state_dict({"convs.0.surprise": torch.zeros(1)}, "gat")
    with pytest.raises(ValueError, match="gine"):
        convert_official_state_dict({}, "transformer")
    with pytest.raises(ValueError, match="epsilon"):
        convert_official_state_dict({"convs.0.eps": torch.ones(1)}, "gin")

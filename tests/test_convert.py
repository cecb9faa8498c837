"""What the tensors of a released pooler tell of its options."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from glot_hf.convert import infer_official_options


GOLDEN = sorted((Path(__file__).parent / "parity" / "golden").glob("*.safetensors"))


def released(path):
    """Weights as the released code saves them, and what it was run with."""
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith("weight.")]  # noqa: SIM118
        return {name.removeprefix("weight."): file.get_tensor(name) for name in names}, file.metadata()


def tensors(**shapes):
    return {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files(path):
    weights, metadata = released(path)
    if metadata.get("pooling") == "adapool":
        expected = {"pooling": "adapool", "input_size": 24, "readout_hidden_size": int(metadata["hidden_dim"])}
    else:
        expected = {
            "pooling": "glot",
            "input_size": 24,
            "gnn_type": metadata["conv"],
            "num_gnn_layers": int(metadata["num_layers"]),
            "gnn_hidden_size": int(metadata["hidden_dim"]),
            "num_attention_heads": 1,
            "readout_hidden_size": 128,
        }
        if metadata["jk"] == "cat":
            expected["jumping_knowledge"] = "cat"
    assert infer_official_options(weights) == expected


def test_other_sizes():
    readout = {"score_layer__0__weight": (200, 10 + 12 * 6)}
    layers = {f"convs__{layer}__lin__weight": (6, 10 if layer == 0 else 6) for layer in range(12)}
    options = infer_official_options(tensors(**readout, **layers, convs__0__att_src=(1, 3, 2)))
    assert (options["num_gnn_layers"], options["gnn_hidden_size"], options["input_size"]) == (12, 6, 10)
    assert (options["num_attention_heads"], options["readout_hidden_size"]) == (3, 200)
    assert options["jumping_knowledge"] == "cat"


def test_of_one_layer_max_is_mean():
    options = infer_official_options(tensors(score_layer__0__weight=(128, 6), convs__0__lin__weight=(6, 10)))
    assert options["jumping_knowledge"] == "max"


@pytest.mark.parametrize(
    "state_dict",
    [
        {},
        tensors(mlp__lins__0__weight=(3, 3)),
        tensors(score_layer__0__weight=(3,)),
        tensors(score_layer__0__weight=(3, 3), convs__0__att=(3, 3)),
        tensors(score_layer__0__weight=(3, 3), convs__0__lin__weight=(3, 3), convs__0__att_src=(3,)),
    ],
)
def test_other_models(state_dict):
    with pytest.raises(ValueError, match="not the tensors of a released glot or adapool pooler"):
        infer_official_options(state_dict)


def test_a_readout_of_another_width():
    with pytest.raises(ValueError, match=r"width 9, but jumping knowledge gives 10 \+ 1 \* 6 \(cat\) or 6"):
        infer_official_options(tensors(score_layer__0__weight=(128, 9), convs__0__lin__weight=(6, 10)))

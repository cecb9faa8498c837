# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Weights of the released GLOT code -> weights of [`GlotPooler`]."""

import re
from typing import Any

from torch import Tensor


# (released name, our name); the released score layer is a Sequential, as is ours.
_COMMON = [(r"score_layer\.", "pooling.readout.score_layer.")]
_GRAPH_LAYERS = {
    "gat": [(r"convs\.(\d+)\.(lin\.weight|lin_edge\.weight|att_src|att_dst|att_edge|bias)", r"pooling.layers.\1.\2")],
    "gcn": [(r"convs\.(\d+)\.(lin\.weight|bias)", r"pooling.layers.\1.\2")],
    "gin": [
        (r"convs\.(\d+)\.nn\.lins\.0\.", r"pooling.layers.\1.lin_in."),
        (r"convs\.(\d+)\.nn\.norms\.0\.module\.", r"pooling.layers.\1.norm."),
        (r"convs\.(\d+)\.nn\.lins\.1\.", r"pooling.layers.\1.lin_out."),
    ],
}
_GRAPH_LAYERS["gine"] = [*_GRAPH_LAYERS["gin"], (r"convs\.(\d+)\.lin\.", r"pooling.layers.\1.lin_edge.")]


def convert_official_state_dict(state_dict: dict[str, Tensor], gnn_type: str | None = None) -> dict[str, Tensor]:
    """
    Rename the parameters of the released GLOT pooler (github.com/ipsitmantri/GLOT) to those of [`GlotPooler`].

    Args:
        state_dict (`dict[str, Tensor]`): of the released pooler; the tensors are passed on unchanged.
        gnn_type (`str`, *optional*): `"gat"`, `"gcn"`, `"gin"` or `"gine"`; None for the released AdaPool.

    Returns:
        `dict[str, Tensor]`: loads with `GlotPooler(config).load_state_dict(..., strict=True)`, where `config` has the
        same `gnn_type`, or `pooling="adapool"`.

    Raises:
        ValueError: an unknown `gnn_type`, a parameter that it does not have, or a trained GIN epsilon, which released
            checkpoints do not have and these layers do not compute.
    """
    if gnn_type is not None and gnn_type not in _GRAPH_LAYERS:
        raise ValueError(f"gnn_type={gnn_type!r} is not one of {sorted(_GRAPH_LAYERS)}, or None for AdaPool")
    renames = _COMMON + (_GRAPH_LAYERS[gnn_type] if gnn_type else [])
    converted = {}
    for name, tensor in state_dict.items():
        if gnn_type in ("gin", "gine") and name.endswith(".eps"):
            if tensor.count_nonzero():
                raise ValueError(f"`{name}` is {tensor.tolist()}, but only GIN layers with a fixed epsilon of 0 exist")
            continue
        for pattern, replacement in renames:
            new_name, count = re.subn(f"^{pattern}", replacement, name)
            if count:
                converted[new_name] = tensor
                break
        else:
            raise ValueError(f"`{name}` is not a parameter of the released pooler with gnn_type={gnn_type!r}")
    return converted


def infer_official_options(state_dict: dict[str, Tensor]) -> dict[str, Any]:
    """
    The [`GlotConfig`] options of a released pooler, as far as the names and shapes of its tensors tell them.

    A released `glot` pooler without graph layers has an AdaPool's tensors, and computes what that does.

    Returns:
        `dict`: for AdaPool all options. For GLOT never `similarity_threshold`, which leaves no trace, and no
        `jumping_knowledge` where it is "max" or "mean" of several layers: those have the same tensors.

    Raises:
        ValueError: these are not the tensors of a released `glot` or `adapool` pooler.
    """
    num_layers = len({name.split(".")[1] for name in state_dict if name.startswith("convs.")})
    try:
        readout_hidden_size, pooled_size = state_dict["score_layer.0.weight"].shape
        if num_layers == 0:
            return {"pooling": "adapool", "input_size": pooled_size, "readout_hidden_size": readout_hidden_size}
        if "convs.0.nn.lins.0.weight" in state_dict:
            gnn_type = "gine" if "convs.0.lin.weight" in state_dict else "gin"
            hidden_size, input_size = state_dict["convs.0.nn.lins.0.weight"].shape
        else:
            gnn_type = "gat" if "convs.0.att_src" in state_dict else "gcn"
            hidden_size, input_size = state_dict["convs.0.lin.weight"].shape
        num_heads = state_dict["convs.0.att_src"].shape[1] if gnn_type == "gat" else 1
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(
            f"these are not the tensors of a released glot or adapool pooler ({error!r}), but {sorted(state_dict)[:3]}"
            "...: save pooler.state_dict()"
        ) from error
    options = {
        "pooling": "glot",
        "input_size": input_size,
        "gnn_type": gnn_type,
        "num_gnn_layers": num_layers,
        "gnn_hidden_size": hidden_size,
        "num_attention_heads": num_heads,
        "readout_hidden_size": readout_hidden_size,
    }
    if pooled_size == input_size + num_layers * hidden_size:
        return {**options, "jumping_knowledge": "cat"}
    if pooled_size != hidden_size:
        raise ValueError(
            f"the readout's input has width {pooled_size}, but jumping knowledge gives {input_size} + {num_layers} * "
            f"{hidden_size} (cat) or {hidden_size} (max, mean)"
        )
    return {**options, "jumping_knowledge": "max"} if num_layers == 1 else options  # of one layer, max is mean

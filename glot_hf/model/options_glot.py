# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Every option of a head: its type, default, help and check. Neither torch nor transformers is imported for them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any, Literal

from huggingface_hub.dataclasses import validated_field


ALIASES = {"tau": "similarity_threshold"}  # other names of options

# The `backbone_kwargs` that are recorded with a head and used again when it is loaded. Others (device_map, token,
# attn_implementation, trust_remote_code, ...) belong to one machine or to one decision of trust, and are never stored.
RECORDED_BACKBONE_KWARGS = ("dtype", "gguf_file", "quantization_config", "subfolder", "variant")

READOUTS = ("attention", "mean", "max")
TOKEN_FEATURES = {"surprisal": 4}  # how many numbers a token each is

WIDEST = 65_536  # the largest width, and number of latents or classes
_DEEPEST = 1_000  # the highest index of a backbone's layer


def _at_most(highest: int, lowest: int = 1) -> Callable[[int | None], None]:
    """Return a check of a size, whose upper bound is far above what is of use: a file may hold any number."""
    kind = "a positive integer" if lowest else "0 or a positive integer"

    def check(value: int | None) -> None:
        if value is not None and not lowest <= value <= highest:
            raise ValueError(f"must be {kind}, at most {highest:,}, got {value}")

    return check


_size = _at_most(WIDEST)


def _probability(value: float | None) -> None:
    if value is not None and not 0 < value < 1:
        raise ValueError(f"is a probability between 0 and 1, got {value}")


def _below_one(value: float) -> None:
    if not -1 <= value < 1:
        raise ValueError(f"tau is a cosine threshold in [-1, 1), got {value}")


def _dropout(value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"is the chance that a number is dropped, in [0, 1), got {value}")


def _readouts(value: str | list[str]) -> None:
    kinds = value if isinstance(value, list) else [value]
    if not kinds:
        raise ValueError(f"is an empty list: give one or more of {list(READOUTS)}")
    if unknown := [kind for kind in kinds if kind not in READOUTS]:
        raise ValueError(f"is one of {list(READOUTS)}, or a list of several, got {unknown[0]!r}")
    if len(set(kinds)) != len(kinds):
        raise ValueError(f"names a readout twice: {value}")


def _token_features(value: list[str] | None) -> None:
    if value is None:
        return
    if unknown := [feature for feature in value if feature not in TOKEN_FEATURES]:
        raise ValueError(f"is a list of {list(TOKEN_FEATURES)}, got {unknown[0]!r}")
    if not value or len(set(value)) != len(value):
        raise ValueError(f"must name each feature once, or be None, got {value}")


def size_of_features(token_features: list[str] | None) -> int:
    """Return how many numbers stand behind the states of each token."""
    return sum(TOKEN_FEATURES[feature] for feature in token_features or ())


def _layers(value: int | list[int]) -> None:
    layers = value if isinstance(value, list) else [value]
    if not layers:
        raise ValueError("is an empty list: give a layer index such as -1, or a list of indices to mix")
    if len(set(layers)) != len(layers):
        raise ValueError(f"names a layer twice: {value}")
    if beyond := [layer for layer in layers if abs(layer) > _DEEPEST]:
        raise ValueError(f"has layers from -{_DEEPEST:,} to {_DEEPEST:,}, got {beyond[0]}")


def is_dtype(value: Any) -> bool:
    """Return whether this is a floating-point dtype of torch, or the name of one; also None, which chooses none."""
    if value is None:
        return True
    import torch

    value = getattr(torch, value, None) if isinstance(value, str) else value
    return isinstance(value, torch.dtype) and value.is_floating_point


def require_recordable(value: dict[str, Any] | None) -> None:
    """
    Check options for loading a backbone, wherever the file that names them is from.

    Raises:
        ValueError: they are more than `RECORDED_BACKBONE_KWARGS`, or name a file outside the backbone's folder.
    """
    value = value or {}
    if unknown := sorted(set(value) - set(RECORDED_BACKBONE_KWARGS)):
        raise ValueError(
            f"cannot hold {unknown}: only {list(RECORDED_BACKBONE_KWARGS)} are recorded with a head. "
            "Pass the others as `backbone_kwargs` each time the head is loaded; of them, the command line has "
            "--trust_remote_code"
        )
    for name in ("gguf_file", "subfolder", "variant"):
        if not isinstance(value.get(name, ""), str | None):
            raise ValueError(f"{name} {value[name]!r} is not a text: name what is inside the backbone's folder")
        path = PureWindowsPath(value.get(name) or "")  # it knows both separators, and drives
        if path.anchor or ".." in path.parts:
            raise ValueError(f"{name} {value[name]!r} leaves the backbone's folder: name what is inside it")
    if (dtype := value.get("dtype", "auto")) != "auto" and (dtype is None or not is_dtype(dtype)):
        raise ValueError(f"dtype {dtype!r} is not a torch dtype: valid are float32, bfloat16, float16 and the like")


def model_option(default: Any, help: str, *validators: Callable[[Any], None]) -> Any:
    """Return a dataclass field with a help text and checks that raise ValueError."""
    return validated_field(list(validators), default=default, metadata={"help": help})


# The names of the methods stay those of `PreTrainedConfig`, which `GlotConfig` inherits from too.
@dataclass(kw_only=True, repr=False, eq=False)
class HeadOptions:
    """The options of [`~glot_hf.GlotConfig`] that a command line can hold, and where the backbone comes from."""

    backbone_name_or_path: str | None = model_option(None, "Repository or folder of the frozen backbone.")
    backbone_revision: str | None = model_option(None, "Commit, branch or tag of the backbone.")
    backbone_load_kwargs: dict[str, Any] | None = model_option(
        None,
        "Recorded `AutoModel.from_pretrained` options of the backbone, e.g. dtype or gguf_file.",
        require_recordable,
    )
    backbone_in_checkpoint: bool = model_option(False, "Save the backbone's weights in the head's own checkpoint.")
    input_size: int | None = model_option(
        None, "Width d of the hidden states; taken from the backbone's configuration when there is one.", _size
    )
    backbone_layers: int | list[int] = model_option(
        -1, "Hidden layer to read (0 is the embeddings, -1 the last), or a list, joined as layer_mix says.", _layers
    )
    layer_mix: Literal["learned", "concat"] = model_option(
        "learned",
        "How a list of backbone_layers becomes one state a token: a mix by learned weights, or all side by side.",
    )
    token_features: list[str] | None = model_option(
        None,
        "Numbers beside the states of each token: surprisal = how probable a decoder with tied embeddings found it, "
        "for which the whole backbone runs.",
        _token_features,
    )
    input_norm: Literal["none", "layer", "standard"] = model_option(
        "none",
        "Normalise the token states before anything else: layer = each token to mean 0 and deviation 1, "
        "standard = each dimension, by statistics of the training data. The paper does not.",
    )
    pooling: Literal[
        "glot",
        "mean",
        "max",
        "cls",
        "last",
        "adapool",
        "weighted_mean",
        "cross_attention",
        "latent_attention",
        "multi_query",
        "deepsets",
    ] = model_option("glot", "How token states become a sentence vector.")
    graph_type: Literal["similarity", "self"] = model_option(
        "similarity",
        "Which tokens glot joins: those with similar states, or each with itself alone (the control without edges; "
        "the residual block then has no graph term).",
    )
    graph_block_size: int | None = model_option(
        None,
        "Rows of the graph in memory at a time, for long texts; by default all, and blocks where all would be many.",
        _at_most(2**31 - 1),
    )
    block: Literal["gnn", "residual"] = model_option(
        "gnn",
        "What glot makes of the tokens: gnn = the paper's graph layers, residual = num_gnn_layers pre-norm residual "
        "layers of width gnn_hidden_size, which have no gnn_type, jumping_knowledge and num_attention_heads.",
    )
    dropout: float | int = model_option(0.0, "Chance that block=residual drops a number in training.", _dropout)
    gnn_type: Literal["gat", "gcn", "gin", "gine", "sage"] = model_option(
        "gat", "Graph layer. The paper uses gat and ablates gcn and gin; sage is its formula."
    )
    num_gnn_layers: int = model_option(
        2, "Number K of graph layers; 0 leaves attention-scored pooling.", _at_most(100, lowest=0)
    )
    gnn_hidden_size: int = model_option(128, "Total width H of a graph layer, attention heads concatenated.", _size)
    num_attention_heads: int = model_option(
        1,
        "Attention heads of gat, where it must divide gnn_hidden_size, and of cross_attention, latent_attention and "
        "multi_query, where it must divide input_size.",
        _size,
    )
    num_latents: int | None = model_option(
        None, "Learned vectors: queries of multi_query (default 4), latents of latent_attention (512).", _size
    )
    similarity_threshold: float | int = model_option(
        0.6, "Tokens are joined where their cosine exceeds this (tau in the paper).", _below_one
    )
    jumping_knowledge: Literal["cat", "max", "mean", "last"] = model_option(
        "cat", "How layer outputs join: cat = [x; h1; ...; hK], max or mean over h1..hK, last = hK."
    )
    readout: str | list[str] = model_option(
        "attention",
        "How glot's token embeddings become one vector: attention (the paper), mean or max, or a list of several, "
        "side by side.",
        _readouts,
    )
    readout_hidden_size: int | None = model_option(
        None,
        "Width of the attention readout's tanh layer; default max(128, D // 2), as released, and gnn_hidden_size for "
        "block=residual.",
        _size,
    )
    projection_size: int | None = model_option(None, "Project the sentence vector linearly to this width.", _size)
    pair_mode: Literal["concat", "interaction", "cosine", "late", "late_mean"] | None = model_option(
        None,
        "Sentence pairs, each sentence encoded alone: [a; b], [a; b; |a-b|; a*b], or cosine(P a, P b); late compares "
        "their tokens, without a pooling, and late_mean, its control, tokens with the other sentence's mean.",
    )
    decision_threshold: float | None = model_option(
        None,
        "Probability of the second of two classes from which on it is the answer; default: the more probable class.",
        _probability,
    )

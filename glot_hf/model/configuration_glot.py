# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""GLOT configuration: every option of a head, and where its frozen backbone comes from."""

import copy
import difflib
from dataclasses import fields
from pathlib import PureWindowsPath
from typing import Any, Literal

import torch
from transformers.utils.versions import require_version

from .version_glot import __version__


# First of all: what is imported next does not exist in older versions. As in setup.cfg.
require_version("transformers>=5.4", "This GLOT head needs a newer transformers: pip install -U transformers")

from huggingface_hub.dataclasses import strict, validated_field  # noqa: E402
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoConfig, PreTrainedConfig  # noqa: E402
from transformers.utils import logging  # noqa: E402


logger = logging.get_logger(__name__)

# What of `backbone_kwargs` is recorded with a head and used again when it is loaded. Anything else (device_map, token,
# attn_implementation, trust_remote_code, ...) belongs to one machine or to one decision of trust, and is never stored.
RECORDED_BACKBONE_KWARGS = ("dtype", "gguf_file", "quantization_config", "subfolder", "variant")

# These can name a kernel on the Hub, which is code: they are taken from the caller and never from a config.json.
_NEVER_FROM_A_FILE = {
    f"{prefix}{part}_implementation{suffix}"
    for prefix in ("", "_")
    for part in ("attn", "experts")
    for suffix in ("", "_internal")
}

# Keys that `PreTrainedConfig` itself consumes without declaring them as fields, and notes of glot_hf's own.
_PRETRAINED_CONFIG_KEYS = {
    "_attn_implementation",
    "_commit_hash",
    "_name_or_path",
    "_output_attentions",
    "attn_implementation",
    "auto_map",
    "backbone_fingerprint",
    "custom_pipelines",
    "experts_implementation",
    "glot_hf_version",
    "model_type",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "per_layer_config",
    "tokenizer_class",
    "torch_dtype",
    "use_cache",
}


def _positive(value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"must be a positive integer, got {value}")


def _not_negative(value: int) -> None:
    if value < 0:
        raise ValueError(f"must be 0 or a positive integer, got {value}")


def _below_one(value: float) -> None:
    if not -1 <= value < 1:
        raise ValueError(f"tau is a cosine threshold in [-1, 1), got {value}")


def _layers(value: int | list[int]) -> None:
    if isinstance(value, list) and len(set(value)) != len(value):
        raise ValueError(f"names a layer twice: {value}")
    if isinstance(value, list) and not value:
        raise ValueError("is an empty list: give a layer index such as -1, or a list of indices to mix")


def require_recordable(value: dict[str, Any] | None) -> None:
    """
    Asked of all options for loading a backbone that a file names, wherever it is from.

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
        path = PureWindowsPath(str(value.get(name) or ""))  # it knows both separators, and drives
        if path.anchor or ".." in path.parts:
            raise ValueError(f"{name} {str(value[name])!r} leaves the backbone's folder: name what is inside it")
    dtype = value.get("dtype", "auto")
    if dtype != "auto" and not isinstance(getattr(torch, str(dtype), None), torch.dtype):
        raise ValueError(f"dtype {dtype!r} is not a torch dtype: valid are float32, bfloat16, float16 and the like")


def _option(default: Any, help: str, *validators):
    return validated_field(list(validators), default=default, metadata={"help": help})


@strict
class GlotConfig(PreTrainedConfig):
    r"""
    Configuration of a GLOT head (arXiv 2603.03389) on a frozen backbone. Options are validated when the configuration
    is made and whenever one is assigned; each field's `help` says what it does.

    With `d = input_size`, `K = num_gnn_layers` and `H = gnn_hidden_size`, the sentence vector has
    `hidden_size = projection_size or D`, where `D = d + K * H` for `jumping_knowledge="cat"`, `H` for the other kinds,
    `d` without graph layers (`K = 0`) and for the other poolings, but `num_latents * d` for multi_query and GLOT's own
    width for deepsets.

    `tau` is an alias of `similarity_threshold`.

    Raises:
        StrictDataclassError: an option has the wrong type or a value outside what it allows.
        ValueError: `tau` and `similarity_threshold` disagree, or `input_size` is not the backbone's hidden size.
        TypeError: an option does not exist.

    Example:

    ```python
    >>> from glot_hf import GlotConfig

    >>> config = GlotConfig(input_size=384, gnn_type="gat", gnn_hidden_size=128, num_gnn_layers=2, tau=0.6)
    >>> config.hidden_size
    640
    ```"""

    model_type = "glot"
    attribute_map = {"tau": "similarity_threshold"}
    sub_configs = {"backbone_config": AutoConfig}
    keys_to_ignore_at_inference = ["hidden_states", "attentions"]  # Trainer's metrics are of the logits
    backbone_fingerprint = None  # of the backbone's weights, noted when one is attached; see origin_glot.fingerprint

    backbone_name_or_path: str | None = _option(None, "Repository or folder of the frozen backbone.")
    backbone_revision: str | None = _option(None, "Commit, branch or tag of the backbone.")
    backbone_config: dict[str, Any] | PreTrainedConfig | None = _option(None, "The backbone's own configuration.")
    backbone_load_kwargs: dict[str, Any] | None = _option(
        None,
        "Recorded `AutoModel.from_pretrained` options of the backbone, e.g. dtype or gguf_file.",
        require_recordable,
    )
    backbone_in_checkpoint: bool = _option(False, "Save the backbone's weights in the head's own checkpoint.")
    input_size: int | None = _option(
        None, "Width d of the hidden states; taken from the backbone's configuration when there is one.", _positive
    )
    backbone_layers: int | list[int] = _option(
        -1, "Hidden layer to read (0 is the embeddings, -1 the last), or a list mixed by learned weights.", _layers
    )
    input_norm: Literal["none", "layer", "standard"] = _option(
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
    ] = _option("glot", "How token states become a sentence vector.")
    graph_type: Literal["similarity", "self"] = _option(
        "similarity",
        "Which tokens glot joins: those with similar states, or each with itself alone (the control without edges).",
    )
    graph_block_size: int | None = _option(
        None,
        "Rows of the graph in memory at a time, for long texts; by default all, and blocks where all would be many.",
        _positive,
    )
    gnn_type: Literal["gat", "gcn", "gin", "gine", "sage"] = _option(
        "gat", "Graph layer. The paper uses gat and ablates gcn and gin; sage is its formula."
    )
    num_gnn_layers: int = _option(2, "Number K of graph layers; 0 leaves attention-scored pooling.", _not_negative)
    gnn_hidden_size: int = _option(128, "Total width H of a graph layer, attention heads concatenated.", _positive)
    num_attention_heads: int = _option(
        1,
        "Attention heads of gat, where it must divide gnn_hidden_size, and of cross_attention, latent_attention and "
        "multi_query, where it must divide input_size.",
        _positive,
    )
    num_latents: int | None = _option(
        None, "Learned vectors: queries of multi_query (default 4), latents of latent_attention (512).", _positive
    )
    similarity_threshold: float | int = _option(
        0.6, "Tokens are joined where their cosine exceeds this (tau in the paper).", _below_one
    )
    jumping_knowledge: Literal["cat", "max", "mean", "last"] = _option(
        "cat", "How layer outputs join: cat = [x; h1; ...; hK], max or mean over h1..hK, last = hK."
    )
    readout_hidden_size: int | None = _option(
        None, "Width of the readout's tanh layer; default max(128, D // 2), as released.", _positive
    )
    projection_size: int | None = _option(None, "Project the sentence vector linearly to this width.", _positive)
    pair_mode: Literal["concat", "interaction", "cosine", "late", "late_mean"] | None = _option(
        None,
        "Sentence pairs, each sentence encoded alone: [a; b], [a; b; |a-b|; a*b], or cosine(P a, P b); late compares "
        "their tokens, without a pooling, and late_mean, its control, tokens with the other sentence's mean.",
    )

    def __new__(cls, *args, **kwargs):
        # Looked at here because a field's default cannot be told from the same value given by the user later on.
        _refuse_two_thresholds(kwargs)
        return super().__new__(cls)

    def __post_init__(self, **kwargs):
        if isinstance(self.backbone_config, dict):
            self.backbone_config = _config_from_dict(self.backbone_config)
        if self.pair_mode == "cosine":  # one score, whatever the number of labels is by default
            self.problem_type = self.problem_type or "regression"
            if self.id2label is None:
                kwargs.setdefault("num_labels", 1)
        if self.input_size is None and self.backbone_config is not None:
            self.input_size = hidden_size_of(self.backbone_config)
        if unknown := sorted(self._unknown_keys(kwargs)):
            valid = [field.name for field in fields(self) if field.name not in PreTrainedConfig.__dataclass_fields__]
            valid += self.attribute_map
            close = difflib.get_close_matches(unknown[0], valid, n=1)
            hint = f"Did you mean `{close[0]}`?" if close else f"The options are {valid}."
            raise TypeError(f"GlotConfig has no option `{unknown[0]}`. {hint}")
        super().__post_init__(**kwargs)

    def __setattr__(self, name, value):
        # `@strict` looks validators up by field name, which an alias would slip past.
        super().__setattr__(self.attribute_map.get(name, name), value)

    @classmethod
    def _unknown_keys(cls, keys) -> set[str]:
        known = _PRETRAINED_CONFIG_KEYS | set(cls.attribute_map) | {field.name for field in fields(cls)}
        return set(keys) - known

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        """As `PreTrainedConfig.from_dict`; keys of a newer version are kept with a warning instead of refused."""
        config_dict = {key: value for key, value in config_dict.items() if key not in _NEVER_FROM_A_FILE}
        if (model_type := config_dict.get("model_type", cls.model_type)) != cls.model_type:
            raise ValueError(
                f"this is the configuration of a {model_type!r} model and not of a GLOT head: to make a head on that "
                "model, use from_backbone(...)"
            )
        _refuse_two_thresholds(kwargs)
        if "tau" in kwargs:
            config_dict.pop("similarity_threshold", None)
        newer = {key: config_dict.pop(key) for key in cls._unknown_keys(config_dict)}
        if newer:
            logger.warning(
                f"This head's config.json has options that this version of glot_hf does not know: {sorted(newer)}. "
                "They are kept but have no effect: update glot_hf if the results differ from what its author reports."
            )
        result = super().from_dict(config_dict, **kwargs)
        config = result[0] if isinstance(result, tuple) else result
        for key, value in newer.items():
            setattr(config, key, value)
        config.validate()  # the options given here were assigned one by one
        return result

    def save_pretrained(self, save_directory, *args, **kwargs):
        """As usual, with glot_hf's version, beside that of transformers."""
        self.glot_hf_version = __version__
        super().save_pretrained(save_directory, *args, **kwargs)

    @property
    def compares_tokens(self) -> bool:
        """Whether pairs are compared token by token, so that no text has a vector."""
        return self.pair_mode in ("late", "late_mean")

    @property
    def pooled_size(self) -> int | None:
        """Width D of the pooled vector before the projection, or None while `input_size` is not known."""
        if self.input_size is None:
            return None
        if self.pooling == "multi_query":
            return (self.num_latents or 4) * self.input_size
        if self.pooling not in ("glot", "deepsets") or self.num_gnn_layers == 0:
            return self.input_size
        if self.jumping_knowledge == "cat":
            return self.input_size + self.num_gnn_layers * self.gnn_hidden_size
        return self.gnn_hidden_size

    @property
    def hidden_size(self) -> int | None:
        """Width of the sentence vector, or None while `input_size` is not known."""
        return self.projection_size or self.pooled_size

    @property
    def vocab_size(self) -> int | None:
        """The backbone's vocabulary size, or None without a `backbone_config`."""
        return getattr(self.get_text_config(), "vocab_size", None) if self.backbone_config is not None else None

    @vocab_size.setter
    def vocab_size(self, value: int) -> None:
        if self.backbone_config is None:
            raise ValueError(f"vocab_size={value} is the backbone's, and this configuration has no backbone_config")
        self.get_text_config().vocab_size = value

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PreTrainedConfig:
        """The backbone's text configuration (what resizing embeddings asks), or this one where there is none."""
        if self.backbone_config is None:
            return self
        return self.backbone_config.get_text_config(decoder=decoder, encoder=encoder)

    def validate_output_attentions(self):
        """Overrides a check on this configuration's own attention implementation: it is the backbone that attends."""

    def validate_num_attention_heads(self):
        """Part of `@strict`-powered validation."""
        attends = self.pooling in ("cross_attention", "latent_attention", "multi_query")
        name = "input_size" if attends else "gnn_hidden_size"
        size = getattr(self, name)
        if size is not None and size % self.num_attention_heads:
            raise ValueError(f"num_attention_heads ({self.num_attention_heads}) must divide {name} ({size})")

    def validate_input_size(self):
        """Part of `@strict`-powered validation."""
        if self.backbone_config is None:
            return
        expected = hidden_size_of(self.backbone_config)
        if expected is not None and expected != self.input_size:
            raise ValueError(
                f"input_size ({self.input_size}) does not fit the backbone, whose hidden size is {expected}: leave "
                "input_size out, or choose the backbone that the head was made for"
            )

    def validate_backbone_layers(self):
        """Part of `@strict`-powered validation."""
        if self.backbone_config is None:
            return
        count = getattr(self.get_text_config(), "num_hidden_layers", None)
        if count is None:
            return
        layers = self.backbone_layers if isinstance(self.backbone_layers, list) else [self.backbone_layers]
        if not all(-count - 1 <= layer <= count for layer in layers):
            raise ValueError(
                f"backbone_layers={self.backbone_layers}: the backbone has hidden states 0 (its embeddings) to "
                f"{count}, or -{count + 1} to -1 from the end"
            )

    def validate_pair_mode(self):
        """Part of `@strict`-powered validation."""
        if self.pair_mode == "cosine" and self.problem_type not in (None, "regression"):
            raise ValueError(
                f'pair_mode="cosine" gives one score and no classes, which problem_type={self.problem_type!r} needs: '
                'use pair_mode="concat" or "interaction", or labels in [-1, 1]'
            )

    def validate_late_interaction(self):
        """Part of `@strict`-powered validation."""
        if self.compares_tokens and (self.pooling != "glot" or self.projection_size is not None):
            raise ValueError(
                f'pair_mode="{self.pair_mode}" compares token states and pools nothing: leave pooling '
                f"({self.pooling!r}) and projection_size ({self.projection_size}) out, or use another pair_mode"
            )

    def validate_backbone_in_checkpoint(self):
        """Part of `@strict`-powered validation."""
        if self.backbone_in_checkpoint and self.backbone_config is None:
            raise ValueError("backbone_in_checkpoint=True needs a backbone_config to build the backbone from")
        if self.backbone_in_checkpoint and type(self.backbone_config) not in MODEL_MAPPING:
            raise ValueError(
                f"backbone_in_checkpoint=True needs a backbone that transformers builds from its configuration, which "
                f"{self.backbone_config.model_type!r} is not: it is part of a model, or has code of its own"
            )


def _refuse_two_thresholds(options: dict[str, Any]) -> None:
    if {"tau", "similarity_threshold"} <= set(options) and options["tau"] != options["similarity_threshold"]:
        raise ValueError(
            f"tau={options['tau']} and similarity_threshold={options['similarity_threshold']} are two names of one "
            "option: give one of them"
        )


def _without_kernels(value: Any) -> Any:
    """A configuration as a dict, and those of its parts, without what may name a kernel."""
    if not isinstance(value, dict):
        return value
    return {key: _without_kernels(each) for key, each in value.items() if key not in _NEVER_FROM_A_FILE}


def _config_from_dict(config_dict: dict[str, Any]) -> PreTrainedConfig:
    config_dict = _without_kernels(copy.deepcopy(config_dict))
    model_type = config_dict.pop("model_type", None)
    if model_type is None:
        raise ValueError("backbone_config needs a `model_type`, such as 'bert', to know which configuration it is")
    if model_type not in CONFIG_MAPPING and config_dict:
        # Of a part of a model, or of one with code of its own, which is not run to read a few numbers. A class,
        # because to_dict asks it.
        return type("UnregisteredConfig", (PreTrainedConfig,), {"model_type": model_type})(**config_dict)
    return AutoConfig.for_model(model_type, **config_dict)


def hidden_size_of(backbone_config: PreTrainedConfig) -> int | None:
    """Width d of a backbone's last hidden states, or None where its configuration does not say."""
    text_config = backbone_config.get_text_config()
    # OPT projects its last hidden state back to the width of its word embeddings.
    return getattr(text_config, "word_embed_proj_dim", None) or getattr(text_config, "hidden_size", None)


__all__ = ["GlotConfig"]

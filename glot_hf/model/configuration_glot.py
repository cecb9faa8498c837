# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""GLOT configuration: every option of a head, and where its frozen backbone comes from."""

import copy
import difflib
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from transformers.utils.versions import require_version

from .version_glot import __version__


# Checked before the next imports, which older versions do not have. setup.cfg requires the same version.
require_version("transformers>=5.4", "This GLOT head needs a newer transformers: pip install -U transformers")

from huggingface_hub.dataclasses import strict  # noqa: E402
from huggingface_hub.errors import StrictDataclassError  # noqa: E402
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoConfig, PreTrainedConfig  # noqa: E402
from transformers.utils import logging  # noqa: E402

from .keys_glot import require_valid  # noqa: E402
from .language_model_glot import require_tied_decoder  # noqa: E402
from .options_glot import ALIASES, HeadOptions, model_option, size_of_features  # noqa: E402


logger = logging.get_logger(__name__)

# These can name a kernel on the Hub, which is code: they are taken from the caller and never from a config.json.
_NEVER_FROM_A_FILE = {
    f"{prefix}{part}_implementation{suffix}"
    for prefix in ("", "_")
    for part in ("attn", "experts")
    for suffix in ("", "_internal")
}

# Options of the paper's graph layers that the residual block does not have, and their defaults.
_OF_GRAPH_LAYERS = {"gnn_type": "gat", "jumping_knowledge": "cat", "num_attention_heads": 1}

# Options that say how a vector is made, of which there is none where token states are compared.
_OF_VECTORS = ("pooling", "block", "readout", "projection_size")

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


@strict
class GlotConfig(HeadOptions, PreTrainedConfig):
    r"""
    Configuration of a GLOT head (arXiv 2603.03389) on a frozen backbone. Options are validated when the configuration
    is made and whenever one is assigned; each field's `help` says what it does.

    With `d = token_size` (`state_size`, times the number of layers where several are concatenated),
    `K = num_gnn_layers` and `H = gnn_hidden_size`, the sentence vector has `hidden_size = projection_size or D`, where
    for each readout `D = d + K * H` for `jumping_knowledge="cat"`, `H` for the other kinds and for `block="residual"`,
    `d` without graph layers (`K = 0`) and for the other poolings, but `num_latents * d` for multi_query and GLOT's own
    width for deepsets. A head that `compares_tokens` (`pair_mode`) has no sentence vector, and `hidden_size` is `d`.

    `tau` is an alias of `similarity_threshold`.

    Raises:
        StrictDataclassError: an option has the wrong type or a value outside what it allows.
        ValueError: options do not fit each other: `tau` and `similarity_threshold` disagree, `input_size` is not the
            backbone's hidden size, `block` does not have an option that was given.
        TypeError: an option does not exist.

    Example:

    ```python
    >>> from glot_hf import GlotConfig

    >>> config = GlotConfig(input_size=384, gnn_type="gat", gnn_hidden_size=128, num_gnn_layers=2, tau=0.6)
    >>> config.hidden_size
    640
    ```"""

    model_type = "glot"
    attribute_map = ALIASES
    sub_configs: ClassVar[dict[str, Any]] = {"backbone_config": AutoConfig}
    keys_to_ignore_at_inference = ["hidden_states", "attentions"]  # Trainer's metrics are of the logits
    backbone_fingerprint = None  # of the backbone's weights, noted when one is attached; see backbone_origin_glot

    if TYPE_CHECKING:
        # PreTrainedConfig takes the number, and keeps it as the length of `id2label`. A head has both.
        num_labels: int | Any = 2
        id2label: dict[int, str] | Any = None
        problem_type: Any = None

    backbone_config: dict[str, Any] | PreTrainedConfig | None = model_option(None, "The backbone's own configuration.")

    def __new__(cls, *args, **kwargs):
        # Looked at here because a field's default cannot be told from the same value given by the user later on.
        _refuse_two_thresholds(kwargs)
        return super().__new__(cls)

    def __post_init__(self, **kwargs):
        if isinstance(self.backbone_config, dict):
            self.backbone_config = config_from_dict(self.backbone_config)
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
        name = self.attribute_map.get(name, name)
        require_valid(str(name), value)
        super().__setattr__(name, value)

    @classmethod
    def _unknown_keys(cls, keys) -> set[str]:
        known = _PRETRAINED_CONFIG_KEYS | set(cls.attribute_map) | {field.name for field in fields(cls)}
        return set(keys) - known

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        """
        The same as `PreTrainedConfig.from_dict`, except that keys of a newer version are kept with a warning.
        """
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
            if key.startswith("__") or hasattr(cls, key) or hasattr(config, key):
                # It would take the place of a method, or of a number that follows from the options.
                raise ValueError(
                    f"{key!r} is a name that GlotConfig itself uses, and no option of a head: leave it out"
                )
            if not key.startswith("_"):  # else a private note of another version of transformers
                setattr(config, key, value)
        config.validate()  # the options given here were assigned one by one
        return result

    @classmethod
    def _dict_from_json_file(cls, json_file):
        described = super()._dict_from_json_file(json_file)
        if not isinstance(described, dict):
            raise ValueError(f"{json_file}: a head's configuration is a mapping, got {described!r:.60}")
        return described

    def dict_dtype_to_str(self, d: dict[str, Any]) -> None:
        """Name the dtypes in a dict, in place. What a file has besides dtypes under `dtype` stays as it is."""
        for key, value in d.items():
            if type(value).__name__ == "dtype":
                d[key] = str(value).removeprefix("torch.")
            elif isinstance(value, dict):
                self.dict_dtype_to_str(value)

    def save_pretrained(self, save_directory, *args, **kwargs):
        """Save the configuration with glot_hf's version, beside that of transformers."""
        self.glot_hf_version = __version__
        super().save_pretrained(save_directory, *args, **kwargs)

    @property
    def compares_tokens(self) -> bool:
        """Whether pairs are compared token by token, so that no text has a vector."""
        return self.pair_mode in ("late", "late_mean")

    @property
    def state_size(self) -> int | Any:  # Any: whoever reads a width has checked that `input_size` is known
        """Width of the states of a token at one layer as the head is given them, or None without an `input_size`."""
        return None if self.input_size is None else self.input_size + size_of_features(self.token_features)

    @property
    def token_size(self) -> int | Any:
        """Width d of a token as the pooling reads it, or None while `input_size` is not known."""
        if self.input_size is None or self.layer_mix != "concat" or not isinstance(self.backbone_layers, list):
            return self.state_size
        return len(self.backbone_layers) * self.state_size

    @property
    def token_embedding_size(self) -> int | Any:
        """Width of what glot's readouts read of a token, or None while `input_size` is not known."""
        if self.input_size is None:
            return None
        if self.block == "residual":
            return self.gnn_hidden_size
        if self.num_gnn_layers == 0 or self.compares_tokens:
            return self.token_size
        if self.jumping_knowledge == "cat":
            return self.token_size + self.num_gnn_layers * self.gnn_hidden_size
        return self.gnn_hidden_size

    @property
    def readouts(self) -> list[str]:
        """`readout` as a list, also where it is one."""
        return self.readout if isinstance(self.readout, list) else [self.readout]

    @property
    def pooled_size(self) -> int | Any:
        """The width D of the pooled vector before the projection, or None while `input_size` is not known."""
        if self.input_size is None:
            return None
        if self.pooling == "multi_query":
            return (self.num_latents or 4) * self.token_size
        if self.pooling not in ("glot", "deepsets"):
            return self.token_size
        return len(self.readouts) * self.token_embedding_size

    @property
    def hidden_size(self) -> int | Any:
        """The width of the sentence vector, or None while `input_size` is not known."""
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
        """Return the backbone's text configuration, which resizing embeddings reads, or this one if there is none."""
        if not isinstance(self.backbone_config, PreTrainedConfig):
            return self
        return self.backbone_config.get_text_config(decoder=decoder, encoder=encoder)

    def validate_output_attentions(self):
        """Skip the check of this configuration's own attention implementation: it is the backbone that attends."""

    def validate_num_attention_heads(self):
        """Refuse a number of attention heads that does not divide their width."""
        attends = self.pooling in ("cross_attention", "latent_attention", "multi_query")
        name = "token_size" if attends and self.token_size != self.input_size else "input_size"
        name = name if attends else "gnn_hidden_size"
        size = getattr(self, name)
        if size is not None and size % self.num_attention_heads:
            raise ValueError(f"num_attention_heads ({self.num_attention_heads}) must divide {name} ({size})")

    def validate_input_size(self):
        """Refuse a width that is not the backbone's."""
        if not isinstance(self.backbone_config, PreTrainedConfig):
            return
        expected = hidden_size_of(self.backbone_config)
        if expected is not None and expected != self.input_size:
            raise ValueError(
                f"input_size ({self.input_size}) does not fit the backbone, whose hidden size is {expected}: leave "
                "input_size out, or choose the backbone that the head was made for"
            )

    def validate_backbone_layers(self):
        """Refuse layers that the backbone does not have."""
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
        if len({layer % (count + 1) for layer in layers}) < len(layers):
            raise ValueError(f"backbone_layers={layers} names a layer twice: -1 is {count}, the backbone's last")

    def validate_token_features(self):
        """Refuse a backbone that cannot say how probable a token is."""
        if self.token_features and isinstance(self.backbone_config, PreTrainedConfig):
            require_tied_decoder(self.backbone_config)

    def validate_block(self):
        """Part of `@strict`-powered validation."""
        if self.pooling != "glot":
            return
        if self.block == "gnn" and self.dropout:
            raise ValueError(f'dropout={self.dropout} is for block="residual": block="gnn", as in the paper, has none')
        for name, default in _OF_GRAPH_LAYERS.items() if self.block == "residual" else ():
            if (value := getattr(self, name)) != default:
                raise ValueError(f'{name}={value!r} has no effect with block="residual": leave it out, or block="gnn"')

    def validate_pair_mode(self):
        """Refuse classes where pairs get one score."""
        if self.pair_mode == "cosine" and self.problem_type not in (None, "regression"):
            raise ValueError(
                f'pair_mode="cosine" gives one score and no classes, which problem_type={self.problem_type!r} needs: '
                'use pair_mode="concat" or "interaction", or labels in [-1, 1]'
            )

    def validate_late_interaction(self):
        """Refuse ways to make a vector where tokens are compared, and no vector is made."""
        for name in _OF_VECTORS if self.compares_tokens else ():
            if (value := getattr(self, name)) != getattr(HeadOptions, name):
                raise ValueError(
                    f"{name}={value!r} has no effect with pair_mode={self.pair_mode!r}, which compares token states "
                    "and makes no vector: leave it out, or use another pair_mode"
                )

    def validate_backbone_in_checkpoint(self):
        """Refuse to keep a backbone that cannot be built from its configuration."""
        if not self.backbone_in_checkpoint:
            return
        if not isinstance(self.backbone_config, PreTrainedConfig):
            raise ValueError("backbone_in_checkpoint=True needs a backbone_config to build the backbone from")
        if type(self.backbone_config) not in MODEL_MAPPING:
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
    """Return a configuration, as a dict, and those of its parts without the keys that may name a kernel."""
    if not isinstance(value, dict):
        return value
    return {key: _without_kernels(each) for key, each in value.items() if key not in _NEVER_FROM_A_FILE}


def config_from_dict(config_dict: dict[str, Any]) -> PreTrainedConfig:
    """
    Make a backbone's configuration of what `to_dict` gave. No code of a repository is run, and no kernel is named.

    Raises:
        ValueError: there is no `model_type` in it, or transformers cannot make a configuration of what it holds.
    """
    try:
        config = _make_config(_without_kernels(copy.deepcopy(config_dict)))
        config.to_dict()  # which a dtype that is none would break later on
        return config
    except (StrictDataclassError, ValueError):
        raise
    except Exception as error:  # of many kinds: transformers checks few of the values
        raise ValueError(f"backbone_config cannot be read ({type(error).__name__}: {error})") from error


def _make_config(config_dict: dict[str, Any]) -> PreTrainedConfig:
    model_type = config_dict.pop("model_type", None)
    if model_type is None:
        raise ValueError("backbone_config needs a `model_type`, such as 'bert', to know which configuration it is")
    if model_type not in CONFIG_MAPPING and config_dict:
        # A part of a model has no registered type, nor has a model with code of its own, which is not run to read a
        # few numbers. It takes a class, because to_dict reads the type from the class.
        return type("UnregisteredConfig", (PreTrainedConfig,), {"model_type": model_type})(**config_dict)
    return AutoConfig.for_model(model_type, **config_dict)


def hidden_size_of(backbone_config: PreTrainedConfig) -> int | None:
    """Return the width d of a backbone's last hidden states, or None where its configuration does not say."""
    text_config = backbone_config.get_text_config()
    # OPT projects its last hidden state back to the width of its word embeddings.
    return getattr(text_config, "word_embed_proj_dim", None) or getattr(text_config, "hidden_size", None)


__all__ = ["GlotConfig"]

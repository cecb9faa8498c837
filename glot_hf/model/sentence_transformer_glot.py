# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
`GlotPooling`, a module of sentence-transformers: a head that comes after its `Transformer`.

This file is saved by sentence-transformers, and not with a head alone, which does not need that library.
"""

import copy
import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerModelCardData
from sentence_transformers.sentence_transformer.modules import Module, Pooling, Transformer
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.dynamic_module_utils import get_relative_import_files

from .backbone_forward_glot import sees_padding, select_layers
from .backbone_glot import has_optional_pooler, is_trainable, text_encoder, without_pooler
from .configuration_glot import GlotConfig
from .pooling_glot import GlotPooler
from .version_glot import __version__
from .weights_glot import require_sound


# Options that a pooling does not have: those of the backbone, which is the Transformer, and of a classifier.
_NOT_OF_A_POOLING = {
    "backbone_config",
    "backbone_in_checkpoint",
    "backbone_load_kwargs",
    "backbone_name_or_path",
    "backbone_revision",
    "pair_mode",
}
_OPTIONS = [
    field.name
    for field in dataclasses.fields(GlotConfig)
    if field.name not in _NOT_OF_A_POOLING and field.name not in PreTrainedConfig.__dataclass_fields__
]
_OWN_OPTIONS = ("truncate_dim", "include_prompt")


class GlotPooling(Module):
    """
    Token embeddings of a `Transformer` -> sentence embedding, by any pooling of [`GlotConfig`].

    A text's vector is the one that it has alone: the `Transformer` is set to pad on the right and not to pack texts.
    It also returns all layers where `backbone_layers` asks for them, and runs without dropout, in training too, while
    all of its parameters are frozen. The head stays in float32 on a backbone in half precision. The method
    `set_pooling_include_prompt(False)` of a `SentenceTransformer` leaves the tokens of the prompt out.

    Args:
        config ([`GlotConfig`], *optional*): with `input_size` known; its `backbone_*` options have no meaning here.
        truncate_dim (`int`, *optional*): the number of leading dimensions to keep, before other modules see them.
        include_prompt (`bool`): False leaves the tokens of the prompt, which the backbone reads, out of the vector.
        options: options of [`GlotConfig`], in place of `config`.

    Raises:
        StrictDataclassError, TypeError, ValueError: an option is not valid, or is `token_features`.

    Example:

    ```python
    >>> transformer = Transformer("bert-base-uncased")
    >>> pooling = GlotPooling(input_size=transformer.get_embedding_dimension(), gnn_hidden_size=64)
    >>> model = SentenceTransformer(modules=[transformer, pooling])
    ```
    """

    # The name in modules.json: sentence-transformers looks for this file in the saved folder.
    __module__ = "sentence_transformer_glot"

    def __init__(
        self,
        config: GlotConfig | None = None,
        truncate_dim: int | None = None,
        include_prompt: bool = True,
        **options: Any,
    ):
        super().__init__()
        config = GlotConfig(**options) if config is None else config
        if config.token_features:
            raise ValueError(
                f"token_features={config.token_features} are computed by GlotModel, and a Transformer of "
                "sentence-transformers gives states alone: use GlotModel.encode, or a head without them"
            )
        if truncate_dim is not None and not 1 <= truncate_dim <= config.hidden_size:
            raise ValueError(f"truncate_dim {truncate_dim} is not between 1 and {config.hidden_size}, the width")
        self.config = GlotConfig(**{name: getattr(config, name) for name in _OPTIONS})
        self.pooler = GlotPooler(self.config)
        self.truncate_dim, self.include_prompt = truncate_dim, include_prompt

    @classmethod
    def from_head(cls, model: Any, truncate_dim: int | None = None) -> "GlotPooling":
        """
        Copy the head of a `GlotModel` or `GlotForSequenceClassification`. The vectors of a cosine head are those that
        it compares: their cosine is its score.
        """
        config, head = copy.deepcopy(model.config), copy.deepcopy(model.base_model.head)
        if (last := model.last_projection()) is not None:
            head.project_on(last)
            config.projection_size = config.hidden_size
        pooling = cls(config, truncate_dim)
        pooling.pooler.load_state_dict(head.state_dict())
        return pooling.eval()

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """
        Add `sentence_embedding` `(B, D)` to the features, from `attention_mask` `(B, L)` and `token_embeddings`
        `(B, L, d)`, or `all_layer_embeddings` for other `backbone_layers` than the last. D is `truncate_dim` where
        that is given.

        Raises:
            ValueError: texts are padded on the left, layers are missing, or shapes do not fit the head.
        """
        mask = features["attention_mask"]
        if (mask[:, 1:] > mask[:, :-1]).any():
            raise ValueError(
                "GlotPooling takes texts that are padded on the right: a backbone with absolute positions makes other "
                'states after padding. Set model.tokenizer.padding_side = "right"; that is as good for a decoder'
            )
        if not self.include_prompt and "prompt_length" in features:
            length = features["prompt_length"]  # one number for all, which training makes a tensor of
            mask = mask.clone()
            mask[:, : int(length[0]) if isinstance(length, Tensor) else length] = 0
        states = self._states(features)
        dtype = next((parameter.dtype for parameter in self.pooler.parameters()), torch.float32)
        features["sentence_embedding"] = self.pooler(states.to(dtype), mask)[:, : self.truncate_dim]
        return features

    def _states(self, features: dict[str, Any]) -> Tensor:
        if self.config.backbone_layers == -1:
            return features["token_embeddings"]
        if "all_layer_embeddings" not in features:
            raise ValueError(
                f"backbone_layers={self.config.backbone_layers} needs all layers of the Transformer: set "
                "model.transformers_model.config.output_hidden_states = True"
            )
        return select_layers(features["all_layer_embeddings"], self.config.backbone_layers)

    def on_model_ready(self, model: SentenceTransformer) -> None:
        """
        Set up the `Transformer` of a new `SentenceTransformer` for the promises of this class, and its model card.

        Raises:
            ValueError: padding reaches the tokens of its backbone in spite of the mask, or it is not of text.
        """
        if type(model.model_card_data) is SentenceTransformerModelCardData:
            model.model_card_data.__class__ = GlotModelCardData
        model.model_card_data.add_tags("glot")
        first = model[0]
        if not isinstance(first, Transformer):
            return
        transformer: Any = first
        backbone = text_encoder(transformer.model)
        if sees_padding(backbone):
            raise ValueError(
                f"padding would change the vectors of a {backbone.config.model_type!r} backbone, which "
                "sentence-transformers runs on padded texts: use GlotModel.encode, or another backbone"
            )
        transformer.tokenizer.padding_side = "right"
        transformer.unpad_inputs = False
        if self.config.backbone_layers != -1:
            transformer.model.config.output_hidden_states = True
            transformer.register_forward_hook(_AllLayers(transformer), with_kwargs=True)
        if has_optional_pooler(type(backbone)):
            # Nothing reads it: it would be without gradients in training, and without weights in a head's backbone.
            without_pooler(backbone)
            transformer.model_kwargs = {"add_pooling_layer": False}
            transformer.config_keys = [*Transformer.config_keys, "model_kwargs"]
        transformer.register_forward_pre_hook(_without_dropout_if_frozen)

    def to(self, *args: Any, **kwargs: Any) -> "GlotPooling":
        """Move the module. `to(dtype)` has no effect: `SentenceTransformer` gives each module its backbone's dtype."""
        if len(args) == 1 and not kwargs and isinstance(args[0], torch.dtype):
            return self
        return super().to(*args, **kwargs)

    def get_embedding_dimension(self) -> int:
        return self.truncate_dim or self.config.hidden_size

    def get_config_dict(self) -> dict[str, Any]:
        options = {name: getattr(self.config, name) for name in _OPTIONS}
        own = {name: getattr(self, name) for name in _OWN_OPTIONS}
        return options | own | {"glot_hf_version": __version__}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Save configuration and weights (always safetensors), and the code beside the modules' folders."""
        self.save_config(output_path)
        self.save_torch_weights(output_path)
        for file in (__file__, *get_relative_import_files(__file__)):
            shutil.copy(file, Path(output_path).parent)

    @classmethod
    def load(
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        token: bool | str | None = None,
        cache_folder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        **kwargs: Any,
    ) -> "GlotPooling":
        """Load from a folder or repository; options of a newer version are kept with a warning."""
        where = {
            "subfolder": subfolder,
            "token": token,
            "cache_folder": cache_folder,
            "revision": revision,
            "local_files_only": local_files_only,
        }
        saved = cls.load_config(model_name_or_path, **where)
        own = {name: saved.pop(name) for name in _OWN_OPTIONS if name in saved}
        module = cls(GlotConfig.from_dict(saved), **own)
        weights: Any = cls.load_torch_weights(model_name_or_path, **where)
        expected = module.state_dict()
        for name in weights.keys() & expected.keys():
            require_sound(name, weights[name], expected[name])
        module.load_state_dict(weights)
        return module

    def __reduce__(self) -> tuple:
        # Processes of a pool unpickle the module: pickle would look for its class where `__module__` says.
        return _new_pooling, () if type(self) is GlotPooling else (type(self),), self.__getstate__()


# `SentenceTransformer.set_pooling_include_prompt` looks for a `Pooling`, whose other methods do not fit a head.
Pooling.register(GlotPooling)


class _AllLayers:
    """A forward hook that lets a `Transformer` that returns all layers do so in another process too."""

    def __init__(self, transformer: Transformer):
        self.transformer = transformer

    def __call__(self, transformer: Transformer, args: tuple, kwargs: dict, features: dict[str, Any]) -> Any:
        if "all_layer_embeddings" in features:
            return features
        # transformers learns what a class can return when a model of it is made, which no process of a pool has done.
        with torch.device("meta"):
            type(transformer.model)(copy.deepcopy(transformer.model.config))
        return transformer.forward(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        # Called before the layers are pickled. The hooks by which transformers records states cannot be pickled; it
        # sets them again when it is next asked for states.
        for module in self.transformer.model.modules():
            if module.__dict__.pop("_output_capturing_hooks_installed", False):
                _remove_recorders(module)
        return self.__dict__


def _remove_recorders(model: nn.Module) -> None:
    for module in model.modules():
        for key, hook in list(module._forward_hooks.items()):
            if getattr(hook, "__module__", None) == "transformers.utils.output_capturing":
                del module._forward_hooks[key]


class GlotModelCardData(SentenceTransformerModelCardData):
    """Return a model card whose example trusts the code of `GlotPooling`, without which nothing loads."""

    def generate_usage_snippet(self) -> str:
        return re.sub(
            r'(= SentenceTransformer\("[^"]*")\)', r"\1, trust_remote_code=True)", super().generate_usage_snippet()
        )


def _new_pooling(kind: type[GlotPooling] = GlotPooling) -> GlotPooling:
    return kind.__new__(kind)


def _without_dropout_if_frozen(transformer: Transformer, args: tuple) -> None:
    if transformer.model.training and not is_trainable(transformer.model):
        transformer.model.eval()


__all__ = ["GlotPooling"]
